//! The table of one workload.

use netloop_benches::statistics::{Estimate, Interval};
use netloop_benches::table::{Table, thousands};

use super::losses::Verdict;
use crate::load::Slice;
use crate::section::{Row, Section};

/// Returns a row for each peer that is not void, the cheapest first.
pub(super) fn rows(section: &Section, baseline: &str) -> Table {
    let mut rows: Vec<&Row> = section.valid_rows().collect();
    let counts = section.workload.load.counts_operations();
    let cost = |row: &Row| match counts {
        true => row.median(Slice::cpu_per_operation_ns),
        false => row.extras().first().map_or(0.0, |(_, value)| *value),
    };
    rows.sort_by(|one, other| cost(one).total_cmp(&cost(other)));
    let Some(first) = rows.first() else {
        return Table::new(&["peer"]);
    };
    let against = format!("× {baseline} (95 %)");
    let mut header = vec!["peer"];
    if counts {
        header.extend(["operations/s", "CPU ns/op", &against]);
        header.extend(["server busy", "client busy"]);
    }
    if first.latencies().is_some() {
        header.extend(["p50 µs", "p99 µs", "p99.9 µs"]);
    }
    if first.slices[0].intended_rate.is_some() {
        header.push("rate kept");
    }
    header.extend(first.extras().iter().map(|(name, _)| *name));
    header.extend(["peak MB", "rounds", "against the baseline"]);
    let mut table = Table::new(&header);
    for row in &rows {
        let ratio = section.cpu_ratio(row.peer, baseline);
        let mut cells = vec![row.peer.to_owned()];
        let dash = || "-".to_owned();
        if counts {
            cells.extend([
                thousands(row.median(Slice::rate)),
                thousands(row.median(Slice::cpu_per_operation_ns)),
                ratio.as_ref().map_or_else(dash, estimate),
                percent(row.median(Slice::server_busy)),
                percent(row.median(Slice::client_busy)),
            ]);
        }
        let latency = |value: f64| match value < 100.0 {
            true => format!("{value:.1}"),
            false => thousands(value),
        };
        cells.extend(row.latencies().into_iter().flatten().map(latency));
        let kept = |intended| percent(row.median(Slice::rate) / intended);
        cells.extend(row.slices[0].intended_rate.map(kept));
        cells.extend(row.extras().iter().map(|(_, value)| thousands(*value)));
        cells.push(format!("{:.1}", row.peak_memory as f64 / 1e6));
        cells.push(row.slices.len().to_string());
        let ratio = ratio.filter(|_| row.peer != baseline);
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
