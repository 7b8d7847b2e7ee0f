//! The arguments of the program.

use std::time::Duration;

use lexopt::prelude::*;

use crate::receiver::Limits;

const USAGE: &str = "usage: websocket [ADDRESS] [--origin ORIGIN].. [--max-message BYTES] [--max-frame BYTES] \
                     [--ping SECONDS] [--upgrade SECONDS]";

#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) address: String,
    /// The origins whose pages may connect. If there are none, all may.
    pub(crate) origins: Vec<String>,
    pub(crate) limits: Limits,
    /// The silence after which a client is asked for a sign of life, and after which it is given up.
    pub(crate) ping_after: Duration,
    /// The time that a client has for its whole request.
    pub(crate) upgrade_deadline: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            address: "127.0.0.1:7003".to_owned(),
            origins: Vec::new(),
            limits: Limits {
                frame: 1 << 20,
                message: 1 << 20,
            },
            ping_after: Duration::from_secs(30),
            upgrade_deadline: Duration::from_secs(10),
        }
    }
}

impl Options {
    pub(crate) fn read() -> Result<Self, Box<dyn std::error::Error>> {
        let mut options = Self::default();
        let mut parser = lexopt::Parser::from_env();
        while let Some(argument) = parser.next()? {
            match argument {
                Value(address) => options.address = address.string()?,
                Long("origin") => options.origins.push(parser.value()?.string()?),
                Long("max-message") => options.limits.message = parser.value()?.parse()?,
                Long("max-frame") => options.limits.frame = parser.value()?.parse()?,
                Long("ping") => options.ping_after = seconds(&mut parser)?,
                Long("upgrade") => options.upgrade_deadline = seconds(&mut parser)?,
                _ => return Err(USAGE.into()),
            }
        }
        Ok(options)
    }
}

fn seconds(parser: &mut lexopt::Parser) -> Result<Duration, Box<dyn std::error::Error>> {
    let seconds: f64 = parser.value()?.parse()?;
    Ok(Duration::try_from_secs_f64(seconds)?)
}
