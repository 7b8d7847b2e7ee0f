//! The soak: a process that serves and a process that connects, with two loops each.
//!
//! The system calls of the first loop of each process meet faults that lose nothing, so that every byte is accounted for.
//! Those of the second loop meet faults that break connections as well.

mod client_process;
mod report;

use std::error::Error;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use lexopt::prelude::*;
use netloop::Budget;

use crate::child_process;
use crate::heap;
use crate::traffic::{End, Faults, Remains, Tally, Traffic, Until, load, run_all, serve};

/// The networks 127.x.0.0/16 of the two servers.
const NETWORKS: [u8; 2] = [115, 116];

/// The options of a run.
#[derive(Clone, Debug)]
struct Options {
    seconds: u64,
    connections: u64,
    seed: u64,
    has_faults: bool,
    /// The budget of a turn in milliseconds; 0 is none.
    budget_ms: u64,
    /// The addresses of the servers, for the process that connects.
    servers: Vec<SocketAddr>,
}

/// The counts of one process: of its loops, and the resources that they have not given back.
#[derive(Clone, Debug)]
struct Counts {
    loops: Vec<Tally>,
    remains: Remains,
}

/// Runs the soak, or its process that connects. Returns whether all bounds hold.
pub(crate) fn run(mut parser: lexopt::Parser) -> Result<bool, Box<dyn Error>> {
    let mut options = Options {
        seconds: 60,
        connections: 10_000,
        seed: fastrand::u64(..),
        has_faults: true,
        budget_ms: 20,
        servers: Vec::new(),
    };
    while let Some(argument) = parser.next()? {
        match argument {
            Long("seconds") => options.seconds = parser.value()?.parse()?,
            Long("connections") => options.connections = parser.value()?.parse()?,
            // The program was not put ahead of others, and goes on without.
            Long("real-time") => {}
            Long("seed") => options.seed = parser.value()?.parse()?,
            Long("budget-ms") => options.budget_ms = parser.value()?.parse()?,
            Long("no-faults") => options.has_faults = false,
            Value(address) => options.servers.push(address.parse()?),
            _ => return Err(argument.unexpected().into()),
        }
    }
    crate::raise_open_file_limit();
    if !options.servers.is_empty() {
        child_process::end_with_the_parent();
        let counts = connect(&options);
        client_process::tell(&counts);
        return Ok(true);
    }
    let (server, client) = serve_a_client_process(&options)?;
    Ok(report::print(&options, &server, &client))
}

impl Options {
    /// The traffic of each loop. The first loop has nine tenths of the connections.
    fn traffics(&self) -> [Traffic; 2] {
        let few = self.connections / 10;
        let traffic = Traffic {
            connections: self.connections - few,
            until: Until::Time(Duration::from_secs(self.seconds)),
            longest_hold: Duration::from_secs(4),
            seed: self.seed,
            budget: match self.budget_ms {
                0 => Budget::new(),
                limit => Budget::new().time(Duration::from_millis(limit)),
            },
            faults: Faults::Harmless,
        };
        let breaking = Traffic {
            connections: few,
            seed: self.seed.wrapping_add(1 << 32),
            faults: Faults::Breaking,
            ..traffic
        };
        let mut traffics = [traffic, breaking];
        if !self.has_faults {
            for traffic in &mut traffics {
                traffic.faults = Faults::None;
            }
        }
        traffics
    }
}

/// Serves until the process that connects has ended. Returns the counts of both.
fn serve_a_client_process(options: &Options) -> Result<(Counts, Counts), Box<dyn Error>> {
    let is_over = AtomicBool::new(false);
    let traffics = options.traffics();
    thread::scope(|scope| {
        let (tells, told): (Vec<_>, Vec<_>) = traffics.iter().map(|_| mpsc::channel()).unzip();
        let is_over = &is_over;
        let client = scope.spawn(move || {
            let counts = client_process::run(options, &told);
            is_over.store(true, Ordering::Relaxed);
            counts
        });
        let ends = traffics.iter().zip(NETWORKS).zip(tells);
        let ends = ends.map(|((traffic, network), tell)| {
            let end: End<'_> = Box::new(move |gate| serve(traffic, network, &tell, is_over, gate));
            end
        });
        let (loops, remains) = run_all(ends.collect(), heap);
        let client = client
            .join()
            .expect("the thread of the client has panicked");
        Ok((Counts { loops, remains }, client?))
    })
}

fn connect(options: &Options) -> Counts {
    let traffics = options.traffics();
    let servers = options
        .servers
        .chunks(options.servers.len() / traffics.len());
    // The other process serves.
    let is_over = AtomicBool::new(false);
    let ends = traffics.iter().zip(servers).map(|(traffic, servers)| {
        let (tell, told) = mpsc::channel();
        tell.send(servers.to_vec()).expect("the receiver is here");
        let is_over = &is_over;
        let end: End<'_> = Box::new(move |gate| load(traffic, &told, is_over, gate));
        end
    });
    let (loops, remains) = run_all(ends.collect(), heap);
    Counts { loops, remains }
}
