//! A server: started on its own core, dead when this value is dropped, and its processes as they are seen from outside.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::system;

/// A runtime that takes longer to begin listening is broken.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct ServerProcess {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl ServerProcess {
    /// Starts a program that prints `listening ADDRESS`, and waits until it does.
    pub(crate) fn start(mut command: Command, core: usize) -> Result<Self, String> {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        // A child inherits the affinity of the thread that starts it, and is killed when that thread ends: the main thread.
        let spawned = system::on_core(core, || command.spawn());
        let mut child = spawned.map_err(|error| format!("cannot be started: {error}"))?;
        let output = child.stdout.take().ok_or("it has no output")?;
        let mut server = Self {
            child,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
        };
        let (send, receive) = mpsc::channel();
        std::thread::spawn(move || {
            // The reader stays open until the server is gone: a server that prints must not die of a broken pipe.
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if let Some(address) = line.trim().strip_prefix("listening ") {
                    // The other end may have stopped waiting.
                    let _ = send.send(address.parse());
                }
            }
        });
        match receive.recv_timeout(PATIENCE) {
            Ok(Ok(address)) => server.address = address,
            Ok(Err(error)) => return Err(format!("a strange address: {error}")),
            Err(mpsc::RecvTimeoutError::Timeout) => return Err("did not listen within 10 s".into()),
            Err(_) => return Err("ended before it listened".into()),
        }
        Ok(server)
    }

    /// Returns the process that was started and all its descendants: a runtime that is started through a shell script is
    /// a child of the shell, and the shell alone would look like a server that costs nothing.
    pub(crate) fn processes(&self) -> Processes {
        let mut processes = vec![self.child.id()];
        let mut next = 0;
        while let Some(&parent) = processes.get(next) {
            for thread in threads(parent) {
                let path = format!("/proc/{parent}/task/{thread}/children");
                let children = fs::read_to_string(path).unwrap_or_default();
                processes.extend(
                    children
                        .split_whitespace()
                        .filter_map(|id| id.parse::<u32>().ok()),
                );
            }
            next += 1;
        }
        Processes(processes)
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        for process in self.processes().0 {
            let process = i32::try_from(process).ok().and_then(Pid::from_raw);
            // A process that is gone already needs no signal.
            let _ = process.map(|process| kill_process(process, Signal::KILL));
        }
        let _ = self.child.wait();
    }
}

/// The processes of one server. Invariant: the first one is the one that was started.
#[derive(Clone, Debug)]
pub(crate) struct Processes(Vec<u32>);

/// The memory of all processes together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    pub(crate) resident: u64,
    /// The sum of the highest values of each.
    pub(crate) peak: u64,
}

impl Processes {
    /// Returns the CPU time of all threads of all processes. A process that has ended meanwhile does nothing more.
    pub(crate) fn cpu(&self) -> Duration {
        let processes = self.0.iter();
        processes
            .filter_map(|process| system::process_cpu(*process).ok())
            .sum()
    }

    pub(crate) fn memory(&self) -> Memory {
        let sum = |name| {
            self.0
                .iter()
                .map(|process| status(*process, name) * 1024)
                .sum()
        };
        Memory {
            resident: sum("VmRSS:"),
            peak: sum("VmHWM:"),
        }
    }

    /// Returns how often the threads have gone to sleep by themselves, which is how often an event woke them.
    pub(crate) fn wake_ups(&self) -> u64 {
        let name = "voluntary_ctxt_switches:";
        let wake_ups = |(process, thread)| status(format!("{process}/task/{thread}"), name);
        self.threads().map(wake_ups).sum()
    }

    fn threads(&self) -> impl Iterator<Item = (u32, u32)> {
        let of = |process: u32| threads(process).into_iter().map(move |id| (process, id));
        self.0.iter().copied().flat_map(of)
    }
}

fn threads(process: u32) -> Vec<u32> {
    let entries = fs::read_dir(format!("/proc/{process}/task"))
        .into_iter()
        .flatten();
    let id = |entry: fs::DirEntry| entry.file_name().to_str()?.parse().ok();
    entries.filter_map(|entry| id(entry.ok()?)).collect()
}

/// Returns a number of a status file.
fn status(of: impl std::fmt::Display, name: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{of}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.unwrap_or(0)
}
