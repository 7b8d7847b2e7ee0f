//! Tables in Markdown, aligned so that they can be read on a terminal too.

use super::losses::Verdict;
use crate::rounds::Section;
use crate::statistics::{Estimate, Interval};
use crate::summary::Summary;

/// An interval whose half is a larger share of its ratio is said to be wide.
const WIDE: f64 = 0.05;

#[derive(Debug, Default)]
pub(crate) struct Table {
    pub(crate) header: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(header: &[&str]) -> Self {
        Self {
            header: header.iter().map(ToString::to_string).collect(),
            rows: Vec::new(),
        }
    }

    pub(crate) fn push(&mut self, cells: &[&str]) {
        self.rows
            .push(cells.iter().map(ToString::to_string).collect());
    }

    /// The first column holds names and is aligned to the left, all others to the right.
    pub(crate) fn markdown(&self) -> String {
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells
                .chain(self.header.get(column))
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or(0)
                .max(3)
        };
        let widths: Vec<usize> = (0..self.header.len()).map(width).collect();
        let line = |cells: &[String]| {
            let padded = cells
                .iter()
                .zip(&widths)
                .enumerate()
                .map(|(column, (cell, width))| {
                    if column == 0 {
                        format!("{cell:<width$}")
                    } else {
                        format!("{cell:>width$}")
                    }
                });
            format!("| {} |\n", padded.collect::<Vec<_>>().join(" | "))
        };
        let rule = widths.iter().enumerate().map(|(column, width)| {
            if column == 0 {
                "-".repeat(width + 2)
            } else {
                format!("{}:", "-".repeat(width + 1))
            }
        });
        let mut text = line(&self.header);
        text.push_str(&format!("|{}|\n", rule.collect::<Vec<_>>().join("|")));
        self.rows.iter().for_each(|row| text.push_str(&line(row)));
        text
    }
}

/// One workload: its title, a row for each peer with the cheapest first, and what is void.
pub(crate) fn section(section: &Section, baseline: &str) -> String {
    let mut text = format!(
        "### {} (`{}`)\n\n",
        section.workload.title, section.workload.name
    );
    text.push_str(&rows(section, baseline).markdown());
    for row in &section.rows {
        if let Some(fault) = &row.fault {
            text.push_str(&format!("\n{}: void, {fault}\n", row.peer));
        }
    }
    if !section.absent.is_empty() {
        text.push_str(&format!(
            "\nnot made for this: {}\n",
            section.absent.join(", ")
        ));
    }
    text
}

/// The table of one workload.
pub(crate) fn rows(section: &Section, baseline: &str) -> Table {
    let mut summaries: Vec<(&str, Summary)> = section
        .rows
        .iter()
        .filter_map(|row| Summary::of(row, section, baseline).map(|summary| (row.peer, summary)))
        .collect();
    let counts = section.workload.counts_operations();
    let cost = |summary: &Summary| {
        if counts {
            summary.cpu_per_operation_ns
        } else {
            summary.extras.first().map_or(0.0, |(_, value)| *value)
        }
    };
    summaries.sort_by(|(_, one), (_, other)| cost(one).total_cmp(&cost(other)));
    let Some((_, first)) = summaries.first() else {
        return Table::new(&["peer"]);
    };
    let extras: Vec<&str> = first.extras.iter().map(|(name, _)| *name).collect();
    let against = format!("× {baseline} (95 %)");
    let has_latency = !first.latency.is_empty();
    let is_paced = first.uncorrected.is_some();
    let mut header = vec!["peer"];
    if counts {
        header.extend([
            "operations/s",
            "CPU ns/op",
            against.as_str(),
            "rate ×",
            "server busy",
            "client busy",
        ]);
    }
    if has_latency {
        header.extend(["p50 µs", "p99 µs", "p99.9 µs"]);
    }
    if is_paced {
        header.extend(["p99 from send", "rate kept"]);
    }
    header.extend(&extras);
    header.extend(["peak MB", "rounds", "note"]);
    let mut table = Table::new(&header);
    for (peer, summary) in &summaries {
        let mut cells = vec![(*peer).to_owned()];
        if counts {
            cells.push(thousands(summary.rate));
            cells.push(thousands(summary.cpu_per_operation_ns));
            cells.push(
                summary
                    .cpu_ratio
                    .map_or_else(|| "-".to_owned(), |ratio| estimate(&ratio)),
            );
            cells.push(
                summary
                    .rate_ratio
                    .map_or_else(|| "-".to_owned(), |ratio| format!("{:.2}", ratio.median)),
            );
            cells.push(percent(summary.server_busy));
            cells.push(percent(summary.client_busy));
        }
        if has_latency {
            let latency = |quantile| {
                summary
                    .latency_us(quantile)
                    .map_or_else(|| "-".to_owned(), microseconds)
            };
            cells.extend([latency(0.5), latency(0.99), latency(0.999)]);
        }
        if is_paced {
            let uncorrected = summary.uncorrected.as_ref();
            let p99 = uncorrected
                .map(|histogram| microseconds(histogram.value_at_quantile(0.99) as f64 / 1000.0));
            cells.push(p99.unwrap_or_default());
            cells.push(percent(
                summary.rate / summary.intended_rate.unwrap_or(f64::INFINITY),
            ));
        }
        cells.extend(summary.extras.iter().map(|(_, value)| thousands(*value)));
        cells.push(format!("{:.1}", summary.peak_memory as f64 / 1e6));
        cells.push(summary.rounds.to_string());
        cells.push(notes(summary, *peer == baseline).join(", "));
        table.rows.push(cells);
    }
    table
}

/// What keeps a row from being believed as it stands.
pub(crate) fn notes(summary: &Summary, is_baseline: bool) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(ratio) = summary.cpu_ratio.filter(|_| !is_baseline) {
        if ratio.interval.is_some() && ratio.spread() > WIDE {
            notes.push(format!("wide: ±{}", percent(ratio.spread())));
        }
        let verdict = Verdict::of(&ratio);
        if matches!(verdict, Verdict::Undecided | Verdict::NotJudged) {
            notes.push(verdict.word().to_owned());
        }
    }
    if summary.client_bound {
        notes.push("client-bound".to_owned());
    }
    if summary.disturbed {
        notes.push("disturbed".to_owned());
    }
    notes
}

pub(crate) fn estimate(estimate: &Estimate) -> String {
    match estimate.interval {
        Some(Interval { low, high }) => format!("{:.2} ({low:.2}–{high:.2})", estimate.median),
        None => format!("{:.2}", estimate.median),
    }
}

fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

fn microseconds(value: f64) -> String {
    if value < 100.0 {
        format!("{value:.1}")
    } else {
        thousands(value)
    }
}

/// Groups of three digits; a decimal place for small values.
pub(crate) fn thousands(value: f64) -> String {
    if value.abs() < 10.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position) % 3 == 0 && digit.is_ascii_digit() {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
