//! The arguments of the program.

use std::net::SocketAddr;
use std::time::Duration;

use lexopt::{Arg, Parser, ValueExt};

use crate::connection::RequestLimits;

const USAGE: &str = "usage: http [--listen ADDRESS] [--per-address CONNECTIONS] [--head-time SECONDS] \
    [--body-time SECONDS] [--body BYTES] [--shutdown-time SECONDS] \
    [--tls CERTIFICATE KEY, with the feature `tls` of this package]";

#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) address: SocketAddr,
    /// The most connections from one address.
    pub(crate) per_address: usize,
    pub(crate) requests: RequestLimits,
    /// The time for requests in work when the server is told to end.
    pub(crate) shutdown_time: Duration,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<std::sync::Arc<rustls::ServerConfig>>,
}

impl Options {
    pub(crate) fn read() -> Result<Self, Box<dyn std::error::Error>> {
        let mut options = Self {
            address: SocketAddr::from(([127, 0, 0, 1], 8080)),
            per_address: 100,
            requests: RequestLimits {
                head_time: Duration::from_secs(10),
                body_time: Duration::from_secs(300),
                body_bytes: 1 << 30,
            },
            shutdown_time: Duration::from_secs(10),
            #[cfg(feature = "tls")]
            tls: None,
        };
        let mut arguments = Parser::from_env();
        while let Some(argument) = arguments.next()? {
            match argument {
                Arg::Long("listen") => options.address = arguments.value()?.parse()?,
                Arg::Long("per-address") => options.per_address = arguments.value()?.parse()?,
                Arg::Long("head-time") => options.requests.head_time = seconds(&mut arguments)?,
                Arg::Long("body-time") => {
                    options.requests.body_time = seconds(&mut arguments)?;
                }
                Arg::Long("body") => options.requests.body_bytes = arguments.value()?.parse()?,
                Arg::Long("shutdown-time") => options.shutdown_time = seconds(&mut arguments)?,
                #[cfg(feature = "tls")]
                Arg::Long("tls") => {
                    let certificate = arguments.value()?;
                    let config = crate::tls::config(&certificate, &arguments.value()?)?;
                    options.tls = Some(std::sync::Arc::new(config));
                }
                _ => return Err(USAGE.into()),
            }
        }
        Ok(options)
    }
}

fn seconds(arguments: &mut Parser) -> Result<Duration, Box<dyn std::error::Error>> {
    Ok(Duration::try_from_secs_f64(arguments.value()?.parse()?)?)
}
