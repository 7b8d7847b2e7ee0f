//! Echo of datagrams: the processor time of the server for each, beside a loop by hand on mio, libuv and Node's dgram.
//!
//! ```text
//! cargo datagrams
//! cargo datagrams --rounds 61 --datagrams 40000
//! ```
//!
//! All servers are up for the whole run, and take turns of a tenth of a second: so that what else the machine does hits all
//! alike. The servers are pinned to one core, and the load to another: else the scheduler decides in each round whether a
//! datagram crosses from core to core. A ratio is that of the same round; its interval is that of the bars.

#[cfg(target_os = "linux")]
mod bursts;
#[cfg(target_os = "linux")]
mod load;
#[cfg(target_os = "linux")]
mod servers;

#[cfg(target_os = "linux")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    use lexopt::prelude::*;

    let (mut rounds, mut datagrams) = (41_usize, 16_000_u32);
    let mut is_asked = false;
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            // `cargo test` runs benches too, and this one would take a minute.
            Long("bench") => is_asked = true,
            Long("rounds") => rounds = parser.value()?.parse()?,
            Long("datagrams") => datagrams = parser.value()?.parse()?,
            Long("burst") => return bursts::run(&parser.value()?.string()?),
            Long("serve") => return servers::serve(&parser.value()?.string()?),
            _ => return Err(argument.unexpected().into()),
        }
    }
    if is_asked {
        compare(rounds, datagrams)?;
        bursts::compare(BURST_ROUNDS)?;
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("the processor time of another process is read on Linux alone");
}

/// The rounds of the bursts, whose ratio is far from one.
#[cfg(target_os = "linux")]
const BURST_ROUNDS: usize = 7;

/// Measures all servers in turn, and prints a table for each load, and the bars.
#[cfg(target_os = "linux")]
fn compare(rounds: usize, datagrams: u32) -> Result<(), Box<dyn std::error::Error>> {
    use netloop_benches::bars::{self, Bench, Measured, SUBJECT};
    use netloop_benches::cores::{cores, on_core, pin};
    use netloop_benches::statistics::{BAR_ERROR, Estimate, median};
    use netloop_benches::table::Table;

    let cores = cores();
    let (server_core, load_core) = (cores[0], cores[cores.len() - 1]);
    let mut servers = on_core(server_core, servers::start_all);
    pin(load_core);
    let mut outcomes = Vec::new();
    let load_average = std::fs::read_to_string("/proc/loadavg")?;
    println!("{rounds} rounds of {datagrams} datagrams of 64 bytes; load {load_average}");
    for (title, sockets, window) in [
        ("one at a time", 1, 1_u32),
        ("16 sockets with one each", 16, 1),
        ("8 sockets with 8 each", 8, 8),
    ] {
        let count = match sockets {
            1 => datagrams / 4,
            _ => datagrams,
        };
        let mut times: Vec<Vec<f64>> = vec![Vec::new(); servers.len()];
        for round in 0..rounds {
            for place in 0..servers.len() {
                let place = (place + round) % servers.len();
                let server = &mut servers[place];
                let before = server.processor_time()?;
                let echoed = load::run(server.address, sockets, window, count)?;
                let spent = server.processor_time()? - before;
                times[place].push(spent.as_secs_f64() * 1e9 / f64::from(echoed));
            }
        }
        let mut table = Table::new(&["server", "ns a datagram", "of mio", "interval"]);
        let mio = servers.iter().position(|server| server.name == "mio");
        let mio = mio.ok_or("mio is always there")?;
        let bar = bars::of(Bench::Datagrams).into_iter();
        let bar = bar.filter(|bar| bar.workload == title);
        for (server, own) in servers.iter().zip(&times) {
            let ratios: Vec<f64> = own.iter().zip(&times[mio]).map(|(a, b)| a / b).collect();
            let estimate = Estimate::with_error(&ratios, BAR_ERROR).ok_or("no round")?;
            let reach = estimate.reach();
            table.rows.push(vec![
                server.name.clone(),
                format!("{:.0}", median(own).unwrap_or_default()),
                format!("{:.3}", estimate.median),
                format!("{:.3} to {:.3}", reach.low, reach.high),
            ]);
            if server.name == SUBJECT {
                let judge = |bar: bars::Bar| bar.judge(&Measured::Rounds(ratios.clone()));
                outcomes.extend(bar.clone().map(judge));
            }
        }
        println!("\n{title}:\n\n{}", table.markdown());
    }
    println!("\nthe bars:\n\n{}", bars::table(&outcomes).markdown());
    Ok(())
}
