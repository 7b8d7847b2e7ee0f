//! The command line of the game, and the process of its clients.

use std::io;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use lexopt::prelude::*;

#[derive(Debug)]
pub(crate) struct Arguments {
    pub(crate) address: String,
    pub(crate) seconds: Option<u32>,
    pub(crate) rows: usize,
    /// The clients that the game starts itself.
    pub(crate) clients: usize,
    /// The number of clients of these that send without end.
    pub(crate) floods: usize,
    /// The number of clients of these that never read.
    pub(crate) deaf: usize,
    /// Whether this process is that of the clients.
    pub(crate) is_load: bool,
}

impl Arguments {
    pub(crate) fn parse() -> Result<Self, lexopt::Error> {
        let mut arguments = Self {
            address: "127.0.0.1:7002".into(),
            seconds: None,
            rows: 20,
            clients: 0,
            floods: 0,
            deaf: 0,
            is_load: false,
        };
        let mut parser = lexopt::Parser::from_env();
        while let Some(argument) = parser.next()? {
            match argument {
                Long("seconds") => arguments.seconds = Some(parser.value()?.parse()?),
                Long("rows") => arguments.rows = parser.value()?.parse()?,
                Long("clients") => arguments.clients = parser.value()?.parse()?,
                Long("floods") => arguments.floods = parser.value()?.parse()?,
                Long("deaf") => arguments.deaf = parser.value()?.parse()?,
                Long("load") => arguments.is_load = true,
                Value(address) => arguments.address = address.string()?,
                _ => return Err(argument.unexpected()),
            }
        }
        Ok(arguments)
    }

    /// Returns the number of steps after which the game ends, if it ends.
    pub(crate) fn steps(&self, per_second: u32) -> Option<usize> {
        self.seconds.map(|seconds| (seconds * per_second) as usize)
    }

    /// Starts the clients, in a process of their own: their work is no part of the game's.
    pub(crate) fn start_load(&self, address: SocketAddr) -> io::Result<Option<Load>> {
        if self.clients == 0 {
            return Ok(None);
        }
        let child = Command::new(std::env::current_exe()?)
            .arg(address.to_string())
            .arg("--load")
            .args(["--clients", &self.clients.to_string()])
            .args(["--floods", &self.floods.to_string()])
            .args(["--deaf", &self.deaf.to_string()])
            .stdin(Stdio::null())
            .spawn()?;
        Ok(Some(Load(child)))
    }
}

/// The process of the clients, which ends with the game.
pub(crate) struct Load(Child);

impl Drop for Load {
    fn drop(&mut self) {
        // It fails only if the process has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
