//! The figures that a reader sees, from the slices that were measured.

use hdrhistogram::Histogram;
use netloop_benches::statistics::{Estimate, median};

use crate::load::{Slice, new_histogram};
use crate::rounds::{Row, Section, ratios};

/// One row of the tables.
pub(super) struct Summary {
    pub(super) rate: f64,
    pub(super) cpu_per_operation_ns: f64,
    /// CPU time per operation against the baseline, round by round.
    pub(super) cpu_ratio: Option<Estimate>,
    pub(super) server_busy: f64,
    pub(super) client_busy: f64,
    /// Over all rounds, nanoseconds; empty for loads without answers.
    pub(super) latency: Histogram<u64>,
    pub(super) intended_rate: Option<f64>,
    /// Medians of the figures that only this workload has.
    pub(super) extras: Vec<(&'static str, f64)>,
}

/// Returns the rows that are not void, with their summaries.
pub(super) fn summaries<'a>(section: &'a Section, baseline: &str) -> Vec<(&'a Row, Summary)> {
    let rows = section.rows.iter().filter(|row| row.is_valid());
    rows.map(|row| (row, Summary::of(row, section, baseline)))
        .collect()
}

impl Summary {
    /// The summary of a row that is not void.
    pub(super) fn of(row: &Row, section: &Section, baseline: &str) -> Self {
        let middle = |figure: &dyn Fn(&Slice) -> f64| {
            let values: Vec<f64> = row.slices.iter().map(figure).collect();
            median(&values).unwrap_or(0.0)
        };
        let ratio = |other| Estimate::of(&ratios(row, other, Slice::cpu_per_operation_ns));
        let mut latency = new_histogram();
        for slice in &row.slices {
            let added = latency.add(&slice.latency);
            added.expect("all latency histograms have the same bounds");
        }
        let intended_rate = row.slices.first().and_then(|slice| slice.intended_rate);
        let extras = row.slices.first().map_or(&[][..], |slice| &slice.extras);
        let extra = |name| middle(&|slice: &Slice| slice.extra(name).unwrap_or(0.0));
        Self {
            rate: middle(&Slice::rate),
            cpu_per_operation_ns: middle(&Slice::cpu_per_operation_ns),
            cpu_ratio: section.row(baseline).and_then(ratio),
            server_busy: middle(&Slice::server_busy),
            client_busy: middle(&Slice::client_busy),
            latency,
            intended_rate,
            extras: extras
                .iter()
                .map(|(name, _)| (*name, extra(name)))
                .collect(),
        }
    }

    /// Returns the microseconds at a quantile.
    pub(super) fn latency_us(&self, quantile: f64) -> f64 {
        self.latency.value_at_quantile(quantile) as f64 / 1000.0
    }
}
