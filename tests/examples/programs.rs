//! Child processes that end with their handle, and where to find them.

use std::ffi::OsStr;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::SystemTime;

use crate::transcript::{Transcript, ask_for};

/// A running program, killed when it is dropped.
pub(crate) struct Program {
    name: String,
    child: Child,
    input: Option<ChildStdin>,
    /// Its standard output.
    pub(crate) output: Transcript,
    /// Its standard error.
    pub(crate) errors: Transcript,
}

impl Program {
    /// Starts `command` with a pipe as its standard input; see [`say`](Self::say).
    pub(crate) fn start(command: &mut Command) -> Self {
        Self::start_with_input(command, Stdio::piped())
    }

    pub(crate) fn start_with_input(command: &mut Command, input: Stdio) -> Self {
        let path = Path::new(command.get_program());
        let name = path.file_name().unwrap_or(path.as_os_str());
        let name = name.to_string_lossy().into_owned();
        let mut child = command
            .stdin(input)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{name} cannot be started: {error}"));
        let output = child.stdout.take().expect("it was asked for");
        let errors = child.stderr.take().expect("it was asked for");
        Self {
            input: child.stdin.take(),
            output: Transcript::of(&name, output),
            errors: Transcript::of(&format!("{name} (standard error)"), errors),
            child,
            name,
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Writes a line to its standard input.
    pub(crate) fn say(&mut self, line: &str) {
        self.type_in(format!("{line}\n").as_bytes());
    }

    /// Writes to its standard input.
    pub(crate) fn type_in(&mut self, bytes: &[u8]) {
        let input = self.input.as_mut().expect("its input is a pipe, and open");
        input
            .write_all(bytes)
            .unwrap_or_else(|error| panic!("{} does not listen: {error}", self.name));
    }

    /// Ends its standard input.
    pub(crate) fn end_input(&mut self) {
        self.input = None;
    }

    /// Takes the pipe to its standard input away from it, for a thread of its own.
    pub(crate) fn take_input(&mut self) -> ChildStdin {
        self.input.take().expect("its input is a pipe, and open")
    }

    /// SIGKILL: it cannot even close its sockets itself.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it is our own child");
        self.wait();
    }

    /// Sends the signal `name` ("STOP", "CONT"), for which the standard library has no call.
    pub(crate) fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.id());
        let status = Command::new("sh").args(["-c", &kill]).status();
        assert!(
            status.expect("there is a shell").success(),
            "{kill} must reach {}",
            self.name
        );
    }

    /// Waits until it exits.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let Self { name, child, .. } = self;
        ask_for(&format!("exit of {name}"), || {
            child.try_wait().expect("it is our own child")
        })
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child
            .try_wait()
            .expect("it is our own child")
            .is_none()
    }
}

/// Questions to the operating system about it.
impl Program {
    /// The most memory that it ever had, where `/proc` tells.
    pub(crate) fn most_resident_bytes(&self) -> Option<usize> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
        let kibibytes: usize = line.split_whitespace().nth(1)?.parse().ok()?;
        Some(kibibytes << 10)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It fails only if the program has exited already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts an example that serves on a port that the system chooses, and says where that is.
pub(crate) fn start_server(name: &str, arguments: &[&str]) -> (Program, SocketAddr) {
    let mut server = Program::start(example(name).args(arguments));
    let line = server.output.next_line();
    let address = line
        .strip_prefix("listening ")
        .and_then(|address| address.parse().ok())
        .unwrap_or_else(|| panic!("{name} should say where it listens, not {line:?}"));
    (server, address)
}

/// The command that runs the example `name`, built if it was not, or not since it was changed.
pub(crate) fn example(name: &str) -> Command {
    static BUILDING: Mutex<()> = Mutex::new(());
    let tests = std::env::current_exe().expect("a running program has a path");
    let profile = tests
        .ancestors()
        .nth(2)
        .expect("tests lie in the profile's `deps`");
    let path = profile
        .join("examples")
        .join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let source =
        modified(&examples.join(format!("{name}.rs"))).max(modified_within(&examples.join(name)));
    let _one_at_a_time = BUILDING.lock();
    // The tests are linked anew whenever the library has changed. `cargo test` builds the examples as well, but
    // `cargo test --test examples` does not.
    if modified(&path) < source.max(modified(&tests)) {
        build_examples(profile);
    }
    assert!(
        path.exists(),
        "there is no {}: cargo build --examples",
        path.display()
    );
    Command::new(path)
}

fn modified(path: &Path) -> Option<SystemTime> {
    path.metadata().and_then(|file| file.modified()).ok()
}

/// When the newest file of `folder` was changed; `None` if there is no such folder.
fn modified_within(folder: &Path) -> Option<SystemTime> {
    let entries = folder.read_dir().ok()?.flatten().map(|entry| entry.path());
    let newest = entries.map(|path| modified(&path).max(modified_within(&path)));
    newest.max().flatten()
}

fn build_examples(profile: &Path) {
    static IS_BUILT: Mutex<bool> = Mutex::new(false);
    let mut is_built = IS_BUILT.lock().expect("a failed build ends the tests");
    if *is_built {
        return;
    }
    let profile_name = match profile.file_name().and_then(OsStr::to_str) {
        Some("debug") | None => "dev",
        Some(name) => name,
    };
    let target = profile.parent().expect("a profile lies in the target");
    let built = Command::new(env!("CARGO"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["build", "--quiet", "--examples", "--profile", profile_name])
        .arg("--target-dir")
        .arg(target)
        .output()
        .expect("cargo started these tests");
    assert!(
        built.status.success(),
        "{}",
        String::from_utf8_lossy(&built.stderr)
    );
    *is_built = true;
}

/// Whether the program `name` is installed. If not, says that the test is skipped.
pub(crate) fn has(name: &str) -> bool {
    let is_there = find_on_path(name).is_some();
    if !is_there {
        report_skipped(name);
    }
    is_there
}

/// Whether the netcat that is installed is OpenBSD's, whose `-N` ends the connection at the end of the input.
pub(crate) fn has_netcat() -> bool {
    let help = Command::new("nc").arg("-h").output();
    let is_there = help.is_ok_and(|help| {
        let text = [help.stdout, help.stderr].concat();
        String::from_utf8_lossy(&text).contains("OpenBSD")
    });
    if !is_there {
        report_skipped("netcat-openbsd");
    }
    is_there
}

fn find_on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
}

/// Written past the capture of the test harness, which would hide it as long as the test passes.
pub(crate) fn report_skipped(missing: &str) {
    let test = thread::current();
    let test = test.name().unwrap_or("a test");
    let _ = writeln!(
        std::io::stderr(),
        "SKIPPED (in part): {test}: no {missing} here"
    );
}
