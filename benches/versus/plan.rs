//! How long a run takes, and how that time is divided among workloads, rounds and peers.

use std::time::{Duration, Instant};

use crate::costs;
use crate::load::Timing;
use crate::peers::Peer;
use crate::statistics;
use crate::warm_up::WarmUp;
use crate::workload::{Kind, Scope, Workload};

/// How fast the bytes that are under way go round, at least: they have to arrive before a slice is over.
const BYTES_PER_SECOND: f64 = 5e8;
/// The server warms up first, and then stalled readers try for so long to send more.
const STALLING: Duration = Duration::from_millis(2200);
/// Two starts of a server, and the time in which idle connections come to rest.
const SETTLING: Duration = Duration::from_millis(400);
/// A slice that is shorter tells nothing, one that is longer nothing new.
const SHORTEST_SLICE: Duration = Duration::from_millis(100);
const LONGEST_SLICE: Duration = Duration::from_millis(1500);
/// At rest little happens, and it takes longer to be seen.
const LONGEST_REST: Duration = Duration::from_secs(4);
/// By such slices the time of a run is divided among its workloads.
const USUAL_SLICE: Duration = Duration::from_millis(300);
/// With fewer rounds there is no interval, and nothing is decided: rather than that, a run takes longer.
const FEWEST_ROUNDS: usize = statistics::FEWEST;

/// How one workload is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// For the whole workload.
    pub(crate) time: Duration,
    pub(crate) minimum_rounds: usize,
    pub(crate) maximum_rounds: usize,
    /// Of workloads for which each slice needs a new server.
    pub(crate) fresh_rounds: usize,
    /// Of the order of the peers.
    pub(crate) seed: u64,
}

impl Plan {
    /// What a scope allows for each workload, but for the time, which an [`Allowance`] knows.
    pub(crate) fn of(scope: Scope, seed: u64) -> Self {
        let (minimum_rounds, maximum_rounds, fresh_rounds) = match scope {
            // One start shows the values, and decides nothing.
            Scope::Quick => (FEWEST_ROUNDS, FEWEST_ROUNDS, 1),
            Scope::Standard => (7, 21, FEWEST_ROUNDS),
            Scope::Full => (7, 31, FEWEST_ROUNDS),
        };
        Self {
            time: Duration::ZERO,
            minimum_rounds,
            maximum_rounds,
            fresh_rounds,
            seed,
        }
    }

    /// At least so many rounds, and at most so many: fewer than was asked for where not even the shortest slices fit.
    pub(crate) fn rounds(&self, workload: &Workload, peers: &[&Peer]) -> (usize, usize) {
        if workload.needs_fresh_server() {
            return (self.fresh_rounds, self.fresh_rounds);
        }
        let shortest = round(workload, peers.len(), SHORTEST_SLICE);
        let fitting = times(self.time.saturating_sub(warm_up(workload, peers)), shortest);
        let minimum = self
            .minimum_rounds
            .min(fitting.max(FEWEST_ROUNDS.min(self.minimum_rounds)));
        (minimum, self.maximum_rounds)
    }

    /// Divides the time that the warm-up leaves among rounds and peers.
    pub(crate) fn timing(&self, workload: &Workload, peers: &[&Peer]) -> Timing {
        let (rounds, _) = self.rounds(workload, peers);
        let slices = u32::try_from(rounds * peers.len().max(1)).unwrap_or(u32::MAX);
        let time = self.time.saturating_sub(warm_up(workload, peers));
        let slice = (time / slices).saturating_sub(overhead(workload));
        let longest = match workload.kind {
            Kind::Idle(_) => LONGEST_REST,
            _ => LONGEST_SLICE,
        };
        let slice = slice.clamp(SHORTEST_SLICE, longest);
        Timing {
            warm_up: slice / 4,
            measured: slice * 3 / 4,
        }
    }

    /// How long the workload will take at most, as far as that can be known.
    pub(crate) fn expected(&self, workload: &Workload, peers: &[&Peer]) -> Duration {
        let timing = self.timing(workload, peers);
        let round = round(workload, peers.len(), timing.warm_up + timing.measured);
        let (minimum, maximum) = self.rounds(workload, peers);
        let warm_up = warm_up(workload, peers);
        let rounds = times(self.time.saturating_sub(warm_up), round);
        let rounds = rounds.clamp(minimum, maximum.max(minimum));
        warm_up + round * u32::try_from(rounds).unwrap_or(u32::MAX)
    }

    /// What it takes with usual slices, beside the other workloads.
    fn weight(&self, workload: &Workload, peers: &[&Peer]) -> f64 {
        let rounds = if workload.needs_fresh_server() {
            self.fresh_rounds
        } else {
            self.minimum_rounds
        };
        let round = round(workload, peers.len(), USUAL_SLICE);
        warm_up(workload, peers).as_secs_f64() + round.as_secs_f64() * rounds as f64
    }
}

/// The time of a whole run, of which every workload gets as much as its rounds take beside those of the others. What
/// one does not use is left to those behind it.
pub(crate) struct Allowance {
    until: Instant,
    /// Of the workloads that are still to come, the next one last.
    weights: Vec<f64>,
}

impl Allowance {
    pub(crate) fn new(
        time: Duration,
        plan: &Plan,
        workloads: &[Workload],
        peers: &[&Peer],
    ) -> Self {
        let weight = |workload| plan.weight(workload, &able(workload, peers));
        Self {
            until: Instant::now() + time,
            weights: workloads.iter().rev().map(weight).collect(),
        }
    }

    /// The time of each workload if all use what they get.
    pub(crate) fn all(self) -> impl Iterator<Item = Duration> {
        let left = self.until.saturating_duration_since(Instant::now());
        let whole: f64 = self.weights.iter().sum();
        self.weights
            .into_iter()
            .rev()
            .map(move |weight| left.mul_f64(weight / whole))
    }

    /// The time of the next workload.
    pub(crate) fn next(&mut self) -> Duration {
        let left = self.until.saturating_duration_since(Instant::now());
        let whole: f64 = self.weights.iter().sum();
        self.weights
            .pop()
            .map_or(Duration::ZERO, |weight| left.mul_f64(weight / whole))
    }
}

/// Those of the peers that can do this.
pub(crate) fn able<'a>(workload: &Workload, peers: &[&'a Peer]) -> Vec<&'a Peer> {
    let suits = |peer: &&&Peer| workload.suits(peer);
    peers.iter().filter(suits).copied().collect()
}

/// How long it takes at most until all servers are warm.
pub(crate) fn warm_up(workload: &Workload, peers: &[&Peer]) -> Duration {
    if workload.needs_fresh_server() {
        return Duration::ZERO;
    }
    let overhead = overhead(workload);
    peers
        .iter()
        .map(|peer| costs::known().start + WarmUp::of(peer.descriptor).longest(overhead))
        .sum()
}

/// What one round of all peers takes.
pub(crate) fn round(workload: &Workload, peers: usize, slice: Duration) -> Duration {
    (slice + overhead(workload)) * u32::try_from(peers.max(1)).unwrap_or(u32::MAX)
}

/// What a slice takes beside the measurement.
pub(crate) fn overhead(workload: &Workload) -> Duration {
    let connections = u32::try_from(workload.connections()).unwrap_or(u32::MAX);
    let under_way = workload.bytes_under_way() as f64 / BYTES_PER_SECOND;
    let costs = costs::known();
    let connecting = costs.connection * connections;
    let special = match workload.kind {
        Kind::Stalled(_) => STALLING + SETTLING,
        // Each says something and is answered, one after the other, and all are there when the server ends.
        Kind::Idle(_) => SETTLING + connecting * 2,
        _ => Duration::ZERO,
    };
    costs.slice + connecting + Duration::from_secs_f64(under_way) + special
}

fn times(time: Duration, each: Duration) -> usize {
    usize::try_from(time.as_nanos() / each.as_nanos().max(1)).unwrap_or(usize::MAX)
}
