//! The figures that a reader sees, from the slices that were measured.

use hdrhistogram::Histogram;
use netloop_benches::bars::FLOOR;
use netloop_benches::statistics::{Estimate, median};

use crate::load::{Slice, new_histogram};
use crate::rounds::{Row, Section, ratios};

/// Above this share of its cores the generator may be what is slow.
const CLIENT_BUSY: f64 = 0.85;
/// Above this one it may be too, if the floor is no faster.
const CLIENT_BUSY_AS_WITH_FLOOR: f64 = 0.7;
/// A server that uses this share of its core is the limit itself, however busy the generator is.
const SERVER_BUSY: f64 = 0.95;

/// One row of the tables.
pub(super) struct Summary {
    pub(super) rate: f64,
    pub(super) cpu_per_operation_ns: f64,
    /// CPU time per operation against the baseline, round by round.
    pub(super) cpu_ratio: Option<Estimate>,
    /// Operations a second against the baseline, round by round.
    pub(super) rate_ratio: Option<Estimate>,
    pub(super) server_busy: f64,
    pub(super) client_busy: f64,
    /// The generator was the limit: rates say nothing, CPU time still does.
    pub(super) is_client_bound: bool,
    /// Over all rounds, nanoseconds; empty for loads without answers.
    pub(super) latency: Histogram<u64>,
    pub(super) intended_rate: Option<f64>,
    /// Medians of the figures that only this workload has.
    pub(super) extras: Vec<(&'static str, f64)>,
}

impl Summary {
    /// The summary of a row that is not void.
    pub(super) fn of(row: &Row, section: &Section, baseline: &str) -> Self {
        let middle = |figure: &dyn Fn(&Slice) -> f64| {
            let values: Vec<f64> = row.slices.iter().map(figure).collect();
            median(&values).unwrap_or(0.0)
        };
        let against = |peer: &str, figure: fn(&Slice) -> f64| {
            Estimate::of(&ratios(row, section.row(peer)?, figure))
        };
        let mut latency = new_histogram();
        for slice in &row.slices {
            let added = latency.add(&slice.latency);
            added.expect("all latency histograms have the same bounds");
        }
        let (server_busy, client_busy) = (middle(&Slice::server_busy), middle(&Slice::client_busy));
        // The floor leaves out all that can be left out: a peer that is as fast waits for something else.
        let is_as_fast = against(FLOOR, Slice::rate).is_some_and(|ratio| ratio.reach().high >= 1.0);
        let limit = if is_as_fast {
            CLIENT_BUSY_AS_WITH_FLOOR
        } else {
            CLIENT_BUSY
        };
        let intended_rate = row.slices.first().and_then(|slice| slice.intended_rate);
        let extras = row.slices.first().map_or(&[][..], |slice| &slice.extras);
        let extra = |name| middle(&|slice: &Slice| slice.extra(name).unwrap_or(0.0));
        Self {
            rate: middle(&Slice::rate),
            cpu_per_operation_ns: middle(&Slice::cpu_per_operation_ns),
            cpu_ratio: against(baseline, Slice::cpu_per_operation_ns),
            rate_ratio: against(baseline, Slice::rate),
            server_busy,
            client_busy,
            // An open loop sends at its own pace, and waits actively: it is never the limit by being busy.
            is_client_bound: intended_rate.is_none()
                && client_busy > limit
                && server_busy < SERVER_BUSY,
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
