//! Echo of datagrams: the processor time of the server for each, beside a loop by hand on mio, libuv and Node's dgram.
//!
//! ```text
//! cargo datagrams
//! cargo datagrams --rounds 61 --datagrams 40000
//! ```
//!
//! All servers are up for the whole run, and take turns of a tenth of a second. So what else the machine does hits all
//! alike. The servers are pinned to one core, and the load to another. Else the scheduler decides in each round whether
//! a datagram crosses from core to core. A ratio is that of the same round; its interval is that of the bars.

mod bursts;
mod servers;

use std::error::Error;

use lexopt::prelude::*;
use netloop_benches::bars::{self, Bench, Measured, SUBJECT};
use netloop_benches::cores::{ends, pin};
use netloop_benches::datagrams::echo;
use netloop_benches::machine::read;
use netloop_benches::statistics::{BAR_ERROR, Estimate, in_turn, median, ratios};
use netloop_benches::table::Table;

/// The rounds of the bursts, whose ratio is far from one.
const BURST_ROUNDS: usize = 7;
/// A title, the sockets, and the datagrams under way for each.
const LOADS: [(&str, usize, usize); 3] = [
    ("one at a time", 1, 1),
    ("16 sockets with one each", 16, 1),
    ("8 sockets with 8 each", 8, 8),
];

/// Does what the rest of the command line asks for.
pub(crate) fn run(parser: &mut lexopt::Parser) -> Result<(), Box<dyn Error>> {
    let (mut rounds, mut datagrams) = (41, 16_000);
    while let Some(argument) = parser.next()? {
        match argument {
            Long("bench") => {}
            Long("rounds") => rounds = parser.value()?.parse()?,
            Long("datagrams") => datagrams = parser.value()?.parse()?,
            Long("burst") => return bursts::run(&parser.value()?.string()?),
            Long("serve") => return servers::serve(&parser.value()?.string()?),
            _ => return Err(argument.unexpected().into()),
        }
    }
    compare(rounds, datagrams)?;
    bursts::compare(BURST_ROUNDS)
}

/// Measures all servers in turn, and prints a table for each load, and the bars.
fn compare(rounds: usize, datagrams: u32) -> Result<(), Box<dyn Error>> {
    let (server_core, load_core) = ends();
    let servers = servers::start_all(server_core);
    pin(load_core);
    let load = read("/proc/loadavg");
    println!("{rounds} rounds of {datagrams} datagrams of 64 bytes; load {load}");
    let mio = servers.iter().position(|(name, _)| *name == "mio");
    let mio = mio.ok_or("mio is always there")?;
    let mut outcomes = Vec::new();
    for (title, sockets, window) in LOADS {
        let batch = u32::try_from(sockets * window)?;
        let batches = match batch {
            1 => datagrams / 4,
            _ => datagrams.div_ceil(batch),
        };
        let times = in_turn(rounds, servers.len(), |place| {
            let (_, server) = &servers[place];
            let before = server.processes().cpu();
            let echoed = echo(server.address, sockets, window, batches, |send| send())?;
            let spent = server.processes().cpu() - before;
            Ok::<_, Box<dyn Error>>(spent.as_secs_f64() * 1e9 / f64::from(echoed))
        })?;
        let mut table = Table::new(&["server", "ns a datagram", "of mio", "interval"]);
        for ((name, _), own) in servers.iter().zip(&times) {
            let ratios = ratios(own, &times[mio]);
            let estimate = Estimate::with_error(&ratios, BAR_ERROR).ok_or("no round")?;
            let reach = estimate.reach();
            table.push([
                (*name).to_owned(),
                format!("{:.0}", median(own).unwrap_or_default()),
                format!("{:.3}", estimate.median),
                format!("{:.3} to {:.3}", reach.low, reach.high),
            ]);
            if *name == SUBJECT {
                let measured = Measured::Rounds(ratios);
                outcomes.extend(bars::judge(Bench::Datagrams, title, |_| measured.clone()));
            }
        }
        println!("\n{title}:\n\n{}", table.markdown());
    }
    bars::print(&outcomes);
    Ok(())
}
