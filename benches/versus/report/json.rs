//! Everything, for programs: raw values of every round, and the histograms.

use hdrhistogram::Histogram;
use serde_json::{Map, Value, json};

use super::Report;
use crate::bars;
use crate::load::Slice;
use crate::rounds::{Row, Section};
use crate::statistics::Estimate;
use crate::summary::Summary;

/// Changes when a reader of the old form would misread the new one.
pub(crate) const SCHEMA: u64 = 1;

pub(crate) fn text(report: &Report) -> String {
    let context: Map<String, Value> = report
        .context
        .iter()
        .map(|(name, value)| ((*name).to_owned(), json!(value)))
        .collect();
    let peers: Vec<Value> = report
        .peers
        .iter()
        .map(|(name, version, describes)| json!({"name": name, "version": version, "describes": describes}))
        .collect();
    let missing: Vec<Value> = report
        .missing
        .iter()
        .map(|(name, reason)| json!({"name": name, "reason": reason}))
        .collect();
    let workloads: Vec<Value> = report
        .sections
        .iter()
        .map(|section| workload(section, &report.baseline))
        .collect();
    let whole = json!({
        "schema": SCHEMA,
        "baseline": report.baseline,
        "context": context,
        "warnings": report.warnings,
        "peers": peers,
        "missing": missing,
        "bars": report.bars.iter().map(bars::table::json).collect::<Vec<_>>(),
        "workloads": workloads,
    });
    format!("{whole}\n")
}

fn workload(section: &Section, baseline: &str) -> Value {
    json!({
        "name": section.workload.name,
        "title": section.workload.title,
        "connections": section.workload.connections(),
        "rate_per_second": section.pace.map(|pace| pace.rate),
        "slowest": section.pace.map(|pace| pace.slowest),
        "idle_timeout_seconds": section.workload.idle_timeout.map(|timeout| timeout.as_secs()),
        "rows": section.rows.iter().map(|row| self::row(row, section, baseline)).collect::<Vec<_>>(),
    })
}

fn row(row: &Row, section: &Section, baseline: &str) -> Value {
    let summary = Summary::of(row, section, baseline);
    json!({
        "peer": row.peer,
        "fault": row.fault,
        "peak_memory_bytes": row.peak_memory,
        "server_life": {
            "cpu_seconds": row.usage.cpu.as_secs_f64(),
            "voluntary_switches": row.usage.voluntary_switches,
            "involuntary_switches": row.usage.involuntary_switches,
        },
        "summary": summary.as_ref().map(|summary| json!({
            "operations_per_second": summary.rate,
            "cpu_ns_per_operation": summary.cpu_per_operation_ns,
            "cpu_ratio": estimate(summary.cpu_ratio),
            "rate_ratio": estimate(summary.rate_ratio),
            "server_busy": summary.server_busy,
            "client_busy": summary.client_busy,
            "client_bound": summary.client_bound,
            "disturbed": summary.disturbed,
            "intended_rate": summary.intended_rate,
            "verified_bytes": summary.verified_bytes,
            "extras": extras(&summary.extras),
        })),
        "latency_ns": summary.as_ref().map(|summary| buckets(&summary.latency)),
        "latency_from_send_ns": summary.as_ref().and_then(|summary| summary.uncorrected.as_ref()).map(buckets),
        "rounds": row.slices.iter().map(slice).collect::<Vec<_>>(),
    })
}

fn slice(slice: &Slice) -> Value {
    json!({
        "operations": slice.operations,
        "seconds": slice.seconds,
        "server_cpu_seconds": slice.server_cpu.as_secs_f64(),
        "client_cpu_seconds": slice.client_cpu.as_secs_f64(),
        "client_threads": slice.client_threads,
        "client_waited_seconds": slice.client_waited.as_secs_f64(),
        "server_waited_seconds": slice.server_waited.as_secs_f64(),
        "p50_ns": slice.latency.value_at_quantile(0.5),
        "p99_ns": slice.latency.value_at_quantile(0.99),
        "p999_ns": slice.latency.value_at_quantile(0.999),
        "verified_bytes": slice.verified_bytes,
        "extras": extras(&slice.extras),
    })
}

fn extras(extras: &[(&'static str, f64)]) -> Map<String, Value> {
    extras
        .iter()
        .map(|(name, value)| ((*name).to_owned(), json!(value)))
        .collect()
}

fn estimate(estimate: Option<Estimate>) -> Option<Value> {
    estimate.map(|estimate| {
        json!({
            "median": estimate.median,
            "low": estimate.interval.map(|interval| interval.low),
            "high": estimate.interval.map(|interval| interval.high),
        })
    })
}

/// Each bucket that is not empty, as its highest value and its count: enough to add histograms up again.
fn buckets(histogram: &Histogram<u64>) -> Vec<[u64; 2]> {
    histogram
        .iter_recorded()
        .map(|bucket| [bucket.value_iterated_to(), bucket.count_at_value()])
        .collect()
}
