//! The loads, the rounds, and the tables of their results.

use std::array::from_fn;
use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use netloop_benches::cores::{ends, on_core, pin};
use netloop_benches::machine::{processor, read};
use netloop_benches::process::Server;
use netloop_benches::statistics::{in_turn, quartile};
use netloop_benches::table::Table;
use netloop_tls::Authority;
use rustls::client::Resumption;

use crate::client::{Config, echo};
use crate::options::Options;
use crate::peers::{BASE, CERTIFICATE, KEY, PEERS, command};

/// A name, the length of an echo or `None` for a handshake with one byte, and the operations of a round.
type Load = (&'static str, Option<usize>, usize);

const LOADS: [Load; 4] = [
    ("echo of 64 B", Some(64), 20_000),
    ("echo of 16 KiB", Some(16 << 10), 5_000),
    ("echo of 64 KiB", Some(64 << 10), 2_000),
    ("handshake", None, 500),
];

/// The costs of one operation: the server's processor time and the client's time in nanoseconds, the page faults, and
/// the server's sleeps.
type Cost = [f64; 4];

pub(crate) fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    println!("load: {}", read("/proc/loadavg"));
    println!("processor: {}, {cores} cores", processor("model name"));
    // Otherwise the kernel puts some servers on the core of the client, and others not, which halves their sleeps.
    let (server_core, client_core) = ends();
    pin(client_core);
    let found = found(options);
    let is_chosen = |load: &Load| load.0.contains(&options.load);
    let mut results = LOADS
        .map(|load| (load, vec![Vec::new(); found.len()]))
        .to_vec();
    results.retain(|(load, _)| is_chosen(load));
    let authority = Authority::new();
    let identity = authority.identity(&["localhost"]);
    let mut config = authority.client();
    config.resumption = Resumption::disabled();
    let config = Arc::new(config);
    for _ in 0..options.starts {
        let mut servers = Vec::new();
        for peer in &found {
            let mut command = command(peer, &options.under)?;
            command.env(CERTIFICATE, &identity.certificate_pem);
            command.env(KEY, &identity.key_pem);
            servers.push(on_core(server_core, || Server::start(&mut command))?);
        }
        for (load, costs) in &mut results {
            for server in &servers {
                cost(server, &config, *load, load.2 / 10)?;
            }
            let measure = |place: usize| cost(&servers[place], &config, *load, load.2);
            let more = in_turn(options.rounds, servers.len(), measure)?;
            for (costs, more) in costs.iter_mut().zip(more) {
                costs.extend(more);
            }
        }
        // A tool outlives the server that it watches, and writes its report.
        servers.into_iter().try_for_each(Server::end)?;
    }
    for ((name, ..), costs) in &results {
        print(name, &found, costs);
    }
    Ok(())
}

/// Returns the names of the chosen peers that can be started, and names the others.
fn found(options: &Options) -> Vec<&'static str> {
    let is_found = |peer: &&str| {
        let missing = command(peer, &[]).err();
        if let Some(reason) = &missing {
            println!("MISSING: {peer}: {reason}");
        }
        missing.is_none()
    };
    let is_chosen = |peer: &&str| *peer == BASE || options.takes(peer);
    let chosen = PEERS.into_iter().filter(is_chosen);
    chosen.filter(is_found).collect()
}

/// Returns the cost of the server for each of `count` operations.
fn cost(
    server: &Server,
    config: &Config,
    (_, length, _): Load,
    count: usize,
) -> Result<Cost, Box<dyn Error>> {
    let processes = server.behind_tools();
    let began = Instant::now();
    let counts = || {
        let times = [processes.cpu(), began.elapsed()].map(|time| time.as_secs_f64() * 1e9);
        let counts = [processes.page_faults(), processes.wake_ups()].map(|count| count as f64);
        [times[0], times[1], counts[0], counts[1]]
    };
    let before = counts();
    match length {
        Some(length) => echo(server.address, config, length, count)?,
        None => (0..count).try_for_each(|_| echo(server.address, config, 1, 1))?,
    }
    let after = counts();
    Ok(from_fn(|place| {
        (after[place] - before[place]) / count as f64
    }))
}

fn print(load: &str, peers: &[&str], costs: &[Vec<Cost>]) {
    let mut table = Table::new(&[
        "server",
        "time",
        "times that of the loop by hand (middle half)",
        "rate, as multiple",
        "page faults",
        "sleeps",
    ]);
    let base = peers.iter().position(|&peer| peer == BASE);
    let base = &costs[base.expect("the loop by hand always takes part")];
    for (peer, own) in peers.iter().zip(costs) {
        let at = |quarter: usize, value: &dyn Fn(&Cost, &Cost) -> f64| {
            let values = own.iter().zip(base).map(|(own, base)| value(own, base));
            quartile(&values.collect::<Vec<_>>(), quarter).unwrap_or_default()
        };
        let middle = |value: &dyn Fn(&Cost, &Cost) -> f64| {
            let [low, median, high] = [1, 2, 3].map(|quarter| at(quarter, value));
            format!("{median:.3} ({low:.3} to {high:.3})")
        };
        table.push([
            (*peer).to_owned(),
            format!("{:.1} µs", at(2, &|own, _| own[0]) / 1e3),
            middle(&|own, base| own[0] / base[0]),
            middle(&|own, base| base[1] / own[1]),
            format!("{:.1}", at(2, &|own, _| own[2])),
            format!("{:.2}", at(2, &|own, _| own[3])),
        ]);
    }
    println!("\n{load}, {} rounds\n", base.len());
    println!("{}", table.markdown());
}
