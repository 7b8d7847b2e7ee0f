//! The rounds, and the tables of their results.

use std::fs;

use netloop_benches::statistics::quartile;
use netloop_tls::Authority;

use crate::loads::{LOADS, Load};
use crate::options::Options;
use crate::peers::{BASE, PEERS, command};
use crate::process::{CLIENT_CORE, Cost, Server, pin};

pub(crate) fn run(options: &Options) {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("load: {}", load.trim());
    println!("processor: {}", processor());
    pin(
        i32::try_from(std::process::id()).expect("a process"),
        CLIENT_CORE,
    );
    let found = found(options);
    let loads = LOADS.iter().filter(|it| it.name.contains(&options.load));
    let mut results: Vec<(&Load, Vec<Vec<Cost>>)> = loads.map(|it| (it, Vec::new())).collect();
    let authority = Authority::new();
    let identity = authority.identity(&["localhost"]);
    for _ in 0..options.starts {
        let start = |peer: &&str| {
            let command = command(peer, &options.under).expect("it was found");
            Server::start(command, &authority, &identity)
        };
        let servers: Vec<Server> = found.iter().map(start).collect();
        for (load, rounds) in &mut results {
            for server in &servers {
                let _ = server.cost(load, load.count / 10);
            }
            for _ in 0..options.rounds {
                rounds.push(round(&servers, load, rounds.len()));
            }
        }
    }
    for (load, rounds) in &results {
        print(load, &found, rounds);
    }
}

/// Returns the names of the chosen peers that can be started, and names the others.
fn found(options: &Options) -> Vec<&'static str> {
    let is_found = |peer: &&str| match command(peer, &[]) {
        Ok(_) => true,
        Err(reason) => {
            println!("MISSING: {peer}: {reason}");
            false
        }
    };
    PEERS
        .into_iter()
        .filter(|&peer| peer == BASE || options.takes(peer))
        .filter(is_found)
        .collect()
}

/// Loads each of `servers` once. Each round begins with another server.
fn round(servers: &[Server], load: &Load, number: usize) -> Vec<Cost> {
    let mut costs = vec![None; servers.len()];
    for step in 0..servers.len() {
        let place = match number % 2 {
            0 => (number / 2 + step) % servers.len(),
            _ => (number / 2 + servers.len() - step) % servers.len(),
        };
        costs[place] = Some(servers[place].cost(load, load.count));
    }
    costs.into_iter().flatten().collect()
}

fn print(load: &Load, peers: &[&str], rounds: &[Vec<Cost>]) {
    println!("\n{}, {} rounds\n", load.name, rounds.len());
    println!(
        "| server | time | times that of the loop by hand (middle half) | rate, as multiple | page faults | sleeps |"
    );
    println!("|---|--:|---|---|--:|--:|");
    let base = peers.iter().position(|&peer| peer == BASE);
    let base = base.expect("the loop by hand always takes part");
    for (place, peer) in peers.iter().enumerate() {
        let at = |quarter: usize, value: &dyn Fn(&Vec<Cost>) -> f64| {
            let values: Vec<f64> = rounds.iter().map(value).collect();
            quartile(&values, quarter).unwrap_or_default()
        };
        let ratio = |round: &Vec<Cost>| round[place].nanoseconds / round[base].nanoseconds;
        let rate = |round: &Vec<Cost>| round[base].elapsed / round[place].elapsed;
        println!(
            "| {peer} | {:.1} µs | {:.3} ({:.3} to {:.3}) | {:.3} ({:.3} to {:.3}) | {:.1} | {:.2} |",
            at(2, &|round| round[place].nanoseconds) / 1e3,
            at(2, &ratio),
            at(1, &ratio),
            at(3, &ratio),
            at(2, &rate),
            at(1, &rate),
            at(3, &rate),
            at(2, &|round| round[place].page_faults),
            at(2, &|round| round[place].sleeps),
        );
    }
}

fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find(|line| line.starts_with("model name"));
    let name = name.and_then(|line| line.split(": ").nth(1));
    let count = std::thread::available_parallelism().map_or(0, usize::from);
    format!("{}, {count} cores", name.unwrap_or("unknown"))
}
