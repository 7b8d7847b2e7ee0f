//! The charts, as SVG: which there are, and from which figures. The drawing is in the files beside this one.

mod marks;
mod scale;
mod svg;

use netloop_benches::table::thousands;

use self::marks::{Group, Mark};
use super::Report;
use super::summary::Summary;
use crate::rounds::{Row, Section};

/// On a logarithmic axis there is no zero: smaller values are drawn here, and written as they are.
const LEAST_BYTES: f64 = 10.0;

/// One drawing.
pub(crate) struct Chart {
    /// The name of its file, without the ending.
    pub(crate) name: String,
    pub(crate) svg: String,
}

/// Draws the charts that the sections have figures for.
pub(crate) fn draw(report: &Report) -> Vec<Chart> {
    let mut charts = Vec::new();
    let mut push = |name: &str, svg: Option<String>| {
        let name = name.to_owned();
        charts.extend(svg.map(|svg| Chart { name, svg }));
    };
    push("cpu", cpu(report));
    push("memory", memory(report));
    push("latency", latency(report));
    charts
}

fn cpu(report: &Report) -> Option<String> {
    let base = &report.baseline;
    let title = format!("CPU time per operation as a multiple of {base}'s: left is better");
    let groups = groups(report, |row, section| {
        let ratio = Summary::of(row, section, base).cpu_ratio?;
        Some(Mark {
            peer: row.peer,
            value: ratio.median,
            low: ratio.reach().low,
            high: ratio.reach().high,
            label: format!("{:.2}", ratio.median),
        })
    });
    let caption = "multiple, with the 95 % interval; logarithmic";
    marks::draw(report, (&title, caption), &groups, |scale| {
        scale.ratios(38.0)
    })
}

fn memory(report: &Report) -> Option<String> {
    let groups = groups(report, |row, section| {
        if section.workload.load.counts_operations() {
            return None;
        }
        let summary = Summary::of(row, section, &report.baseline);
        let (_, bytes) = summary.extras.first()?;
        let value = bytes.max(LEAST_BYTES);
        Some(Mark {
            peer: row.peer,
            value,
            low: value,
            high: value,
            label: thousands(bytes.round()),
        })
    });
    let title = "Memory of the server for each idle connection: left is better";
    let caption = "bytes beside the kernel's; logarithmic";
    marks::draw(report, (title, caption), &groups, |scale| {
        scale.amounts(60.0)
    })
}

/// Closed loops have no line here: their latency is a service time.
fn latency(report: &Report) -> Option<String> {
    let groups = groups(report, |row, section| {
        let is_paced = section.workload.paced.is_some();
        let summary = Summary::of(row, section, &report.baseline);
        is_paced.then(|| Mark {
            peer: row.peer,
            value: summary.latency_us(0.99),
            low: summary.latency_us(0.5),
            high: summary.latency_us(0.999),
            label: thousands(summary.latency_us(0.99)),
        })
    });
    let title = "Latency from the intended send time: left is better";
    let caption =
        "µs: the mark is the p99, the line reaches from the p50 to the p99.9; logarithmic";
    marks::draw(report, (title, caption), &groups, |scale| {
        scale.amounts(60.0)
    })
}

/// Returns the sections that have such a mark.
fn groups<'a>(
    report: &'a Report,
    mark: impl Fn(&'a Row, &'a Section) -> Option<Mark>,
) -> Vec<Group<'a>> {
    let group = |section: &'a Section| {
        let rows = section.rows.iter().filter_map(|row| section.row(row.peer));
        let marks = rows.filter_map(|row| mark(row, section));
        Group {
            name: &section.workload.name,
            marks: marks
                .filter(|mark| mark.low > 0.0 && mark.high.is_finite())
                .collect(),
        }
    };
    let groups = report.sections.iter().map(group);
    groups.filter(|group| !group.marks.is_empty()).collect()
}
