//! Everything, for programs: raw values of every round, and the histograms.
//!
//! The form, of which a reader may rely on what is named here:
//!
//! - `schema`: changes when a reader of the old form would misread the new one; a field that is new does not change it.
//! - `context`, `warnings`, `peers`, `missing`, `baseline`: the circumstances, `context.command` and `context.build`
//!   among them.
//! - `comparisons`: each of the subject with a peer, its `ratio` turned so that more than one is worse, and its `verdict`.
//! - `workloads[].rows[]`: a `peer`, its `fault` if it is void, its `summary` if it is not.
//! - `workloads[].rows[].summary.cpu_ratio_bootstrap`: the 95 % interval of a bootstrap, to compare with other tools'.
//! - `workloads[].rows[].latency_ns` and `latency_from_send_ns`: all rounds together, a list of `[value, count]` for each
//!   bucket that is not empty, where `value` is the highest of the bucket.
//! - `workloads[].rows[].rounds[]`: the raw values of each round; `latency_hdr` and `latency_from_send_hdr` are its
//!   histograms of nanoseconds as every HdrHistogram library reads them: V2, deflated, in base64.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Serializer, V2DeflateSerializer};
use serde_json::{Map, Value, json};

use super::losses::{self, Comparison};
use super::{Report, table};
use crate::bars;
use crate::load::Slice;
use crate::rounds::{Row, Section};
use crate::statistics::Estimate;
use crate::summary::Summary;

/// Changes when a reader of the old form would misread the new one.
pub(crate) const SCHEMA: u64 = 1;

pub(crate) fn text(report: &Report) -> Result<String, String> {
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
        .collect::<Result<_, _>>()?;
    let comparisons: Vec<Value> = losses::comparisons(report).iter().map(comparison).collect();
    let whole = json!({
        "schema": SCHEMA,
        "baseline": report.baseline,
        "context": context,
        "warnings": report.warnings,
        "peers": peers,
        "missing": missing,
        "bars": report.bars.iter().map(bars::table::json).collect::<Vec<_>>(),
        "comparisons": comparisons,
        "workloads": workloads,
    });
    Ok(format!("{whole}\n"))
}

fn comparison(comparison: &Comparison) -> Value {
    json!({
        "workload": comparison.workload,
        "against": comparison.peer,
        "figure": comparison.figure,
        "ratio": estimate(Some(comparison.ratio)),
        "verdict": comparison.verdict().word(),
    })
}

fn workload(section: &Section, baseline: &str) -> Result<Value, String> {
    let rows: Vec<Value> = section
        .rows
        .iter()
        .map(|row| self::row(row, section, baseline))
        .collect::<Result<_, _>>()?;
    Ok(json!({
        "name": section.workload.name,
        "title": section.workload.title,
        "connections": section.workload.connections(),
        "rate_per_second": section.pace.map(|pace| pace.rate),
        "slowest": section.pace.map(|pace| pace.slowest),
        "idle_timeout_seconds": section.workload.idle_timeout.map(|timeout| timeout.as_secs()),
        "stands_for": section.workload.stands_for,
        "rows": rows,
    }))
}

fn row(row: &Row, section: &Section, baseline: &str) -> Result<Value, String> {
    let summary = Summary::of(row, section, baseline);
    let rounds: Vec<Value> = row.slices.iter().map(slice).collect::<Result<_, _>>()?;
    Ok(json!({
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
            "cpu_ratio_bootstrap": summary.cpu_ratio_bootstrap.map(|it| [it.low, it.high]),
            "rate_ratio": estimate(summary.rate_ratio),
            "server_busy": summary.server_busy,
            "client_busy": summary.client_busy,
            "client_bound": summary.client_bound,
            "disturbed": summary.disturbed,
            "notes": table::notes(summary, row.peer == baseline),
            "intended_rate": summary.intended_rate,
            "verified_bytes": summary.verified_bytes,
            "extras": extras(&summary.extras),
        })),
        "latency_ns": summary.as_ref().map(|summary| buckets(&summary.latency)),
        "latency_from_send_ns": summary.as_ref().and_then(|summary| summary.uncorrected.as_ref()).map(buckets),
        "rounds": rounds,
    }))
}

fn slice(slice: &Slice) -> Result<Value, String> {
    let uncorrected = slice.uncorrected.as_ref().map(encoded).transpose()?;
    Ok(json!({
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
        "intended_rate": slice.intended_rate,
        "extras": extras(&slice.extras),
        "latency_hdr": encoded(&slice.latency)?,
        "latency_from_send_hdr": uncorrected,
    }))
}

/// As other programs read histograms.
fn encoded(histogram: &Histogram<u64>) -> Result<String, String> {
    let mut bytes = Vec::new();
    V2DeflateSerializer::new()
        .serialize(histogram, &mut bytes)
        .map_err(|error| format!("a histogram cannot be written: {error}"))?;
    Ok(STANDARD.encode(bytes))
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
