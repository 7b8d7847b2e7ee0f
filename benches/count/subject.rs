//! The servers that are counted, built as a user would build them.

use std::error::Error;
use std::path::{Path, PathBuf};

use netloop_benches::bars::{FLOOR, SUBJECT};
use netloop_benches::build::{build, serve_example};

/// A server that is started as `program [before] PORT MODE [after]` and prints `listening ADDRESS`.
#[derive(Clone)]
pub(crate) struct Subject {
    pub(crate) name: String,
    pub(crate) program: PathBuf,
    before: Vec<&'static str>,
    after: Vec<&'static str>,
}

impl Subject {
    pub(crate) fn new(name: impl Into<String>, program: &Path) -> Self {
        Self {
            name: name.into(),
            program: program.to_owned(),
            before: Vec::new(),
            after: Vec::new(),
        }
    }

    /// The same server with more arguments, and what they mean in its name.
    pub(crate) fn with(self, meaning: &str, after: &[&'static str]) -> Self {
        Self {
            name: format!("{}, {meaning}", self.name),
            after: after.to_vec(),
            ..self
        }
    }

    pub(crate) fn arguments(&self, mode: &'static str) -> Vec<&str> {
        // Port 0: the system chooses one that is free, and the server says which.
        [&self.before[..], &["0", mode], &self.after].concat()
    }
}

/// Returns the example `udp_echo`, and the loop by hand on mio that `cargo datagrams` compares with. Both have a mode only, and
/// choose the port themselves.
pub(crate) fn datagram_servers() -> Result<Vec<Subject>, Box<dyn Error>> {
    let echo = build("build --release -p netloop --example udp_echo", "udp_echo")?;
    let bench = "bench -p netloop-benches --bench datagrams --no-run";
    let by_hand = build(bench, "datagrams")?;
    Ok(vec![
        Subject {
            before: vec!["127.0.0.1:0"],
            ..Subject::new(SUBJECT, &echo)
        },
        Subject {
            before: vec!["--serve", "mio"],
            ..Subject::new("mio", &by_hand)
        },
    ])
}

/// Returns netloop, and the loops by hand on the system and on mio.
pub(crate) fn netloop_and_its_floors() -> Result<Vec<Subject>, Box<dyn Error>> {
    let serve = serve_example()?;
    let versus = build("bench -p netloop-benches --bench versus --no-run", "versus")?;
    let floor = |name| Subject {
        before: vec!["--serve", name],
        ..Subject::new(name, &versus)
    };
    Ok(vec![
        Subject::new(SUBJECT, &serve),
        floor(FLOOR),
        floor("mio"),
    ])
}
