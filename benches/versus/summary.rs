//! The figures that a reader sees, from the slices that were measured.

use hdrhistogram::Histogram;

use crate::load::{Slice, new_histogram};
use crate::peers::roster::FLOOR;
use crate::rounds::{Row, Section, ratios};
use crate::statistics::{self, Estimate, Interval, median};

/// Above this share of its cores the generator may be what is slow.
const CLIENT_BUSY: f64 = 0.85;
/// Above this one it may be too, if it gets no more out of the floor.
const CLIENT_BUSY_AS_WITH_FLOOR: f64 = 0.7;
/// A server that uses this share of its core is the limit itself, however busy the generator is.
const SERVER_BUSY: f64 = 0.95;
/// Above this share of the time lost to other programs a row is marked.
const DISTURBED: f64 = 0.05;

/// One row of the tables.
#[derive(Clone, Debug)]
pub(crate) struct Summary {
    pub(crate) rate: f64,
    pub(crate) cpu_per_operation_ns: f64,
    /// CPU time per operation against the baseline, round by round.
    pub(crate) cpu_ratio: Option<Estimate>,
    /// Of the same, what a bootstrap says.
    pub(crate) cpu_ratio_bootstrap: Option<Interval>,
    /// Operations a second against the baseline, round by round.
    pub(crate) rate_ratio: Option<Estimate>,
    pub(crate) server_busy: f64,
    pub(crate) client_busy: f64,
    /// The generator was the limit: rates say nothing, CPU time still does.
    pub(crate) client_bound: bool,
    /// Something else on the machine than server and generator had the cores for a part of the time that counts: do
    /// not believe the row.
    pub(crate) disturbed: bool,
    /// Over all rounds, nanoseconds; empty for loads without answers.
    pub(crate) latency: Histogram<u64>,
    pub(crate) uncorrected: Option<Histogram<u64>>,
    pub(crate) intended_rate: Option<f64>,
    pub(crate) verified_bytes: u64,
    pub(crate) peak_memory: u64,
    pub(crate) rounds: usize,
    /// Figures that only this workload has: medians.
    pub(crate) extras: Vec<(&'static str, f64)>,
}

impl Summary {
    /// Nothing of a void row.
    pub(crate) fn of(row: &Row, section: &Section, baseline: &str) -> Option<Self> {
        if row.fault.is_some() || row.slices.is_empty() {
            return None;
        }
        let middle = |figure: fn(&Slice) -> f64| {
            median(&row.slices.iter().map(figure).collect::<Vec<_>>()).unwrap_or(0.0)
        };
        let against = |peer: &str, figure: fn(&Slice) -> f64| {
            section
                .row(peer)
                .and_then(|other| Estimate::of(&ratios(row, other, figure)))
        };
        let mut latency = new_histogram();
        let mut uncorrected: Option<Histogram<u64>> = None;
        for slice in &row.slices {
            latency
                .add(&slice.latency)
                .expect("all latency histograms have the same bounds");
            if let Some(more) = &slice.uncorrected {
                let all = uncorrected.get_or_insert_with(new_histogram);
                all.add(more)
                    .expect("all latency histograms have the same bounds");
            }
        }
        let (server_busy, client_busy) = (middle(Slice::server_busy), middle(Slice::client_busy));
        // The floor leaves out all that can be left out: what is as fast as it waits for something else.
        let is_as_fast_as_floor = against(FLOOR, Slice::rate)
            .and_then(|ratio| ratio.interval)
            .is_some_and(|ratio| ratio.high >= 1.0);
        let client_limit = if is_as_fast_as_floor {
            CLIENT_BUSY_AS_WITH_FLOOR
        } else {
            CLIENT_BUSY
        };
        let extra = |place: usize| {
            median(
                &row.slices
                    .iter()
                    .map(|slice| slice.extras[place].1)
                    .collect::<Vec<_>>(),
            )
        };
        Some(Self {
            rate: middle(Slice::rate),
            cpu_per_operation_ns: middle(Slice::cpu_per_operation_ns),
            cpu_ratio: against(baseline, Slice::cpu_per_operation_ns),
            cpu_ratio_bootstrap: section.row(baseline).and_then(|other| {
                statistics::bootstrap(&ratios(row, other, Slice::cpu_per_operation_ns))
            }),
            rate_ratio: against(baseline, Slice::rate),
            server_busy,
            client_busy,
            // An open loop sends at its own pace, and waits actively: it is never the limit by being busy.
            client_bound: uncorrected.is_none()
                && client_busy > client_limit
                && server_busy < SERVER_BUSY,
            disturbed: middle(Slice::disturbance) > DISTURBED,
            latency,
            intended_rate: row.slices[0].intended_rate,
            uncorrected,
            verified_bytes: row.slices.iter().map(|slice| slice.verified_bytes).sum(),
            peak_memory: row.peak_memory,
            rounds: row.slices.len(),
            extras: row.slices[0]
                .extras
                .iter()
                .enumerate()
                .map(|(place, (name, _))| (*name, extra(place).unwrap_or(0.0)))
                .collect(),
        })
    }

    /// Microseconds at a quantile; none for loads without answers.
    pub(crate) fn latency_us(&self, quantile: f64) -> Option<f64> {
        (!self.latency.is_empty()).then(|| self.latency.value_at_quantile(quantile) as f64 / 1000.0)
    }
}
