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
    if value["schema"] != SCHEMA {
        return Err(failed(format!(
            "schema {} instead of {SCHEMA}",
            value["schema"]
        )));
    }
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut ratios = HashMap::new();
    for workload in list(&value["workloads"]) {
        for row in list(&workload["rows"]) {
            let ratio = &row["summary"]["cpu_ratio"];
            let then = (|| {
                let number = |name: &str| ratio[name].as_f64();
                Some(Estimate {
                    median: number("median")?,
                    interval: number("low")
                        .zip(number("high"))
                        .map(|(low, high)| Interval { low, high }),
                })
            })();
            if let Some(then) = then {
                ratios.insert((word(&workload["name"]), word(&row["peer"])), then);
            }
        }
    }
    Ok(Earlier {
        baseline: word(&value["baseline"]),
        commit: word(&value["context"]["commit"]),
        ratios,
    })
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
    Ok(table)
}
