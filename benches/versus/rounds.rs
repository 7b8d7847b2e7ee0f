//! The order of measurement: all peers take turns in every round, in an order that is drawn anew each time.
//!
//! A machine's speed drifts by more than the peers differ. What is compared is therefore always the same round, a
//! fraction of a second apart, and a figure is the median over rounds. An order that is only rotated would give nearly
//! every peer the same one before it in each round, whose caches and whose heat it inherits.

use std::time::Instant;

use crate::load::Slice;
use crate::pattern::Pattern;
use crate::peers::Peer;
use crate::plan::{self, Plan};
use crate::seat::{Seat, Table};
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
    /// Of a fixed-rate load.
    pub(crate) pace: Option<Pace>,
}

/// A fixed rate, and whose peak it is a share of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Pace {
    /// Operations a second.
    pub(crate) rate: f64,
    pub(crate) slowest: &'static str,
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

/// Measures one workload. `progress` hears what is being done, and to how many per cent the workload is done.
pub(crate) fn measure(
    workload: &Workload,
    peers: &[&Peer],
    baseline: &str,
    plan: Plan,
    cores: &Cores,
    progress: &dyn Fn(&str, u8),
) -> Section {
    let able = plan::able(workload, peers);
    let is_absent = |peer: &&&Peer| !workload.suits(peer);
    let absent = peers.iter().filter(is_absent);
    let absent = absent.map(|peer| peer.descriptor.name).collect();
    let pattern = Pattern::seeded(workload.connections() as u64);
    let began = Instant::now();
    let (minimum, maximum) = plan.rounds(workload, &able);
    let timing = plan.timing(workload, &able);
    let table = Table {
        workload,
        cores,
        pattern: &pattern,
    };
    let mut seats: Vec<Seat<'_>> = able.into_iter().map(Seat::new).collect();
    let mut pace = None;
    if !workload.needs_fresh_server() {
        let peaks = warm_up(&mut seats, &table, progress);
        if let Kind::Paced { percent, .. } = workload.kind {
            pace = self::pace(&peaks, percent);
        }
    }
    let rate = pace.map(|pace| pace.rate);
    let mut random = fastrand::Rng::with_seed(seed(plan, workload));
    let mut order: Vec<usize> = (0..seats.len()).collect();
    let mut round = 0;
    let rounds_began = Instant::now();
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
        let each = rounds_began.elapsed() / u32::try_from(round).expect("few rounds");
        let one_more = began.elapsed() + each;
        if round >= maximum
            || round >= minimum && (one_more > plan.time || settled(&seats, baseline))
        {
            break;
        }
    }
    let mut workload = workload.clone();
    if let Some(Pace { rate, slowest }) = pace {
        workload.title += &format!(" ({slowest}'s), which is {rate:.0} a second");
    }
    Section {
        workload,
        rows: seats.into_iter().map(Seat::finish).collect(),
        absent,
        pace,
    }
}

/// Warms up all servers, one after the other, and returns the peak of each that could be warmed up.
fn warm_up(
    seats: &mut [Seat<'_>],
    table: &Table<'_>,
    progress: &dyn Fn(&str, u8),
) -> Vec<(&'static str, f64)> {
    let mut peaks = Vec::new();
    for seat in seats {
        progress(&format!("{} (warm-up)", seat.row.peer), 0);
        if let Some(peak) = seat.warm_up(table) {
            peaks.push((seat.row.peer, peak));
        }
    }
    peaks
}

/// A share of what the slowest can do once it is warm; none if nobody could do anything.
fn pace(peaks: &[(&'static str, f64)], percent: u32) -> Option<Pace> {
    let (slowest, peak) = peaks
        .iter()
        .min_by(|(_, one), (_, other)| one.total_cmp(other))?;
    Some(Pace {
        rate: (peak * f64::from(percent) / 100.0).max(1.0),
        slowest,
    })
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
