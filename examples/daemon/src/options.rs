//! The arguments of the program.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use lexopt::{Arg, Parser, ValueExt};

const USAGE: &str =
    "usage: daemon [--listen ADDRESS].. [--unix PATH].. [--config FILE] [--deadline SECONDS]";

pub(crate) struct Options {
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) paths: Vec<PathBuf>,
    pub(crate) config: Option<PathBuf>,
    pub(crate) deadline: Duration,
}

impl Options {
    pub(crate) fn read() -> Result<Self, Box<dyn std::error::Error>> {
        let mut options = Self {
            addresses: Vec::new(),
            paths: Vec::new(),
            config: None,
            deadline: Duration::from_secs(10),
        };
        let mut arguments = Parser::from_env();
        while let Some(argument) = arguments.next()? {
            match argument {
                Arg::Long("listen") => options.addresses.push(arguments.value()?.parse()?),
                Arg::Long("unix") => options.paths.push(arguments.value()?.into()),
                Arg::Long("config") => options.config = Some(arguments.value()?.into()),
                Arg::Long("deadline") => {
                    options.deadline = Duration::from_secs_f64(arguments.value()?.parse()?);
                }
                _ => return Err(USAGE.into()),
            }
        }
        Ok(options)
    }

    /// Reads the word of greeting. Without a file, or if it cannot be read, returns `None`: a daemon that was reloaded
    /// keeps what it has.
    pub(crate) fn greeting(&self) -> Option<String> {
        let file = self.config.as_ref()?;
        match std::fs::read_to_string(file) {
            Ok(text) => Some(text.trim().to_owned()),
            Err(error) => {
                eprintln!("{}: {error}", file.display());
                None
            }
        }
    }
}
