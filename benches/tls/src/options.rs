//! The command line.

use lexopt::{Arg, Error, Parser, ValueExt};

/// The choice of a measurement.
pub(crate) struct Options {
    /// A part of the names of the loads; all loads if it is empty.
    pub(crate) load: String,
    /// The peers beside the loop by hand; all that are found if it is empty.
    pub(crate) peers: Vec<String>,
    /// The times that all servers start anew.
    pub(crate) starts: usize,
    /// The rounds between two starts.
    pub(crate) rounds: usize,
    /// A command before that of each server, such as `strace -c`.
    pub(crate) under: Vec<String>,
}

impl Options {
    pub(crate) fn parse() -> Result<Self, Error> {
        let mut options = Self {
            load: String::new(),
            peers: Vec::new(),
            starts: 3,
            rounds: 7,
            under: Vec::new(),
        };
        let mut parser = Parser::from_env();
        while let Some(argument) = parser.next()? {
            match argument {
                Arg::Long("load") => options.load = parser.value()?.string()?,
                Arg::Long("peer") => options.peers.push(parser.value()?.string()?),
                Arg::Long("starts") => options.starts = parser.value()?.parse()?,
                Arg::Long("rounds") => options.rounds = parser.value()?.parse()?,
                Arg::Long("under") => {
                    let command = parser.value()?.string()?;
                    options.under = command.split_whitespace().map(str::to_owned).collect();
                }
                other => return Err(other.unexpected()),
            }
        }
        Ok(options)
    }

    pub(crate) fn takes(&self, peer: &str) -> bool {
        self.peers.is_empty() || self.peers.iter().any(|name| name == peer)
    }
}
