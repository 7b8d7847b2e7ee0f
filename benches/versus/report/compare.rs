//! This run beside an earlier one, from its JSON.
//!
//! Absolute figures of two runs are not compared: the machine was not the same at both times. The ratios to the
//! baseline were taken within each run, and those are.

use std::collections::HashMap;
use std::path::Path;

use serde_json::Value;

use super::Report;
use super::json::SCHEMA;
use super::table::{Table, estimate};
use crate::statistics::{Estimate, Interval};
use crate::summary::Summary;

/// What an earlier run found.
pub(crate) struct Earlier {
    baseline: String,
    commit: String,
    /// CPU time per operation against the baseline, by workload and peer.
    ratios: HashMap<(String, String), Estimate>,
}

pub(crate) fn read(path: &Path) -> Result<Earlier, String> {
    let failed = |reason: String| format!("{}: {reason}", path.display());
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    let value: Value = serde_json::from_str(&text).map_err(|error| failed(error.to_string()))?;
    match value.get("schema") {
        Some(schema) if *schema == SCHEMA => {}
        Some(other) => return Err(failed(format!("schema {other} instead of {SCHEMA}"))),
        None => {
            return Err(failed(
                "this is no results.json of such a run: the number schema is missing".to_owned(),
            ));
        }
    }
    let earlier = understand(&value).map_err(|place| {
        failed(format!(
            "this is no results.json of such a run: {place} is missing"
        ))
    })?;
    if earlier.ratios.is_empty() {
        return Err(failed("there is no ratio to a baseline in it".to_owned()));
    }
    Ok(earlier)
}

/// What is known of an earlier run, or the place of what is missing.
fn understand(value: &Value) -> Result<Earlier, String> {
    let mut ratios = HashMap::new();
    for (number, workload) in list(value, "", "workloads")?.iter().enumerate() {
        let place = format!("workloads[{number}].");
        let name = word(workload, &place, "name")?;
        for (number, row) in list(workload, &place, "rows")?.iter().enumerate() {
            let place = format!("{place}rows[{number}].");
            let peer = word(row, &place, "peer")?;
            // A void row has no summary, and the baseline's and those at rest have no ratio.
            let summary = row
                .get("summary")
                .ok_or_else(|| format!("{place}summary"))?;
            let ratio = &summary["cpu_ratio"];
            if !ratio.is_null() {
                let place = format!("{place}summary.cpu_ratio.");
                let ratio = Estimate {
                    median: number_of(ratio, &place, "median")?,
                    interval: interval(ratio, &place)?,
                };
                ratios.insert((name.clone(), peer), ratio);
            }
        }
    }
    let context = value.get("context").ok_or("context")?;
    Ok(Earlier {
        baseline: word(value, "", "baseline")?,
        commit: word(context, "context.", "commit")?,
        ratios,
    })
}

/// There is none of too few rounds.
fn interval(ratio: &Value, place: &str) -> Result<Option<Interval>, String> {
    if ratio["low"].is_null() && ratio["high"].is_null() {
        return Ok(None);
    }
    Ok(Some(Interval {
        low: number_of(ratio, place, "low")?,
        high: number_of(ratio, place, "high")?,
    }))
}

fn list<'a>(value: &'a Value, place: &str, name: &str) -> Result<&'a Vec<Value>, String> {
    let list = value.get(name).and_then(Value::as_array);
    list.ok_or_else(|| format!("the list {place}{name}"))
}

fn word(value: &Value, place: &str, name: &str) -> Result<String, String> {
    let word = value.get(name).and_then(Value::as_str);
    word.map(str::to_owned)
        .ok_or_else(|| format!("the text {place}{name}"))
}

fn number_of(value: &Value, place: &str, name: &str) -> Result<f64, String> {
    let number = value.get(name).and_then(Value::as_f64);
    number.ok_or_else(|| format!("the number {place}{name}"))
}

impl Earlier {
    /// What heads the comparison.
    pub(crate) fn title(&self) -> String {
        format!("Against the earlier run of {}", self.commit)
    }
}

pub(crate) fn text(report: &Report, earlier: &Earlier) -> String {
    let differences =
        table(report, earlier).map_or_else(|reason| reason + "\n", |table| table.markdown());
    format!("\n## {}\n\n{differences}", earlier.title())
}

/// A row for each ratio that both runs have, or why there can be none.
pub(crate) fn table(report: &Report, earlier: &Earlier) -> Result<Table, String> {
    if earlier.baseline != report.baseline {
        return Err(format!(
            "not comparable: its baseline was {}",
            earlier.baseline
        ));
    }
    let mut table = Table::new(&["workload", "peer", "CPU ratio then", "now", "verdict"]);
    for section in &report.sections {
        for row in section
            .rows
            .iter()
            .filter(|row| row.peer != report.baseline)
        {
            let now =
                Summary::of(row, section, &report.baseline).and_then(|summary| summary.cpu_ratio);
            let then = earlier
                .ratios
                .get(&(section.workload.name.clone(), row.peer.to_owned()));
            if let (Some(now), Some(then)) = (now, then) {
                let verdict = match (now.interval, then.interval) {
                    (Some(now), Some(then)) if now.low > then.high => "worse",
                    (Some(now), Some(then)) if now.high < then.low => "better",
                    (Some(_), Some(_)) => "the intervals overlap",
                    _ => "too few rounds",
                };
                let cells = [
                    &section.workload.name,
                    row.peer,
                    &estimate(then),
                    &estimate(&now),
                    verdict,
                ];
                table
                    .rows
                    .push(cells.iter().map(ToString::to_string).collect());
            }
        }
    }
    if table.rows.is_empty() {
        return Err("not comparable: no ratio is in both runs".to_owned());
    }
    Ok(table)
}
