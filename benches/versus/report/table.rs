//! The table of one workload.

use netloop_benches::statistics::{Estimate, Interval};
use netloop_benches::table::{Table, thousands};

use super::losses::Verdict;
use super::summary::{Summary, summaries};
use crate::rounds::Section;

/// Returns a row for each peer that is not void, the cheapest first.
pub(super) fn rows(section: &Section, baseline: &str) -> Table {
    let mut rows = summaries(section, baseline);
    let counts = section.workload.load.counts_operations();
    let cost = |summary: &Summary| match counts {
        true => summary.cpu_per_operation_ns,
        false => summary.extras.first().map_or(0.0, |(_, value)| *value),
    };
    rows.sort_by(|(_, one), (_, other)| cost(one).total_cmp(&cost(other)));
    let Some((_, first)) = rows.first() else {
        return Table::new(&["peer"]);
    };
    let against = format!("× {baseline} (95 %)");
    let mut header = vec!["peer"];
    if counts {
        header.extend(["operations/s", "CPU ns/op", &against]);
        header.extend(["server busy", "client busy"]);
    }
    let has_latency = !first.latency.is_empty();
    if has_latency {
        header.extend(["p50 µs", "p99 µs", "p99.9 µs"]);
    }
    if first.intended_rate.is_some() {
        header.push("rate kept");
    }
    header.extend(first.extras.iter().map(|(name, _)| *name));
    header.extend(["peak MB", "rounds", "against the baseline"]);
    let mut table = Table::new(&header);
    for (row, summary) in &rows {
        let mut cells = vec![row.peer.to_owned()];
        let dash = || "-".to_owned();
        if counts {
            cells.extend([
                thousands(summary.rate),
                thousands(summary.cpu_per_operation_ns),
                summary.cpu_ratio.as_ref().map_or_else(dash, estimate),
                percent(summary.server_busy),
                percent(summary.client_busy),
            ]);
        }
        if has_latency {
            let latency = |quantile| match summary.latency_us(quantile) {
                value if value < 100.0 => format!("{value:.1}"),
                value => thousands(value),
            };
            cells.extend([0.5, 0.99, 0.999].map(latency));
        }
        let kept = |intended| percent(summary.rate / intended);
        cells.extend(summary.intended_rate.map(kept));
        cells.extend(summary.extras.iter().map(|(_, value)| thousands(*value)));
        cells.push(format!("{:.1}", row.peak_memory as f64 / 1e6));
        cells.push(row.slices.len().to_string());
        let ratio = summary.cpu_ratio.filter(|_| row.peer != baseline);
        cells.push(ratio.map_or_else(String::new, |ratio| format!("{:?}", Verdict::of(&ratio))));
        table.rows.push(cells);
    }
    table
}

pub(super) fn estimate(estimate: &Estimate) -> String {
    match estimate.interval {
        Some(Interval { low, high }) => format!("{:.2} ({low:.2}–{high:.2})", estimate.median),
        None => format!("{:.2}", estimate.median),
    }
}

fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}
