//! Programs that a test has started; they are killed when the test is over.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

/// The longest wait for anything before a test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder for certificates and keys.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("netloop-tls-echo-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        std::fs::write(self.path(name), text).unwrap();
        self.path(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A program whose output is read line by line.
pub(crate) struct Running {
    pub(crate) child: Child,
    lines: Receiver<String>,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        Self { child, lines }
    }

    /// Waits for the next line.
    #[track_caller]
    pub(crate) fn line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An echo server.
pub(crate) struct Echo {
    pub(crate) running: Running,
    pub(crate) address: String,
    pub(crate) certificate: PathBuf,
    pub(crate) folder: Folder,
}

impl Echo {
    /// Starts a server on a port that the system chooses.
    pub(crate) fn start() -> Self {
        let folder = Folder::new();
        let certificate = folder.path("certificate.pem");
        let mut command = Command::new(env!("CARGO_BIN_EXE_tls_echo"));
        let running = Running::start(command.arg("127.0.0.1:0").arg(&certificate));
        let line = running.line();
        let address = line.strip_prefix("listening on ").unwrap().to_owned();
        Self {
            running,
            address,
            certificate,
            folder,
        }
    }
}

/// Runs the client with a line, and waits for its end, two minutes at most.
pub(crate) fn ask(address: &str, file: &Path, line: &str) -> Output {
    Command::new("timeout")
        .arg("120")
        .arg(env!("CARGO_BIN_EXE_tls_client"))
        .arg(address)
        .arg(file)
        .arg(line)
        .output()
        .unwrap()
}

/// Returns a command, or `None` if the program is not installed. Says so then.
pub(crate) fn tool(name: &str) -> Option<Command> {
    let found = Command::new("sh")
        .args(["-c", &format!("command -v {name}")])
        .stdout(Stdio::null())
        .status();
    if !found.unwrap().success() {
        // Past the capture of the test harness, which would hide it as long as the test passes.
        let _ = writeln!(std::io::stderr(), "SKIPPED: no {name} here");
        return None;
    }
    Some(Command::new(name))
}
