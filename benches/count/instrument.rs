//! The tools that count, and how a server is run under one and ended again.

use std::error::Error;
use std::fs;
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::load::{self, CONNECTIONS, Grip};
use crate::subject::Subject;

/// How long a server may take to write down what was counted, once it was asked to end.
const PATIENCE: Duration = Duration::from_secs(20);

/// Something that counts.
#[derive(Clone, Copy)]
pub(crate) enum Instrument {
    /// Instructions in user space, by valgrind's callgrind.
    Instructions,
    /// System calls, by strace.
    SystemCalls,
}

impl Instrument {
    pub(crate) const ALL: [Self; 2] = [Self::Instructions, Self::SystemCalls];

    pub(crate) fn what(self) -> &'static str {
        match self {
            Self::Instructions => "instructions",
            Self::SystemCalls => "system calls",
        }
    }

    pub(crate) fn tool(self) -> &'static str {
        match self {
            Self::Instructions => "valgrind",
            Self::SystemCalls => "strace",
        }
    }

    pub(crate) fn decimals(self) -> usize {
        match self {
            Self::Instructions => 0,
            Self::SystemCalls => 2,
        }
    }

    /// What the tool says of itself; `None` if it is not on the PATH.
    pub(crate) fn version(self) -> Option<String> {
        let output = Command::new(self.tool()).arg("--version").output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout);
        text.lines().next().map(ToOwned::to_owned)
    }

    /// How many rounds a short and a long run have. An instruction under callgrind takes fifty times as long.
    fn rounds(self) -> [u32; 2] {
        match self {
            Self::Instructions => [50, 250],
            Self::SystemCalls => [100, 600],
        }
    }

    /// The count for one message.
    pub(crate) fn per_message(self, subject: &Subject) -> Result<f64, Box<dyn Error>> {
        let rounds = self.rounds();
        let [few, many] = rounds.map(|rounds| self.total(subject, rounds));
        let messages = f64::from(rounds[1] - rounds[0]) * CONNECTIONS as f64;
        Ok((many? - few?) / messages)
    }

    /// The count for a whole run with so many rounds.
    fn total(self, subject: &Subject, rounds: u32) -> Result<f64, Box<dyn Error>> {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let counted = folder.join(format!("count_{}", self.tool()));
        let mut child = self.start(subject, &counted)?;
        let exchanged = listening_address(&mut child).and_then(|address| {
            let grip = |grip| self.grip(&child, grip);
            Ok(load::exchange(address, rounds, grip)?)
        });
        end(&mut child)?;
        exchanged?;
        let counted = fs::read_to_string(counted)?;
        let count = match self {
            Self::Instructions => counted
                .lines()
                .filter_map(|line| line.strip_prefix("totals:"))
                .find_map(|total| total.trim().parse().ok()),
            // `100.00    0.012345           1     12345        12 total`
            Self::SystemCalls => counted
                .lines()
                .find(|line| line.ends_with("total"))
                .and_then(|line| line.split_whitespace().nth(3)?.parse().ok()),
        };
        count.ok_or_else(|| format!("{} has counted nothing", self.tool()).into())
    }

    /// strace stands between us and the server: it would be the one that is held.
    fn grip(self, child: &Child, grip: Grip) -> io::Result<()> {
        match (self, grip) {
            (Self::Instructions, Grip::Hold) => signal(child, "-STOP"),
            (Self::Instructions, Grip::LetGo) => signal(child, "-CONT"),
            (Self::SystemCalls, _) => Ok(()),
        }
    }

    fn start(self, subject: &Subject, counted: &PathBuf) -> Result<Child, Box<dyn Error>> {
        let mut command = Command::new(self.tool());
        match self {
            Self::Instructions => {
                let mut output = std::ffi::OsString::from("--callgrind-out-file=");
                output.push(counted);
                command.args(["--quiet", "--tool=callgrind"]).arg(output)
            }
            // With an output file it would not listen to signals, were it not told to.
            Self::SystemCalls => command.args(["-I2", "-f", "-c", "-o"]).arg(counted),
        };
        command
            .arg(&subject.program)
            .args(subject.arguments())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        Ok(command.spawn()?)
    }
}

fn listening_address(child: &mut Child) -> Result<SocketAddr, Box<dyn Error>> {
    let output = child.stdout.take().ok_or("the server has no output")?;
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line)?;
    let address = line.trim_end().strip_prefix("listening ");
    Ok(address
        .ok_or("the server did not say where it listens")?
        .parse()?)
}

/// Ends the tool and the server in it. TERM, because both write down what they have counted then; a process that was
/// started in the background of a script may ignore INT.
fn end(child: &mut Child) -> Result<(), Box<dyn Error>> {
    signal(child, "-TERM")?;
    let until = Instant::now() + PATIENCE;
    while child.try_wait()?.is_none() {
        if Instant::now() > until {
            child.kill()?;
            child.wait()?;
            return Err("the server would not end".into());
        }
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// By a program, as the standard library sends no signal but KILL.
fn signal(child: &Child, signal: &str) -> io::Result<()> {
    let id = child.id().to_string();
    Command::new("kill").args([signal, &id]).status().map(drop)
}
