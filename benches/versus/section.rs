//! The rows of a workload, and the figures of them that a reader sees.

use netloop_benches::statistics::{self, Estimate};

use crate::load::{Latencies, Slice};
use crate::workload::Workload;

/// The slices of one peer under one workload.
#[derive(Clone, Debug, Default)]
pub(crate) struct Row {
    pub(crate) peer: &'static str,
    /// One slice a round, in order of the rounds.
    pub(crate) slices: Vec<Slice>,
    /// Of the server over the whole workload.
    pub(crate) peak_memory: u64,
    /// Why the row is void.
    pub(crate) fault: Option<String>,
}

impl Row {
    /// Whether it has figures: every byte and every connection of its slices was as it had to be.
    fn is_valid(&self) -> bool {
        self.fault.is_none() && !self.slices.is_empty()
    }

    /// Returns the median of a figure over the rounds.
    pub(crate) fn median(&self, figure: impl Fn(&Slice) -> f64) -> f64 {
        let values: Vec<f64> = self.slices.iter().map(figure).collect();
        statistics::median(&values).unwrap_or(0.0)
    }

    /// Returns the p50, the p99 and the p99.9 over all rounds, in microseconds; `None` for loads without answers.
    pub(crate) fn latencies(&self) -> Option<[f64; 3]> {
        let mut all = Latencies::default();
        self.slices.iter().for_each(|slice| all.add(&slice.latency));
        let latency = all.0;
        let at = |quantile| latency.value_at_quantile(quantile) as f64 / 1000.0;
        (!latency.is_empty()).then(|| [0.5, 0.99, 0.999].map(at))
    }

    /// Returns the medians of the figures that only this workload has.
    pub(crate) fn extras(&self) -> Vec<(&'static str, f64)> {
        let extras = self.slices.first().map_or(&[][..], |slice| &slice.extras);
        let median = |name| self.median(|slice| slice.extra(name).unwrap_or(0.0));
        let extras = extras.iter().map(|(name, _)| (*name, median(name)));
        extras.collect()
    }
}

/// The rows of one workload.
#[derive(Clone, Debug)]
pub(crate) struct Section {
    pub(crate) workload: Workload,
    pub(crate) rows: Vec<Row>,
}

impl Section {
    /// Returns the rows that are not void.
    pub(crate) fn valid_rows(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| row.is_valid())
    }

    /// Returns the row of a peer, unless it is void.
    pub(crate) fn row(&self, peer: &str) -> Option<&Row> {
        self.valid_rows().find(|row| row.peer == peer)
    }

    /// Returns why the row of a peer is void.
    pub(crate) fn fault(&self, peer: &str) -> Option<&str> {
        let row = self.rows.iter().find(|row| row.peer == peer)?;
        row.fault.as_deref()
    }

    /// Returns the CPU time per operation against that of another peer, round by round.
    pub(crate) fn cpu_ratio(&self, peer: &str, other: &str) -> Option<Estimate> {
        let (row, other) = (self.row(peer)?, self.row(other)?);
        Estimate::of(&ratios(row, other, Slice::cpu_per_operation_ns))
    }
}

/// Returns the ratio of a figure to another row's in each round that both have.
pub(crate) fn ratios(row: &Row, other: &Row, figure: impl Fn(&Slice) -> f64) -> Vec<f64> {
    let pairs = row.slices.iter().zip(&other.slices);
    let ratios = pairs.map(|(mine, theirs)| figure(mine) / figure(theirs));
    ratios.filter(|ratio| ratio.is_finite()).collect()
}
