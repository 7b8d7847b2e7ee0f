//! The hostile hour: one server with the limits for strangers, and all that its peers can do to it, at once.
//!
//! The process that attacks also has the guests, which behave well. Their round trips are measured in turn while it is
//! quiet and under attack. All times of the limits are shorter by the same factor, so that the run ends within a minute; only
//! the second over which a rate is measured is what it is.

mod attack;
mod attacker;
mod guests;
mod report;
mod server;
mod session;

use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use lexopt::prelude::*;
use netloop::{Limits, MinRate};

use crate::child_process;

/// The factor by which all times are shorter than those of `Limits::internet`. With 25 or more the write stall would come
/// before the least rate, whose second does not shrink.
const FASTER: u32 = 20;

/// The times of the limits for strangers, shortened.
#[derive(Clone, Copy, Debug)]
struct Times {
    first_byte: Duration,
    idle: Duration,
    write_stall: Duration,
    grace: Duration,
    close: Duration,
    half_open: Duration,
    /// The deadline of a whole request, which the server sets.
    request: Duration,
}

impl Times {
    fn shortened() -> Self {
        let seconds = |seconds| Duration::from_secs(seconds) / FASTER;
        Self {
            first_byte: seconds(10),
            idle: seconds(75),
            write_stall: seconds(30),
            grace: seconds(5),
            close: seconds(10),
            half_open: seconds(60),
            request: seconds(30),
        }
    }

    /// Returns `Limits::internet` with these times.
    fn limits(&self) -> Limits {
        let rate = MinRate::per_second(240).grace(self.grace);
        Limits::internet()
            .first_byte_timeout(self.first_byte)
            .idle_timeout(self.idle)
            .write_stall_timeout(self.write_stall)
            .min_receive_rate(rate)
            .min_send_rate(rate)
            .close_timeout(self.close)
            .linger_timeout(self.close)
            .half_open_timeout(self.half_open)
    }
}

/// Runs the server, or the process that attacks it. Returns whether all bounds hold.
pub(crate) fn run(mut parser: lexopt::Parser) -> Result<bool, Box<dyn Error>> {
    let mut rounds = 3;
    let mut servers: Vec<SocketAddr> = Vec::new();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("rounds") => rounds = parser.value()?.parse()?,
            Value(address) => servers.push(address.parse()?),
            _ => return Err(argument.unexpected().into()),
        }
    }
    crate::raise_open_file_limit();
    if let [server, side_door] = servers[..] {
        child_process::end_with_the_parent();
        let outcome = attacker::attack(server, side_door, rounds)?;
        println!("{outcome}");
        return Ok(true);
    }
    let (served, outcome) = server::serve(rounds)?;
    Ok(report::print(&served, &outcome))
}
