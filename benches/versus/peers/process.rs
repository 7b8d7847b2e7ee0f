//! A server process: started on its own core, measured from outside, dead when this value is dropped.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::mpsc;
use std::time::Duration;

use super::Peer;
use super::service::Service;
use crate::system::{self, Usage};

/// A runtime that takes longer to begin listening is broken.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct ServerProcess {
    id: u32,
    pub(crate) address: SocketAddr,
    stopped: bool,
}

/// What `/proc` tells of a living server.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memory {
    pub(crate) resident: u64,
    pub(crate) peak: u64,
}

impl ServerProcess {
    /// Starts the peer and waits until it listens.
    pub(crate) fn start(peer: &Peer, service: &Service, core: usize) -> Result<Self, String> {
        let mut command = peer.command(service);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        system::confine(&mut command, core);
        let mut child = command
            .spawn()
            .map_err(|error| format!("{command:?}: {error}"))?;
        let output = child
            .stdout
            .take()
            .expect("the output was asked for as a pipe");
        // From here on dropping this value kills the child.
        let mut server = Self {
            id: child.id(),
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            stopped: false,
        };
        let (said, hear) = mpsc::channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            // The reader stays open until the server is gone: a server that prints must not die of a broken pipe.
            let mut output = BufReader::new(output);
            while output.read_line(&mut line).is_ok_and(|length| length > 0) {
                if let Some(address) = line.trim().strip_prefix("listening ") {
                    // The other end may have stopped waiting.
                    let _ = said.send(address.parse::<SocketAddr>());
                }
                line.clear();
            }
        });
        match hear.recv_timeout(PATIENCE) {
            Ok(Ok(address)) => server.address = address,
            Ok(Err(error)) => return Err(format!("a strange address: {error}")),
            Err(mpsc::RecvTimeoutError::Timeout) => {
                return Err("did not listen within 10 s".to_owned());
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                return Err("ended before it listened".to_owned());
            }
        }
        Ok(server)
    }

    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    /// Ends the process and returns what it used over its life.
    pub(crate) fn stop(mut self) -> Usage {
        self.stopped = true;
        system::kill_group_and_wait(self.id)
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        if !self.stopped {
            system::kill_group_and_wait(self.id);
        }
    }
}

/// The resident memory of a process, now and at its highest.
pub(crate) fn memory(process: u32) -> Memory {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let kilobytes = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key));
        line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok())
            .unwrap_or(0)
    };
    Memory {
        resident: kilobytes("VmRSS:") * 1024,
        peak: kilobytes("VmHWM:") * 1024,
    }
}

/// How often the threads of a process have gone to sleep by themselves, which is how often something woke them.
pub(crate) fn wake_ups(process: u32) -> u64 {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{process}/task")) else {
        return 0;
    };
    threads
        .filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("status")).ok())
        .filter_map(|status| {
            status
                .lines()
                .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?
                .trim()
                .parse::<u64>()
                .ok()
        })
        .sum()
}

/// How long the main thread of a process, or the calling thread, was ready to run while something else had its core.
pub(crate) fn waited(process: Option<u32>) -> Duration {
    let path = process.map_or_else(
        || "/proc/thread-self/schedstat".to_owned(),
        |id| format!("/proc/{id}/schedstat"),
    );
    let text = std::fs::read_to_string(path).unwrap_or_default();
    Duration::from_nanos(
        text.split_whitespace()
            .nth(1)
            .and_then(|field| field.parse().ok())
            .unwrap_or(0),
    )
}
