//! The order of measurement: all peers take turns in every round, in an order that is drawn anew each time.
//!
//! A machine's speed drifts by more than the peers differ. What is compared is therefore always the same round, a
//! fraction of a second apart, and a figure is the median over rounds. An order that is only rotated would give nearly
//! every peer the same one before it in each round, whose caches and whose heat it inherits.

use std::time::Instant;

use crate::load::{Slice, Target, Timing};
use crate::pattern::Pattern;
use crate::peers::Peer;
use crate::peers::process::{self, ServerProcess};
use crate::peers::service::Service;
use crate::plan::Plan;
use crate::statistics::Estimate;
use crate::system::{Usage, interrupted};
use crate::workload::{Kind, Workload};

/// Rounds are added until the ratios to the baseline are known this well.
const GOOD_SPREAD: f64 = 0.02;
/// The cores of this machine, divided between the server and the generator.
#[derive(Clone, Debug)]
pub(crate) struct Cores {
    pub(crate) server: usize,
    pub(crate) client: Vec<usize>,
}

/// All that was measured of one peer under one workload.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) peer: &'static str,
    /// One slice a round, in order of the rounds.
    pub(crate) slices: Vec<Slice>,
    /// Of the server process over the whole workload.
    pub(crate) peak_memory: u64,
    /// Of the server process or processes, over their lives.
    pub(crate) usage: Usage,
    /// Why the row is void.
    pub(crate) fault: Option<String>,
}

/// All that was measured under one workload.
#[derive(Clone, Debug)]
pub(crate) struct Section {
    pub(crate) workload: Workload,
    pub(crate) rows: Vec<Row>,
    /// Peers that cannot do this.
    pub(crate) absent: Vec<&'static str>,
}

impl Section {
    pub(crate) fn row(&self, peer: &str) -> Option<&Row> {
        self.rows
            .iter()
            .find(|row| row.peer == peer && row.fault.is_none() && !row.slices.is_empty())
    }

    /// Adds what was measured of the same workload later. Invariant: a peer that was not measured again never comes
    /// back, so that equal places in two rows are still of one round.
    pub(crate) fn append(&mut self, later: Self) {
        for row in later.rows {
            match self.rows.iter_mut().find(|mine| mine.peer == row.peer) {
                Some(mine) => {
                    mine.slices.extend(row.slices);
                    mine.peak_memory = mine.peak_memory.max(row.peak_memory);
                    mine.usage += row.usage;
                    mine.fault = mine.fault.take().or(row.fault);
                }
                None => self.rows.push(row),
            }
        }
    }
}

/// Someone at the table: a peer, its server if one is running, and what it has shown.
struct Seat<'a> {
    peer: &'a Peer,
    server: Option<ServerProcess>,
    row: Row,
}

/// Measures one workload. `progress` hears what is being done, and to how many per cent the workload is done.
pub(crate) fn measure(
    workload: &Workload,
    peers: &[&Peer],
    baseline: &str,
    plan: Plan,
    cores: &Cores,
    progress: &dyn Fn(&str, u8),
) -> Section {
    let (able, unable): (Vec<&Peer>, Vec<&Peer>) =
        peers.iter().partition(|peer| workload.suits(peer));
    let mut seats: Vec<Seat<'_>> = able.into_iter().map(Seat::new).collect();
    let absent = unable.iter().map(|peer| peer.descriptor.name).collect();
    let pattern = Pattern::seeded(workload.connections() as u64);
    let began = Instant::now();
    let (minimum, maximum) = plan.rounds(workload, seats.len());
    let timing = plan.timing(workload, seats.len());
    let table = Table {
        workload,
        cores,
        pattern: &pattern,
    };
    let mut rate = None;
    if !workload.needs_fresh_server() {
        // The round before the first one warms up caches and compilers, and does not count.
        let mut peaks = Vec::new();
        for seat in &mut seats {
            progress(&format!("{} (warm-up)", seat.row.peer), 0);
            if let Some(slice) = seat.run(&table, timing, None) {
                peaks.push(slice.rate());
            }
        }
        if let Kind::Paced { percent, .. } = workload.kind {
            let slowest = peaks.into_iter().reduce(f64::min).unwrap_or(1000.0);
            rate = Some((slowest * f64::from(percent) / 100.0).max(1.0));
        }
    }
    let mut random = fastrand::Rng::with_seed(seed(plan, workload));
    let mut order: Vec<usize> = (0..seats.len()).collect();
    let mut round = 0;
    while !interrupted() && seats.iter().any(|seat| seat.row.fault.is_none()) {
        random.shuffle(&mut order);
        for (turn, place) in order.iter().enumerate() {
            let seat = &mut seats[*place];
            let done = (round * order.len() + turn) * 100 / (minimum * order.len());
            progress(
                &format!("{} (round {})", seat.row.peer, round + 1),
                u8::try_from(done.min(100)).expect("a percentage"),
            );
            if let Some(slice) = seat.run(&table, timing, rate) {
                seat.row.slices.push(slice);
            }
            if interrupted() {
                break;
            }
        }
        round += 1;
        let spent = began.elapsed();
        let one_more = spent + spent / u32::try_from(round).expect("few rounds");
        if round >= maximum
            || round >= minimum && (one_more > plan.time || settled(&seats, baseline))
        {
            break;
        }
    }
    Section {
        workload: workload.clone(),
        rows: seats.into_iter().map(Seat::finish).collect(),
        absent,
    }
}

/// What all seats of one workload share.
struct Table<'a> {
    workload: &'a Workload,
    cores: &'a Cores,
    pattern: &'a Pattern,
}

impl<'a> Seat<'a> {
    fn new(peer: &'a Peer) -> Self {
        let row = Row {
            peer: peer.descriptor.name,
            slices: Vec::new(),
            peak_memory: 0,
            usage: Usage::default(),
            fault: None,
        };
        Self {
            peer,
            server: None,
            row,
        }
    }

    /// Runs one slice, starting the server if need be. A fault voids the row and stops the server.
    fn run(&mut self, table: &Table<'_>, timing: Timing, rate: Option<f64>) -> Option<Slice> {
        if self.row.fault.is_some() {
            return None;
        }
        let outcome = self.try_run(table, timing, rate);
        if table.workload.needs_fresh_server() || outcome.is_err() {
            self.stop();
        }
        outcome.map_err(|fault| self.row.fault = Some(fault)).ok()
    }

    fn try_run(
        &mut self,
        table: &Table<'_>,
        timing: Timing,
        rate: Option<f64>,
    ) -> Result<Slice, String> {
        let server = match &mut self.server {
            Some(server) => server,
            none => {
                let service = Service {
                    port: 0,
                    mode: table.workload.mode(),
                    idle_timeout: table.workload.idle_timeout,
                };
                none.insert(ServerProcess::start(
                    self.peer,
                    &service,
                    table.cores.server,
                )?)
            }
        };
        let target = Target {
            address: server.address,
            process: server.id(),
            cores: &table.cores.client,
            pattern: table.pattern,
        };
        table.workload.kind.run(&target, timing, rate)
    }

    fn stop(&mut self) {
        if let Some(server) = self.server.take() {
            self.row.peak_memory = self.row.peak_memory.max(process::memory(server.id()).peak);
            self.row.usage += server.stop();
        }
    }

    fn finish(mut self) -> Row {
        self.stop();
        self.row
    }
}

/// Each workload has orders of its own.
fn seed(plan: Plan, workload: &Workload) -> u64 {
    let mix = |seed: u64, byte: u8| seed.wrapping_mul(31).wrapping_add(u64::from(byte));
    workload.name.bytes().fold(plan.seed, mix)
}

/// Whether every ratio to the baseline is known well enough.
fn settled(seats: &[Seat<'_>], baseline: &str) -> bool {
    let Some(base) = seats.iter().find(|seat| seat.row.peer == baseline) else {
        return true;
    };
    seats
        .iter()
        .filter(|seat| seat.row.peer != baseline && seat.row.fault.is_none())
        .all(|seat| {
            let ratios = ratios(&seat.row, &base.row, Slice::cpu_per_operation_ns);
            Estimate::of(&ratios).is_some_and(|estimate| estimate.spread() < GOOD_SPREAD)
        })
}

/// The ratio of a figure to the baseline's in each round that both have.
pub(crate) fn ratios(row: &Row, baseline: &Row, figure: impl Fn(&Slice) -> f64) -> Vec<f64> {
    let pairs = row.slices.iter().zip(&baseline.slices);
    pairs
        .map(|(mine, theirs)| figure(mine) / figure(theirs))
        .filter(|ratio| ratio.is_finite())
        .collect()
}
