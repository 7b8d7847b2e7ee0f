//! The arguments of the program.

use std::path::PathBuf;
use std::time::Duration;

use lexopt::{Arg, Parser, ValueExt};

const USAGE: &str = "usage: starttls ADDRESS FILE [--time SECONDS] [--message BYTES]";

#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) address: String,
    /// The file for the certificate.
    pub(crate) file: PathBuf,
    /// The time for a command, and for a message as a whole.
    pub(crate) time: Duration,
    /// The limit on a message.
    pub(crate) message_bytes: u64,
}

impl Options {
    pub(crate) fn read() -> Result<Self, Box<dyn std::error::Error>> {
        let (mut address, mut file) = (None, None);
        let mut time = 300.0;
        let mut message_bytes = 10 << 20;
        let mut arguments = Parser::from_env();
        while let Some(argument) = arguments.next()? {
            match argument {
                Arg::Long("time") => time = arguments.value()?.parse()?,
                Arg::Long("message") => message_bytes = arguments.value()?.parse()?,
                Arg::Value(value) if address.is_none() => address = Some(value.string()?),
                Arg::Value(value) if file.is_none() => file = Some(value.into()),
                _ => return Err(USAGE.into()),
            }
        }
        Ok(Self {
            address: address.ok_or(USAGE)?,
            file: file.ok_or(USAGE)?,
            time: Duration::try_from_secs_f64(time)?,
            message_bytes,
        })
    }
}
