//! What is counted: servers, built as a user would build them.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// The servers of the comparison that are counted, netloop first.
const NAMES: [&str; 3] = ["netloop", "raw_epoll", "mio"];

/// A server that is started as `program [before] PORT MODE [after]` and prints `listening ADDRESS`.
pub(crate) struct Subject {
    pub(crate) name: String,
    pub(crate) program: PathBuf,
    before: Vec<&'static str>,
    after: Vec<&'static str>,
}

impl Subject {
    /// Any program.
    pub(crate) fn program(program: PathBuf) -> Self {
        Self {
            name: program.display().to_string(),
            program,
            before: Vec::new(),
            after: Vec::new(),
        }
    }

    /// `examples/serve`.
    fn example(name: &str, program: &Path) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::program(program.to_owned())
        }
    }

    /// A server of the comparison in `benches/versus`.
    fn peer(name: &'static str, program: &Path) -> Self {
        Self {
            name: name.to_owned(),
            before: vec!["--serve", name],
            ..Self::program(program.to_owned())
        }
    }

    fn with_idle_timeout(self) -> Self {
        Self {
            name: format!("{}, 30 s idle timeout", self.name),
            after: vec!["--idle-timeout", "30"],
            ..self
        }
    }

    pub(crate) fn arguments(&self, mode: &'static str) -> Vec<&str> {
        // Port 0: the system chooses one that is free, and the server says which.
        let service = ["0", mode];
        [&self.before[..], &service, &self.after].concat()
    }
}

/// netloop and what it stands on, and the same with idle timeouts.
pub(crate) struct Roster {
    pub(crate) plain: Vec<Subject>,
    pub(crate) with_idle_timeouts: Vec<Subject>,
}

/// The servers of the comparison.
pub(crate) fn netloop_and_its_floors() -> Result<Roster, Box<dyn Error>> {
    let versus = build(
        &[
            "bench",
            "-p",
            "netloop-benches",
            "--bench",
            "versus",
            "--no-run",
        ],
        "versus",
    )?;
    let peers = || NAMES.map(|name| Subject::peer(name, &versus)).into_iter();
    Ok(Roster {
        plain: peers().collect(),
        with_idle_timeouts: peers().map(Subject::with_idle_timeout).collect(),
    })
}

/// netloop as it is, and with the variants that its feature adds to everything at the seam.
pub(crate) fn with_and_without_simulation() -> Result<Vec<Subject>, Box<dyn Error>> {
    let without = build_example("serve", &[])?;
    let with = build_example("serve_simulation", &["--features", "simulation"])?;
    Ok(vec![
        Subject::example("netloop", &without),
        Subject::example("netloop, feature simulation", &with),
    ])
}

/// Builds `examples/serve`, and keeps a copy under `name` that the next build does not overwrite.
fn build_example(name: &str, features: &[&str]) -> Result<PathBuf, Box<dyn Error>> {
    let command = [
        &["build", "--release", "-p", "netloop", "--example", "serve"],
        features,
    ]
    .concat();
    let built = build(&command, "serve")?;
    let copy = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::copy(built, &copy)?;
    Ok(copy)
}

/// Lets cargo do `command`, and says where it has put the program `name`.
fn build(command: &[&str], name: &str) -> Result<PathBuf, Box<dyn Error>> {
    let output = Command::new(env!("CARGO"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(command)
        .arg("--message-format=json-render-diagnostics")
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err(format!("cargo {} failed", command.join(" ")).into());
    }
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["target"]["name"] == name)
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .ok_or_else(|| format!("cargo did not say where {name} is").into())
}
