//! Echo of datagrams: the processor time of the server for each, beside a loop by hand on mio, libuv and Node's dgram.
//!
//! ```text
//! cargo datagrams
//! cargo datagrams --rounds 9 --datagrams 200000
//! ```
//!
//! All servers are up for the whole run, and take turns: so that what else the machine does hits all alike. A ratio is that of
//! the same round, and its interval is from the second lowest round to the second highest.

#[cfg(target_os = "linux")]
mod bursts;
#[cfg(target_os = "linux")]
mod load;
#[cfg(target_os = "linux")]
mod servers;

#[cfg(target_os = "linux")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    use lexopt::prelude::*;

    let (mut rounds, mut datagrams) = (7_usize, 100_000_u32);
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
        compare(rounds.max(5), datagrams)?;
        bursts::compare(rounds.max(5))?;
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("the processor time of another process is read on Linux alone");
}

/// Measures all servers in turn, and prints a table for each load.
#[cfg(target_os = "linux")]
fn compare(rounds: usize, datagrams: u32) -> Result<(), Box<dyn std::error::Error>> {
    use netloop_benches::table::Table;

    let mut servers = servers::start_all();
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
        for (server, own) in servers.iter().zip(&times) {
            let mut ratios: Vec<f64> = own.iter().zip(&times[mio]).map(|(a, b)| a / b).collect();
            let mut own = own.clone();
            own.sort_by(f64::total_cmp);
            ratios.sort_by(f64::total_cmp);
            table.rows.push(vec![
                server.name.clone(),
                format!("{:.0}", own[own.len() / 2]),
                format!("{:.3}", ratios[ratios.len() / 2]),
                format!("{:.3} to {:.3}", ratios[1], ratios[ratios.len() - 2]),
            ]);
        }
        println!("\n{title}:\n\n{}", table.markdown());
    }
    Ok(())
}
