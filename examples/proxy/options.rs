//! The arguments of the program.

use std::time::Duration;

use lexopt::{Arg, Parser, ValueExt};
use netloop::{
    ConnectOptions, Endpoint, IntoEndpoint, KeepAlive, ProxyHeader, ProxyProtocol, SocketOptions,
};

use crate::header;

const USAGE: &str = "usage: proxy --listen PLACE --to PLACE.. [--accept-proxy NETWORK].. [--send-proxy 1|2] \
    [--connect-timeout SECONDS] [--header-timeout SECONDS] [--leave-out SECONDS] [--statistics PLACE]";

pub(crate) struct Options {
    pub(crate) listen: String,
    pub(crate) upstreams: Vec<Endpoint>,
    /// The proxies in front of this one, if clients come through some.
    pub(crate) proxies: Option<ProxyProtocol>,
    /// The form in which the upstreams get the header.
    pub(crate) write_header: Option<fn(&ProxyHeader) -> Vec<u8>>,
    pub(crate) connect_timeout: Duration,
    /// The time for a whole header. The specification wants three seconds or more, for a lost packet.
    pub(crate) header_timeout: Duration,
    /// The time for which an upstream is left out after a failure.
    pub(crate) leave_out: Duration,
    pub(crate) statistics: Option<String>,
}

impl Options {
    pub(crate) fn read() -> Result<Self, Box<dyn std::error::Error>> {
        let mut listen = None;
        let mut options = Self {
            listen: String::new(),
            upstreams: Vec::new(),
            proxies: None,
            write_header: None,
            connect_timeout: Duration::from_secs(5),
            header_timeout: Duration::from_secs(3),
            leave_out: Duration::from_secs(10),
            statistics: None,
        };
        let mut arguments = Parser::from_env();
        while let Some(argument) = arguments.next()? {
            match argument {
                Arg::Long("listen") => listen = Some(arguments.value()?.string()?),
                Arg::Long("to") => {
                    let place = arguments.value()?.string()?;
                    options.upstreams.push(place.as_str().into_endpoint()?);
                }
                Arg::Long("accept-proxy") => {
                    let proxies = options.proxies.unwrap_or_default();
                    options.proxies = Some(proxies.trust(&arguments.value()?.string()?)?);
                }
                Arg::Long("send-proxy") => {
                    options.write_header = match arguments.value()?.parse()? {
                        1 => Some(header::to_v1),
                        2 => Some(header::to_v2),
                        _ => return Err(USAGE.into()),
                    };
                }
                Arg::Long("connect-timeout") => options.connect_timeout = seconds(&mut arguments)?,
                Arg::Long("header-timeout") => options.header_timeout = seconds(&mut arguments)?,
                Arg::Long("leave-out") => options.leave_out = seconds(&mut arguments)?,
                Arg::Long("statistics") => {
                    options.statistics = Some(arguments.value()?.string()?);
                }
                _ => return Err(USAGE.into()),
            }
        }
        match listen {
            Some(listen) if !options.upstreams.is_empty() => Ok(Self { listen, ..options }),
            _ => Err(USAGE.into()),
        }
    }

    /// The options of the sockets on both sides.
    pub(crate) fn socket(&self) -> SocketOptions {
        SocketOptions::new()
            // The bytes have waited for more on the way here, if their sender wanted that.
            .no_delay(true)
            .keep_alive(KeepAlive::after(Duration::from_secs(60)))
            // Also the time for which one side may be silent after the end of the other.
            .close_timeout(Duration::from_secs(300))
    }

    pub(crate) fn connecting(&self) -> ConnectOptions {
        ConnectOptions::from(self.socket()).connect_timeout(self.connect_timeout)
    }
}

fn seconds(arguments: &mut Parser) -> Result<Duration, Box<dyn std::error::Error>> {
    let seconds = arguments.value()?.parse()?;
    Ok(Duration::try_from_secs_f64(seconds)?)
}
