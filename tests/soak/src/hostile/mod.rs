//! The hostile hour: one server with the limits for strangers, and all that its peers can do to it, at once.
//!
//! The process that attacks also has the guests, which behave well. Their round trips are measured in turn while it is
//! quiet and under attack. All times of the limits are shorter by the same factor, so that the run ends within a
//! minute. Only the second over which a rate is measured is not.

mod attack;
mod attacker;
mod guests;
mod report;
mod server;
mod session;
mod times;

use std::error::Error;
use std::net::SocketAddr;

use lexopt::prelude::*;

use crate::child_process;

/// The factor by which all times are shorter than those of `Limits::internet`. With 25 or more the write stall would come
/// before the least rate, whose second does not shrink.
const FASTER: u32 = 20;

/// Runs the server, or the process that attacks it. Returns whether all bounds hold.
pub(crate) fn run(mut parser: lexopt::Parser) -> Result<bool, Box<dyn Error>> {
    let mut rounds = 3;
    let mut servers: Vec<SocketAddr> = Vec::new();
    while let Some(argument) = parser.next()? {
        match argument {
            // The program was not put ahead of others, and goes on without.
            Long("real-time") => {}
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
