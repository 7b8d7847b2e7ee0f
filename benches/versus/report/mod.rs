//! The results: text on the terminal and in Markdown, JSON for programs, and one page with charts.

mod charts;
mod html;
mod json;
pub(crate) mod losses;
mod table;

use std::path::Path;

use netloop_benches::bars::{self, Bench, CPU, Measured, Outcome};
use netloop_benches::table::{Table, thousands};

use crate::load::Slice;
use crate::peers::Found;
use crate::section::{Row, Section, ratios};

/// The results of a run.
pub(crate) struct Report {
    /// Name and value of each circumstance.
    pub(crate) context: Vec<(String, String)>,
    pub(crate) warnings: Vec<String>,
    pub(crate) peers: Vec<Found>,
    /// Peers that are not on this machine, and why.
    pub(crate) missing: Vec<(&'static str, String)>,
    pub(crate) baseline: &'static str,
    pub(crate) sections: Vec<Section>,
}

/// The way to read the figures.
const NOTES: &str = "\
Figures are medians over interleaved rounds, in each of which the peers take turns in an order drawn anew. The intervals \
are order statistics of the ratios of single rounds, and there are none of fewer than six. CPU time is user and system time \
of the whole server, its children and helper threads too. Every byte that comes back was compared with the byte that had to \
come; the bytes that a sink receives are only counted. A row in which one byte or one connection failed is void. Latency of \
paced loads counts from the intended send time; in all other loads it is a service time, which a slow server improves by \
slowing down the sender. Where the client is busier than the server, the generator was the limit: rates say nothing there, and \
CPU time still does. Bars have intervals of 99 %, all of which has to be on one side; system calls and instructions are counted by `cargo count`, \
timers are measured by `cargo micro timers`.";

/// Returns the peers, the circumstances and the warnings.
pub(crate) fn circumstances(report: &Report) -> String {
    let mut peers = Table::new(&["peer", "version", "set-up"]);
    for Found { peer, version, .. } in &report.peers {
        peers.push([peer.name, version, peer.describes]);
    }
    for (name, reason) in &report.missing {
        peers.push([*name, "not here", reason]);
    }
    let machine = report.context.iter();
    let machine = machine.map(|(name, value)| format!("- {name}: {value}"));
    let warnings = report.warnings.iter();
    let mut parts = vec![machine.collect::<Vec<_>>().join("\n")];
    parts.extend(warnings.map(|warning| format!("Beware: {warning}.")));
    chapter("Peers", &[peers.markdown()]) + &chapter("Machine", &parts)
}

/// Returns the losses, the bars, and one line for each workload.
pub(crate) fn results(report: &Report) -> String {
    let mut text = losses::chapter(report);
    let outcomes = judge(report);
    if !outcomes.is_empty() {
        text += &chapter("The bars", &[bars::table(&outcomes).markdown()]);
    }
    let base = report.baseline;
    let title = format!("CPU time per operation, as a multiple of {base}'s (95 %)");
    text + &chapter(&title, &[matrix(report).markdown(), NOTES.to_owned()])
}

/// Returns one workload: a row for each peer with the cheapest first, and the void rows.
pub(crate) fn workload(section: &Section, baseline: &str) -> String {
    let mut parts = vec![table::rows(section, baseline).markdown()];
    for row in &section.rows {
        let void = |fault| format!("{}: void, {fault}", row.peer);
        parts.extend(row.fault.as_ref().map(void));
    }
    let workload = &section.workload;
    chapter(&format!("{} (`{}`)", workload.title, workload.name), &parts)
}

/// Returns a part of the report in Markdown.
fn chapter(title: &str, parts: &[String]) -> String {
    let parts = parts.iter().map(|part| format!("{}\n\n", part.trim_end()));
    format!("## {title}\n\n{}", parts.collect::<String>())
}

/// Judges the bars of the workloads that were measured.
fn judge(report: &Report) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for section in &report.sections {
        let measured = |bar: &bars::Bar| {
            let rounds = rounds_of(section, bar);
            rounds.map_or_else(Measured::Nothing, Measured::Rounds)
        };
        let name = &section.workload.name;
        outcomes.extend(bars::judge(Bench::Versus, name, measured));
    }
    outcomes
}

fn rounds_of(section: &Section, bar: &bars::Bar) -> Result<Vec<f64>, String> {
    let row = |peer: &str| match section.fault(peer) {
        Some(fault) => Err(format!("{peer} is void: {fault}")),
        None => (section.row(peer)).ok_or_else(|| format!("{peer} takes no part")),
    };
    let figure = |slice: &Slice| match bar.figure {
        CPU => slice.cpu_per_operation_ns(),
        "p50" => slice.latency_ns(0.5),
        name => slice.extra(name).unwrap_or(f64::NAN),
    };
    let subject = row(bar.subject)?;
    Ok(match bar.against {
        Some(against) => ratios(subject, row(against)?, figure),
        None => subject.slices.iter().map(figure).collect(),
    })
}

/// Returns the workloads down and the peers across.
fn matrix(report: &Report) -> Table {
    let others = report.peers.iter().map(|found| found.peer.name);
    let others: Vec<&str> = others.filter(|name| *name != report.baseline).collect();
    let baseline = format!("{} ns", report.baseline);
    let mut table = Table::new(&[&["workload", &baseline], &others[..]].concat());
    let sections = report.sections.iter();
    for section in sections.filter(|section| section.workload.load.counts_operations()) {
        let dash = || "-".to_owned();
        let cost = |row: &Row| thousands(row.median(Slice::cpu_per_operation_ns));
        let nanoseconds = section.row(report.baseline).map(cost);
        let nanoseconds = nanoseconds.unwrap_or_else(dash);
        let mut cells = vec![section.workload.name.clone(), nanoseconds];
        for peer in &others {
            let ratio = section.cpu_ratio(peer, report.baseline);
            cells.push(ratio.as_ref().map_or_else(dash, table::estimate));
        }
        table.rows.push(cells);
    }
    table
}

/// Writes all files into `folder`.
pub(crate) fn write(report: &Report, folder: &Path) -> Result<(), String> {
    let sections = report.sections.iter();
    let sections = sections.map(|section| workload(section, report.baseline));
    let mut summary = format!("# Versus\n\n{}", results(report));
    summary.extend(sections);
    summary += &circumstances(report);
    let charts = charts::draw(report);
    let page = html::page(&summary, &charts);
    let mut files = vec![
        ("summary.md".to_owned(), summary),
        ("results.json".to_owned(), json::text(report)),
        ("report.html".to_owned(), page),
    ];
    let charts = charts.into_iter();
    files.extend(charts.map(|(name, svg)| (format!("{name}.svg"), svg)));
    for (name, text) in files {
        let path = folder.join(name);
        std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}
