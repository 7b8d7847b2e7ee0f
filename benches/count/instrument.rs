//! The tools that count: a server is run under one and ended again.

use std::array::from_fn;
use std::cell::Cell;
use std::error::Error;
use std::fs;
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::case::Case;
use crate::counts::{CALLS, Counts, INSTRUCTIONS, RECEIVES, SENDS, WAITS};
use crate::load::Grip;
use crate::subject::Subject;

/// The time in which a server has to write down its counts, once it was asked to end.
const PATIENCE: Duration = Duration::from_secs(20);
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
        let output = Command::new(self.tool()).arg("--version").output();
        let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
        let line = text
            .ok()
            .and_then(|text| text.lines().next().map(str::to_owned));
        println!("{}: {}", self.tool(), line.as_deref().unwrap_or("not here"));
        line.is_some()
    }

    /// Returns the counts for one operation.
    pub(crate) fn per_operation(
        self,
        subject: &Subject,
        case: &Case,
    ) -> Result<Counts, Box<dyn Error>> {
        let [few, many] = case.rounds.map(|rounds| self.total(subject, case, rounds));
        let rounds = case.rounds[1] - case.rounds[0];
        let operations = f64::from(rounds) * case.load.operations() as f64;
        let (few, many) = (few?, many?);
        Ok(from_fn(|place| (many[place] - few[place]) / operations))
    }

    /// Returns the counts of a whole run with so many rounds.
    fn total(self, subject: &Subject, case: &Case, rounds: u32) -> Result<Counts, Box<dyn Error>> {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let counted = folder.join(format!("count_{}", self.tool()));
        let mut child = self.start(subject, case.mode, &counted)?;
        let holds = Cell::new(0.0);
        let exchanged = listening_address(&mut child).and_then(|address| {
            let is_held = case.load.fits_into_buffers();
            let grip = |grip| {
                if !is_held {
                    return Ok(());
                }
                if let Grip::Hold = grip {
                    holds.set(holds.get() + 1.0);
                    thread::sleep(REST);
                }
                signal(self.server(&child)?, grip)
            };
            Ok(case.load.exchange(address, rounds, grip)?)
        });
        end(&mut child)?;
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

    /// The process of the server: callgrind is in it, strace stands between us and it.
    fn server(self, child: &Child) -> io::Result<u32> {
        let id = child.id();
        match self {
            Self::Instructions => Ok(id),
            Self::SystemCalls => {
                let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children"))?;
                let server = children.split_whitespace().next();
                let server = server.and_then(|server| server.parse().ok());
                server.ok_or_else(|| io::Error::other("strace has no child"))
            }
        }
    }

    fn start(
        self,
        subject: &Subject,
        mode: &'static str,
        counted: &PathBuf,
    ) -> Result<Child, Box<dyn Error>> {
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
            .args(subject.arguments(mode))
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
    send("-TERM", child.id())?;
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

/// Holds a process or lets it go on, and waits until it is held.
fn signal(process: u32, grip: Grip) -> io::Result<()> {
    match grip {
        Grip::Hold => send("-STOP", process)?,
        Grip::LetGo => return send("-CONT", process),
    }
    let until = Instant::now() + PATIENCE;
    // The state is behind the name, which is in brackets.
    let is_held = |stat: &str| {
        let state = stat.rsplit(") ").next();
        state.is_some_and(|state| state.starts_with(['T', 't']))
    };
    while !is_held(&fs::read_to_string(format!("/proc/{process}/stat"))?) {
        if Instant::now() > until {
            return Err(io::Error::other("the server cannot be held"));
        }
        thread::yield_now();
    }
    Ok(())
}

/// By a program, as the standard library sends no signal but KILL.
fn send(signal: &str, process: u32) -> io::Result<()> {
    let id = process.to_string();
    Command::new("kill").args([signal, &id]).status().map(drop)
}

/// From `totals: 12345`.
fn instructions(counted: &str) -> Option<Counts> {
    let total = counted
        .lines()
        .find_map(|line| line.strip_prefix("totals:"))?;
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
