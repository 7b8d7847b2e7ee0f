//! The order of measurement: all peers take turns in every round, in an order that is drawn anew each time.
//!
//! A machine's speed drifts by more than the peers differ. So only slices of the same round are compared, a fraction of a
//! second apart, and a figure is the median over rounds. In an order that is only rotated nearly every peer would have the
//! same one before it in each round, and inherit its caches.

use std::sync::Arc;

use netloop_benches::process::Server;
use netloop_benches::statistics;

use crate::load::paced::Paced;
use crate::load::{Load, Slice, Target, Timing, run};
use crate::options::Options;
use crate::pattern::Pattern;
use crate::peers::Found;
use crate::peers::service::Service;
use crate::section::{Row, Section};
use crate::workload::Workload;

/// Of workloads in which each slice starts a server: memory hardly differs from one start to the next.
const MOST_FRESH_ROUNDS: usize = 8;

/// The cores of this machine, divided between the server and the generator.
#[derive(Clone, Debug)]
pub(crate) struct Cores {
    pub(crate) server: usize,
    pub(crate) client: Vec<usize>,
}

/// One peer during a workload.
struct Seat<'a> {
    peer: &'a Found,
    workload: &'a Workload,
    cores: &'a Cores,
    pattern: &'a Pattern,
    server: Option<Server>,
    row: Row,
}

/// Measures one workload. `progress` is told what is being done.
pub(crate) fn measure(
    workload: &Workload,
    peers: &[&Found],
    options: &Options,
    cores: &Cores,
    progress: &dyn Fn(&str),
) -> Section {
    let pattern = Pattern::random(workload.connections as u64);
    let peers = peers.iter().copied();
    let able = peers.filter(|found| found.peer.can(workload.mode));
    let seat = |peer| Seat {
        peer,
        workload,
        cores,
        pattern: &pattern,
        server: None,
        row: Row {
            peer: peer.peer.name,
            ..Row::default()
        },
    };
    let mut seats: Vec<Seat<'_>> = able.map(seat).collect();
    let mut told = workload.clone();
    let (mut load, mut rounds) = (Arc::clone(&workload.load), options.rounds);
    if workload.load.needs_fresh_server() {
        rounds = (rounds * 2 / 3).clamp(rounds.min(statistics::FEWEST), MOST_FRESH_ROUNDS);
    } else {
        let mut peaks: Vec<(f64, &str)> = Vec::new();
        for seat in &mut seats {
            progress(&format!("{} (warm-up)", seat.row.peer));
            peaks.extend(seat.warm_up().map(|peak| (peak, seat.row.peer)));
        }
        let slowest = peaks
            .into_iter()
            .min_by(|one, other| one.0.total_cmp(&other.0));
        if let (Some((echo, percent)), Some((peak, peer))) = (workload.paced, slowest) {
            let rate = (peak * f64::from(percent) / 100.0).max(1.0);
            told.title += &format!(" ({peer}'s), which is {rate:.0} a second");
            load = Arc::new(Paced { echo, rate });
        }
    }
    let (warm_up, measured) = (options.slice / 4, options.slice);
    let timing = Timing { warm_up, measured };
    // Each workload has orders of its own.
    let mix = |seed: u64, byte: u8| seed.wrapping_mul(31).wrapping_add(u64::from(byte));
    let mut random = fastrand::Rng::with_seed(workload.name.bytes().fold(options.seed, mix));
    let mut order: Vec<usize> = (0..seats.len()).collect();
    for round in 1..=rounds {
        random.shuffle(&mut order);
        for place in &order {
            let seat = &mut seats[*place];
            progress(&format!("{} (round {round} of {rounds})", seat.row.peer));
            let slice = seat.run(&*load, timing);
            seat.row.slices.extend(slice);
        }
    }
    seats.iter_mut().for_each(Seat::stop);
    let rows = seats.into_iter().map(|seat| seat.row).collect();
    let workload = told;
    Section { workload, rows }
}

impl Seat<'_> {
    /// Serves slices that do not count. A runtime that compiles its code while it runs is several times slower in its first
    /// second than ever after. Returns the better rate of the last two: other programs can only have made one slower.
    fn warm_up(&mut self) -> Option<f64> {
        let (slices, milliseconds) = match self.peer.peer.compiles_while_it_runs() {
            true => (3, 400),
            false => (2, 100),
        };
        let timing = Timing::of_milliseconds(0, milliseconds);
        let load = &*self.workload.load;
        let rates = (0..slices).map(|_| Some(self.run(load, timing)?.rate()));
        let rates = rates.collect::<Option<Vec<f64>>>()?;
        rates.into_iter().rev().take(2).reduce(f64::max)
    }

    /// Runs one slice, starting the server if need be. A fault voids the row and stops the server.
    fn run(&mut self, load: &dyn Load, timing: Timing) -> Option<Slice> {
        if self.row.fault.is_some() {
            return None;
        }
        let outcome = self.try_to_run(load, timing);
        if self.workload.load.needs_fresh_server() || outcome.is_err() {
            self.stop();
        }
        outcome.map_err(|fault| self.row.fault = Some(fault)).ok()
    }

    fn try_to_run(&mut self, load: &dyn Load, timing: Timing) -> Result<Slice, String> {
        let server = match &mut self.server {
            Some(server) => server,
            none => {
                let service = Service::new(self.workload.mode, self.workload.idle_timeout);
                none.insert(self.peer.start(&service, self.cores.server)?)
            }
        };
        let target = Target {
            address: server.address,
            server: &server.processes(),
            cores: &self.cores.client,
            pattern: self.pattern,
        };
        run(load, &target, timing)
    }

    fn stop(&mut self) {
        if let Some(server) = self.server.take() {
            let peak = server.processes().peak_memory();
            self.row.peak_memory = self.row.peak_memory.max(peak);
        }
    }
}
