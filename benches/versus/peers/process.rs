//! A server process: started on its own core, dead when this value is dropped. What it uses is measured in
//! [`super::family`].

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use super::Peer;
use super::family::Family;
use super::service::Service;
use crate::system::{self, Usage};

/// A runtime that takes longer to begin listening is broken.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct ServerProcess {
    id: u32,
    pub(crate) address: SocketAddr,
    stopped: bool,
}

impl ServerProcess {
    /// Starts the peer and waits until it listens.
    pub(crate) fn start(peer: &Peer, service: &Service, core: usize) -> Result<Self, String> {
        Self::spawn(peer.command(service), core)
    }

    /// Starts what prints `listening` and its address, and waits until it does.
    pub(crate) fn spawn(mut command: Command, core: usize) -> Result<Self, String> {
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

    /// The process and all that it has started so far.
    pub(crate) fn family(&self) -> Family {
        Family::of(self.id)
    }

    /// Ends the process and returns what it used over its life.
    pub(crate) fn stop(mut self) -> Usage {
        // Its children are killed before it could wait for them, so that its own account is without them.
        let cpu = self.family().cpu().unwrap_or_default();
        self.stopped = true;
        let usage = system::kill_group_and_wait(self.id);
        Usage {
            cpu: usage.cpu.max(cpu),
            ..usage
        }
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        if !self.stopped {
            system::kill_group_and_wait(self.id);
        }
    }
}
