//! The tools that count: a server is run under one and ended again.

use std::array::from_fn;
use std::cell::Cell;
use std::error::Error;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use std::{fs, thread};

use netloop_benches::build::first_line;
use netloop_benches::process::Server;

use super::case::Case;

/// The titles of the figures, in the order of their places.
pub(crate) const TITLES: [&str; 5] = ["instructions", "system calls", "receives", "sends", "waits"];
pub(crate) const INSTRUCTIONS: usize = 0;
pub(crate) const CALLS: usize = 1;
/// Of the calls, as the next two.
pub(crate) const RECEIVES: usize = 2;
pub(crate) const SENDS: usize = 3;
pub(crate) const WAITS: usize = 4;

/// A figure for each title; zero where no instrument has counted it.
pub(crate) type Counts = [f64; 5];

type Outcome = Result<Counts, Box<dyn Error>>;

/// After so long a server that has answered everything is waiting for more.
const REST: Duration = Duration::from_millis(2);

/// A tool that counts.
#[derive(Clone, Copy)]
pub(crate) enum Instrument {
    /// Instructions in user space, by valgrind's callgrind.
    Instructions,
    /// System calls, by strace.
    SystemCalls,
}

impl Instrument {
    pub(crate) const ALL: [Self; 2] = [Self::Instructions, Self::SystemCalls];

    fn tool(self) -> &'static str {
        match self {
            Self::Instructions => "valgrind",
            Self::SystemCalls => "strace",
        }
    }

    /// Whether the tool is on this machine; prints its version.
    pub(crate) fn is_here(&self) -> bool {
        let version = first_line(Command::new(self.tool()).arg("--version"));
        let told = version.as_deref().unwrap_or("not here");
        println!("{}: {told}", self.tool());
        version.is_ok()
    }

    /// Returns the counts for one operation.
    pub(crate) fn per_operation(self, words: &[PathBuf], case: &Case) -> Outcome {
        let [few, many] = case.rounds.map(|rounds| self.total(words, case, rounds));
        let rounds = case.rounds[1] - case.rounds[0];
        let operations = f64::from(rounds) * case.load.operations().1 as f64;
        let (few, many) = (few?, many?);
        Ok(from_fn(|place| (many[place] - few[place]) / operations))
    }

    /// Returns the counts of a whole run with so many rounds.
    fn total(self, words: &[PathBuf], case: &Case, rounds: u32) -> Outcome {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let counted = folder.join(format!("count_{}", self.tool()));
        let server = Server::start(&mut self.command(words, &counted))?;
        let holds = Cell::new(0.0);
        let (.., is_held) = case.load.operations();
        let exchanged = case.load.exchange(server.address, rounds, &|send| {
            if !is_held {
                return send();
            }
            let process = server.behind_tools();
            holds.set(holds.get() + 1.0);
            thread::sleep(REST);
            process.hold()?;
            let sent = send();
            process.let_go();
            sent
        });
        server.end()?;
        exchanged?;
        let counted = fs::read_to_string(counted)?;
        let counts = match self {
            Self::Instructions => instructions(&counted),
            // To be held cuts a wait short, which is called again: that is no cost of the server's.
            Self::SystemCalls => system_calls(&counted).map(|mut counts| {
                counts[CALLS] -= holds.get();
                counts[WAITS] -= holds.get();
                counts
            }),
        };
        counts.ok_or_else(|| format!("{} has counted nothing", self.tool()).into())
    }

    fn command(self, words: &[PathBuf], counted: &Path) -> Command {
        let mut command = Command::new(self.tool());
        match self {
            Self::Instructions => {
                let mut output = OsString::from("--callgrind-out-file=");
                output.push(counted);
                command.args(["--quiet", "--tool=callgrind"]).arg(output)
            }
            Self::SystemCalls => command.args(["-f", "-c", "-o"]).arg(counted),
        };
        command.args(words).stderr(Stdio::null());
        command
    }
}

/// From `totals: 12345`.
fn instructions(counted: &str) -> Option<Counts> {
    let mut lines = counted.lines();
    let total = lines.find_map(|line| line.strip_prefix("totals:"))?;
    let mut counts = Counts::default();
    counts[INSTRUCTIONS] = total.trim().parse().ok()?;
    Some(counts)
}

/// From lines like `12.34    0.012345           1     12345        12 recvfrom`, where the errors may be missing.
fn system_calls(counted: &str) -> Option<Counts> {
    let mut counts = Counts::default();
    for line in counted.lines() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (Some(name), Some(calls)) = (fields.last(), fields.get(3)) else {
            continue;
        };
        let Ok(calls) = calls.parse::<f64>() else {
            continue;
        };
        match *name {
            "total" => counts[CALLS] = calls,
            "read" | "readv" | "recvfrom" | "recvmsg" => counts[RECEIVES] += calls,
            "write" | "writev" | "sendto" | "sendmsg" => counts[SENDS] += calls,
            _ if name.starts_with("epoll_") && name.contains("wait") => counts[WAITS] += calls,
            _ => {}
        }
    }
    (counts[CALLS] > 0.0).then_some(counts)
}
