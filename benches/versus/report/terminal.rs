//! What is said on the terminal, in Markdown, which is also the summary file.

use super::table::{self, Table, estimate};
use super::{Report, compare, losses};
use crate::bars;
use crate::rounds::Section;
use crate::say::say;
use crate::summary::Summary;

/// How to read the figures.
pub(crate) const NOTES: &str = "\
Figures are medians over interleaved rounds, in each of which the peers take turns in an order drawn anew. The intervals \
are order statistics of the ratios of single rounds, and there are none of fewer than six. CPU time is user and system time \
of the whole server process and its children, whatever the generator does. \
Every byte that comes back was compared with what had to come; what a sink receives is only counted. A row in which one \
byte or one connection failed is void. Wide: the half of the interval of the CPU ratio is more than 5 % of it. Undecided: \
that interval contains one, and ends more than 5 % away from it. Not judged: there is none. Latency of fixed-rate loads \
counts from the intended send time; in all other loads it is a service time, which a slow server improves by slowing down the sender. Client-bound: the generator was the limit, since it was busy for 85 % of \
the time, or for 70 % and the floor did no better, so that rates say nothing, and CPU time still does. Disturbed: other \
programs had these cores for more than 5 % of the time. The helper threads of a runtime, which collect garbage and compile, \
share the server's core with it: what they use is a part of its CPU time, and disturbs nobody else.";

/// Who, where, and what to beware of.
pub(crate) fn head(report: &Report) -> String {
    let mut text = format!("# Versus\n\npeers: {}\n", report.peers_line());
    if let Some(missing) = report.missing_line() {
        text.push_str(&format!("not here: {missing}\n"));
    }
    text.push('\n');
    for (name, value) in &report.context {
        text.push_str(&format!("- {name}: {value}\n"));
    }
    for warning in &report.warnings {
        text.push_str(&format!("- **beware**: {warning}\n"));
    }
    text
}

pub(crate) fn print_head(report: &Report) {
    say(&head(report));
}

pub(crate) fn print_section(section: &Section, baseline: &str) {
    say(&table::section(section, baseline));
}

/// The bars if the run was about them, then losses, then one line for each workload.
pub(crate) fn summary(report: &Report, earlier: Option<&compare::Earlier>) -> String {
    let mut text = String::new();
    if !report.bars.is_empty() {
        text.push_str(&bars::table::text(&report.bars));
    }
    text.push_str(&losses::text(report));
    text.push_str(&format!(
        "\n## CPU time per operation, as a multiple of {}'s (95 % interval)\n\n",
        report.baseline
    ));
    text.push_str(&matrix(report).markdown());
    text.push_str(&format!("\n{NOTES}\n"));
    if let Some(earlier) = earlier {
        text.push_str(&compare::text(report, earlier));
    }
    text
}

/// Workloads down, peers across.
pub(crate) fn matrix(report: &Report) -> Table {
    let others: Vec<&str> = report
        .peers
        .iter()
        .map(|(name, _, _)| *name)
        .filter(|name| *name != report.baseline)
        .collect();
    let baseline = format!("{} ns", report.baseline);
    let mut header = vec!["workload", &baseline];
    header.extend(&others);
    let mut table = Table::new(&header);
    for section in report
        .sections
        .iter()
        .filter(|section| section.workload.counts_operations())
    {
        let summary = |peer: &str| {
            section
                .row(peer)
                .and_then(|row| Summary::of(row, section, &report.baseline))
        };
        let nanoseconds = summary(&report.baseline).map_or_else(
            || "-".to_owned(),
            |summary| table::thousands(summary.cpu_per_operation_ns),
        );
        let mut cells = vec![section.workload.name.clone(), nanoseconds];
        for peer in &others {
            let ratio = summary(peer).and_then(|summary| summary.cpu_ratio);
            cells.push(ratio.map_or_else(|| "-".to_owned(), |ratio| estimate(&ratio)));
        }
        table.rows.push(cells);
    }
    table
}
