//! The bars: how much each workload may cost at most, and whether a run has shown that it costs no more.
//!
//! This file knows what a bar is and how it is judged. Which there are is in [`list`], how they are measured until
//! each is decided in [`measure`], and [`table`] tells the outcome. What is counted instead of timed (system calls,
//! instructions) is in `benches/count`, timers are in `benches/micro`.

pub(crate) mod list;
pub(crate) mod measure;
pub(crate) mod table;

use crate::load::Slice;
use crate::rounds::{Row, Section};
use crate::statistics::{Confidence, Estimate};

/// A bar is looked at after every pass, and is decided as soon as an interval has left it. With intervals of 95 % one of
/// seven bars that the truth lies exactly at would be decided in ten looks, and wrongly; with 99 % it is one of thirty.
/// (The self-check plays it through.)
const CONFIDENCE: Confidence = Confidence::Repeated;
/// With fewer rounds, or fewer starts of a server, there is no interval of 99 %: the true median lies beside all of
/// seven values with a chance of 2 / 2⁷.
const ENOUGH: usize = 8;
/// A slice that lost more of its time to other programs is left out, if enough are left.
const DISTURBED: f64 = 0.05;
/// If not enough are left, an interval has to be this far from the bar.
const DISTURBED_MARGIN: f64 = 1.1;

/// What is held against a bar.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Figure {
    /// CPU time of the server for each operation.
    Cpu,
    /// The latency that half of the messages do not exceed.
    MedianLatency,
    /// A figure that only this kind of load has, by its name.
    Extra(&'static str),
}

#[derive(Clone, Debug)]
pub(crate) struct Bar {
    pub(crate) workload: &'static str,
    /// Whose figure it is.
    pub(crate) subject: &'static str,
    /// Whose figure it is a multiple of; none if it is held against the bar itself.
    pub(crate) against: Option<&'static str>,
    pub(crate) figure: Figure,
    pub(crate) at_most: f64,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    /// The whole interval is at the bar or below.
    Reached,
    /// The whole interval is above the bar.
    NotReached,
    /// The bar lies within the interval, or there are too few rounds for one.
    NotDecided,
    /// There is no figure, and why.
    NotMeasured(String),
}

/// What was found about a bar.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) bar: Bar,
    pub(crate) estimate: Option<Estimate>,
    /// The rounds that the estimate stands on.
    pub(crate) rounds: usize,
    /// Other programs ran in so many rounds that they could not be left out.
    pub(crate) is_disturbed: bool,
    pub(crate) verdict: Verdict,
}

impl Bar {
    /// The peers that have to take part.
    pub(crate) fn peers(&self) -> impl Iterator<Item = &'static str> {
        [Some(self.subject), self.against].into_iter().flatten()
    }

    pub(crate) fn judge(&self, section: Option<&Section>) -> Outcome {
        let rows: Result<Vec<&Row>, String> =
            self.peers().map(|peer| usable(section, peer)).collect();
        let (values, is_disturbed) = match rows.as_deref() {
            Ok([subject]) => (self.values(subject), false),
            Ok([subject, against, ..]) => self.ratios(subject, against),
            Ok([]) => (Vec::new(), false),
            Err(reason) => {
                return Outcome {
                    bar: self.clone(),
                    estimate: None,
                    rounds: 0,
                    is_disturbed: false,
                    verdict: Verdict::NotMeasured(reason.clone()),
                };
            }
        };
        let (estimate, verdict) = self.decide(&values, is_disturbed);
        Outcome {
            bar: self.clone(),
            estimate,
            rounds: values.len(),
            is_disturbed,
            verdict,
        }
    }

    /// What the values of all rounds, or their ratios, say about the bar.
    pub(crate) fn decide(&self, values: &[f64], is_disturbed: bool) -> (Option<Estimate>, Verdict) {
        let estimate = Estimate::with(values, CONFIDENCE);
        let interval = estimate.and_then(|estimate| estimate.interval);
        let margin = if is_disturbed { DISTURBED_MARGIN } else { 1.0 };
        let verdict = match interval.filter(|_| values.len() >= ENOUGH) {
            Some(interval) if interval.high * margin <= self.at_most => Verdict::Reached,
            Some(interval) if interval.low > self.at_most * margin => Verdict::NotReached,
            _ => Verdict::NotDecided,
        };
        (estimate, verdict)
    }

    fn values(&self, row: &Row) -> Vec<f64> {
        row.slices
            .iter()
            .filter_map(|slice| self.figure.of(slice))
            .collect()
    }

    /// The ratio of each round, without those in which the machine was busy with something else; and whether there
    /// were too many of them.
    fn ratios(&self, subject: &Row, against: &Row) -> (Vec<f64>, bool) {
        let pairs = || subject.slices.iter().zip(&against.slices);
        let ratio = |(mine, theirs): (&Slice, &Slice)| {
            let ratio = self.figure.of(mine)? / self.figure.of(theirs)?;
            ratio.is_finite().then_some(ratio)
        };
        let is_calm = |(mine, theirs): &(&Slice, &Slice)| {
            mine.disturbance() <= DISTURBED && theirs.disturbance() <= DISTURBED
        };
        let calm: Vec<f64> = pairs().filter(is_calm).filter_map(ratio).collect();
        if calm.len() >= ENOUGH {
            (calm, false)
        } else {
            let all: Vec<f64> = pairs().filter_map(ratio).collect();
            let is_disturbed = all.len() > calm.len();
            (all, is_disturbed)
        }
    }
}

impl Figure {
    fn of(self, slice: &Slice) -> Option<f64> {
        match self {
            Self::Cpu => Some(slice.cpu_per_operation_ns()),
            Self::MedianLatency => Some(slice.latency.value_at_quantile(0.5) as f64),
            Self::Extra(name) => slice
                .extras
                .iter()
                .find(|(extra, _)| *extra == name)
                .map(|(_, value)| *value),
        }
    }

    /// Its name, for people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Cpu => "CPU per operation",
            Self::MedianLatency => "p50",
            Self::Extra(name) => name,
        }
    }
}

/// The row of a peer, or why it has none that counts.
fn usable<'a>(section: Option<&'a Section>, peer: &str) -> Result<&'a Row, String> {
    let section = section.ok_or("not measured")?;
    let row = section
        .rows
        .iter()
        .find(|row| row.peer == peer)
        .ok_or_else(|| format!("{peer} is not here"))?;
    match &row.fault {
        Some(fault) => Err(format!("{peer} is void: {fault}")),
        None => Ok(row),
    }
}
