//! How the bars are measured: all workloads in passes of a few rounds, and in every pass only what is not decided yet.
//!
//! So the time goes to what is close to its bar, a bad minute of the machine falls on one pass only, and each pass
//! begins with new server processes, of which one may be lucky with where its memory lies. To stop as soon as an
//! interval has left the bar is to look many times, for which the intervals are wider than usual.

use std::time::{Duration, Instant};

use super::{Bar, Outcome, Verdict, table};
use crate::peers::Peer;
use crate::plan::{self, Plan};
use crate::rounds::{self, Cores, Section};
use crate::system::interrupted;
use crate::workload::Workload;

/// Of a pass, if its slices are long: as many as a first decision needs, and one for the machine's other affairs.
pub(crate) const ROUNDS: usize = 9;
/// Where each slice needs a new server: two passes are enough for a decision.
const STARTS: usize = 4;
/// What a slice lasts where connecting takes most of the time. Otherwise it is shorter, and there are more rounds: what
/// moves a slice of a tenth of a second by 5 % moves one that is three times as long by 5 % too, so that more of them
/// tell more in the same time.
const LONGEST_SLICE: Duration = Duration::from_millis(280);
const SHORTEST_SLICE: Duration = Duration::from_millis(100);
/// What a slice at rest lasts, or one with stalled readers.
const LONG_SLICE: Duration = Duration::from_millis(3000);

/// What a run for the bars is made of.
pub(crate) struct Trial<'a> {
    pub(crate) bars: &'a [Bar],
    pub(crate) workloads: &'a [Workload],
    pub(crate) peers: &'a [Peer],
    pub(crate) cores: &'a Cores,
    /// No pass begins that would not end within it, but for the first.
    pub(crate) time: Duration,
    /// Of the order of the peers.
    pub(crate) seed: u64,
}

impl Trial<'_> {
    /// Measures until everything is decided or the time is over. `progress` hears what is being done, and to how many
    /// per cent the time is over; `tell` what was decided in each pass.
    pub(crate) fn measure(&self, progress: &dyn Fn(&str, u8), tell: &dyn Fn(&str)) -> Vec<Section> {
        let began = Instant::now();
        let percent = || {
            let share = began.elapsed().as_millis() * 100 / self.time.as_millis().max(1);
            u8::try_from(share.min(100)).expect("a percentage")
        };
        let mut sections: Vec<Option<Section>> = self.workloads.iter().map(|_| None).collect();
        // Each pass has orders of its own.
        let mut seed = self.seed;
        loop {
            seed += 1;
            let mut has_measured = false;
            for (workload, section) in self.workloads.iter().zip(&mut sections) {
                let peers = self.wanted(workload, section.as_ref());
                let left = self.time.saturating_sub(began.elapsed());
                let fits = section.is_none() || pass(workload, &peers) <= left;
                if peers.is_empty() || !fits || interrupted() {
                    continue;
                }
                let rounds = rounds_of(workload);
                let plan = Plan {
                    time: pass(workload, &peers),
                    minimum_rounds: rounds,
                    maximum_rounds: rounds,
                    fresh_rounds: STARTS,
                    seed,
                };
                // No ratio stops a pass early: the baseline is nobody.
                let measured =
                    rounds::measure(workload, &peers, "", plan, self.cores, &|what, _| {
                        progress(&format!("{}: {what}", workload.title), percent());
                    });
                match section {
                    Some(section) => section.append(measured),
                    none => *none = Some(measured),
                }
                has_measured = true;
            }
            if !has_measured {
                return sections.into_iter().flatten().collect();
            }
            let measured: Vec<Section> = sections.iter().flatten().cloned().collect();
            let sentence = table::sentence(&self.judge(&measured));
            tell(&format!(
                "{:.0} s: {sentence}",
                began.elapsed().as_secs_f64()
            ));
        }
    }

    /// How long the first pass takes, with which everything is measured once.
    pub(crate) fn first_pass(&self) -> Duration {
        self.workloads
            .iter()
            .map(|workload| pass(workload, &self.wanted(workload, None)))
            .sum()
    }

    /// The peers without which an undecided bar of this workload stays so.
    fn wanted(&self, workload: &Workload, section: Option<&Section>) -> Vec<&Peer> {
        let undecided: Vec<&Bar> = self
            .bars
            .iter()
            .filter(|bar| bar.workload == workload.name && self.can_be_measured(bar))
            .filter(|bar| section.is_none() || bar.judge(section).verdict == Verdict::NotDecided)
            .collect();
        let is_wanted = |peer: &&Peer| {
            undecided
                .iter()
                .flat_map(|bar| bar.peers())
                .any(|name| name == peer.descriptor.name)
        };
        self.peers.iter().filter(is_wanted).collect()
    }

    fn can_be_measured(&self, bar: &Bar) -> bool {
        bar.peers()
            .all(|name| self.peers.iter().any(|peer| peer.descriptor.name == name))
    }

    pub(crate) fn judge(&self, sections: &[Section]) -> Vec<Outcome> {
        let section = |bar: &Bar| {
            sections
                .iter()
                .find(|section| section.workload.name == bar.workload)
        };
        self.bars
            .iter()
            .map(|bar| bar.judge(section(bar)))
            .collect()
    }
}

/// How long a pass of one workload takes.
fn pass(workload: &Workload, peers: &[&Peer]) -> Duration {
    let (rounds, slice) = if workload.needs_fresh_server() {
        (STARTS, LONG_SLICE)
    } else {
        (rounds_of(workload), slice_of(workload))
    };
    let round = plan::round(workload, peers.len(), slice);
    plan::warm_up(workload, peers) + round * u32::try_from(rounds).unwrap_or(u32::MAX)
}

/// As long as what is around it, within limits.
fn slice_of(workload: &Workload) -> Duration {
    plan::overhead(workload).clamp(SHORTEST_SLICE, LONGEST_SLICE)
}

/// As many as take the time of the fewest long ones.
fn rounds_of(workload: &Workload) -> usize {
    let overhead = plan::overhead(workload);
    let long = (LONGEST_SLICE + overhead).as_micros();
    let one = (slice_of(workload) + overhead).as_micros();
    usize::try_from(ROUNDS as u128 * long / one).unwrap_or(ROUNDS)
}
