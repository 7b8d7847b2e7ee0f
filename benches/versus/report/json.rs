//! Everything, for programs: the values of every round.
//!
//! - `schema` changes when a reader of the old form would misread the new one; a new field does not change it.
//! - `comparisons`: each of the subject with a peer, its `ratio` turned so that more than one is worse, and its `verdict`.
//! - `workloads[].rows[].rounds[]`: the values of each round.

use netloop_benches::statistics::Estimate;
use serde_json::{Map, Value, json};

use super::losses::{Verdict, comparisons};
use super::{Report, judge};
use crate::load::Slice;
use crate::peers::Found;
use crate::section::{Row, Section};

const SCHEMA: u64 = 2;

pub(super) fn text(report: &Report) -> String {
    let peers = report.peers.iter().map(|Found { peer, version, .. }| {
        json!({"name": peer.name, "version": version, "describes": peer.describes})
    });
    let missing = report.missing.iter();
    let missing = missing.map(|(name, reason)| json!({"name": name, "reason": reason}));
    let comparisons = comparisons(report).into_iter().map(|comparison| {
        json!({
            "workload": comparison.workload,
            "against": comparison.peer,
            "figure": comparison.figure,
            "ratio": estimate(Some(&comparison.ratio)),
            "verdict": format!("{:?}", Verdict::of(&comparison.ratio)),
        })
    });
    let bars = judge(report).into_iter().map(|outcome| {
        json!({
            "workload": outcome.bar.workload,
            "figure": outcome.bar.figure,
            "subject": outcome.bar.subject,
            "against": outcome.bar.against,
            "at_most": outcome.bar.at_most,
            "measured": outcome.measured,
            "verdict": outcome.verdict,
        })
    });
    let workloads = report.sections.iter().map(|section| {
        let rows = section.rows.iter();
        let rows = rows.map(|row| self::row(row, section, report.baseline));
        json!({
            "name": section.workload.name,
            "title": section.workload.title,
            "connections": section.workload.connections,
            "rows": rows.collect::<Vec<_>>(),
        })
    });
    let whole = json!({
        "schema": SCHEMA,
        "baseline": report.baseline,
        "context": report.context.iter().cloned().collect::<std::collections::BTreeMap<_, _>>(),
        "warnings": report.warnings,
        "peers": peers.collect::<Vec<_>>(),
        "missing": missing.collect::<Vec<_>>(),
        "comparisons": comparisons.collect::<Vec<_>>(),
        "bars": bars.collect::<Vec<_>>(),
        "workloads": workloads.collect::<Vec<_>>(),
    });
    format!("{whole}\n")
}

fn row(row: &Row, section: &Section, baseline: &str) -> Value {
    let rounds: Vec<Value> = row.slices.iter().map(slice).collect();
    let ratio = section.cpu_ratio(row.peer, baseline);
    json!({
        "peer": row.peer,
        "fault": row.fault,
        "peak_memory_bytes": row.peak_memory,
        "cpu_ratio": estimate(ratio.as_ref()),
        "rounds": rounds,
    })
}

fn slice(slice: &Slice) -> Value {
    let extras = slice.extras.iter();
    let extras = extras.map(|(name, value)| ((*name).to_owned(), json!(value)));
    json!({
        "operations": slice.operations,
        "seconds": slice.seconds,
        "server_cpu_seconds": slice.server_cpu.as_secs_f64(),
        "client_cpu_seconds": slice.client_cpu.as_secs_f64(),
        "client_threads": slice.client_threads,
        "p50_ns": slice.latency_ns(0.5),
        "p99_ns": slice.latency_ns(0.99),
        "p999_ns": slice.latency_ns(0.999),
        "verified_bytes": slice.verified_bytes,
        "intended_rate": slice.intended_rate,
        "extras": extras.collect::<Map<_, _>>(),
    })
}

fn estimate(estimate: Option<&Estimate>) -> Option<Value> {
    let estimate = estimate?;
    Some(json!({
        "median": estimate.median,
        "low": estimate.interval.map(|interval| interval.low),
        "high": estimate.interval.map(|interval| interval.high),
    }))
}
