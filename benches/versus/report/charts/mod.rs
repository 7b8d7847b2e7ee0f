//! The charts, as SVG: which there are, and from which figures. How they are drawn is in the files beside this one.

mod lines;
mod marks;
mod scale;
mod style;
mod svg;

use self::lines::{Axes, Line};
use self::marks::{Across, Group, Mark};
use self::scale::Tick;
use super::Report;
use super::table::thousands;
use crate::rounds::{Row, Section};
use crate::summary::Summary;
use crate::workload::Kind;

const CPU: &str = "cpu";
const MEMORY: &str = "memory";
const LATENCY: &str = "latency-";
const CONNECTIONS: &str = "connections";
/// More nines than this are a matter of single messages.
const MOST_NINES: f64 = 5.0;
/// Steps of a line of latencies, of which every thirtieth has a mark.
const STEPS: u32 = 300;

/// One drawing.
pub(crate) struct Chart {
    /// The name of its file, without the ending.
    pub(crate) name: String,
    pub(crate) svg: String,
}

/// Whether some run may have drawn a chart into a file of this name.
pub(crate) fn is_name_of_chart(file: &str) -> bool {
    file.strip_suffix(".svg")
        .is_some_and(|name| [CPU, MEMORY, CONNECTIONS].contains(&name) || name.starts_with(LATENCY))
}

/// Draws what the sections have data for.
pub(crate) fn draw(report: &Report) -> Vec<Chart> {
    let mut charts = Vec::new();
    let mut push = |name: &str, svg: Option<String>| {
        charts.extend(svg.map(|svg| Chart {
            name: name.to_owned(),
            svg,
        }));
    };
    push(CPU, cpu(report));
    push(MEMORY, memory(report));
    for section in &report.sections {
        if matches!(section.workload.kind, Kind::Paced { .. }) {
            let name = format!("{LATENCY}{}", section.workload.name.replace('%', ""));
            push(&name, latency(report, section));
        }
    }
    push(CONNECTIONS, connections(report));
    charts
}

fn cpu(report: &Report) -> Option<String> {
    let title = format!(
        "CPU time per operation as a multiple of {}'s: left is better",
        report.baseline
    );
    let across = Across {
        title: "multiple, with the 95 % interval; logarithmic",
        ticks: |scale| scale.ratios(38.0),
    };
    let groups = groups(report, |row, section| {
        let ratio = Summary::of(row, section, &report.baseline)?.cpu_ratio?;
        Some(Mark {
            peer: row.peer,
            value: ratio.median,
            low: ratio.reach().low,
            high: ratio.reach().high,
            label: format!("{:.2}", ratio.median),
        })
    });
    marks::draw(report, &title, &groups, &across)
}

fn memory(report: &Report) -> Option<String> {
    let across = Across {
        title: "bytes beside the kernel's; logarithmic",
        ticks: |scale| scale.amounts(60.0, thousands),
    };
    let groups = groups(report, |row, section| {
        if !matches!(section.workload.kind, Kind::Idle(_)) {
            return None;
        }
        let summary = Summary::of(row, section, &report.baseline)?;
        let (_, bytes) = summary.extras.first()?;
        // On this axis there is no nothing: it is drawn at the left end, and written as it is.
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
    marks::draw(report, title, &groups, &across)
}

/// Where nothing is drawn.
const LEAST_BYTES: f64 = 10.0;

/// The sections that have such a mark.
fn groups<'a>(
    report: &'a Report,
    mark: impl Fn(&'a Row, &'a Section) -> Option<Mark>,
) -> Vec<Group<'a>> {
    let group = |section: &'a Section| {
        let marks = section.rows.iter().filter_map(|row| mark(row, section));
        let is_drawable = |mark: &Mark| mark.low > 0.0 && mark.high.is_finite();
        Group {
            name: &section.workload.name,
            marks: marks.filter(is_drawable).collect(),
        }
    };
    let groups = report.sections.iter().map(group);
    groups.filter(|group| !group.marks.is_empty()).collect()
}

/// The horizontal axis counts nines, so that the slowest messages are as wide as all the others.
fn latency(report: &Report, section: &Section) -> Option<String> {
    let line = |row: &Row| {
        let summary = Summary::of(row, section, &report.baseline)?;
        let most = (summary.latency.len() as f64).log10().min(MOST_NINES);
        let steps = (0..=STEPS).map(|step| f64::from(step) / f64::from(STEPS) * most);
        let point = |nines: f64| {
            let quantile = 1.0 - 10_f64.powf(-nines);
            let latency = summary.latency_us(quantile)?;
            Some((nines, latency.max(0.1)))
        };
        Some(Line {
            peer: row.peer,
            points: steps.filter_map(point).collect(),
            marked: |place| place % 30 == 15,
        })
    };
    let tick = |percent: &str, nines: f64| Tick {
        value: nines,
        label: format!("{percent} %"),
    };
    let axes = Axes {
        across: "share of messages answered by then",
        up: "µs",
        is_logarithmic: false,
        ticks: vec![
            tick("0", 0.0),
            tick("50", 2_f64.log10()),
            tick("90", 1.0),
            tick("99", 2.0),
            tick("99.9", 3.0),
            tick("99.99", 4.0),
            tick("99.999", 5.0),
        ],
        label: thousands_or_less,
    };
    let lines: Vec<Line> = section.rows.iter().filter_map(line).collect();
    let title = format!(
        "Latency from the intended send time: lower is better; {}",
        section.workload.title
    );
    lines::draw(report, &title, &lines, &axes)
}

fn connections(report: &Report) -> Option<String> {
    let point = |peer: &str, section: &Section| {
        let Kind::Echo(echo) = section.workload.kind else {
            return None;
        };
        if echo.size != 64 || echo.pipelining != 1 || section.workload.idle_timeout.is_some() {
            return None;
        }
        let summary = Summary::of(section.row(peer)?, section, &report.baseline)?;
        Some((echo.connections as f64, summary.rate))
    };
    let line = |peer: &'static str| {
        let sections = report.sections.iter();
        let mut points: Vec<(f64, f64)> = sections
            .filter_map(|section| point(peer, section))
            .collect();
        points.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        Line {
            peer,
            points,
            marked: |_| true,
        }
    };
    let names = report.peers.iter().map(|(name, _, _)| *name);
    let lines: Vec<Line> = names.map(line).collect();
    let mut counts: Vec<f64> = lines
        .iter()
        .flat_map(|line| line.points.iter().map(|(count, _)| *count))
        .collect();
    counts.sort_by(f64::total_cmp);
    counts.dedup();
    let tick = |count: f64| Tick {
        value: count,
        label: thousands_or_less(count),
    };
    let axes = Axes {
        across: "connections; logarithmic",
        up: "operations a second; logarithmic",
        is_logarithmic: true,
        ticks: counts.into_iter().map(tick).collect(),
        label: thousands_or_less,
    };
    let title = "Echo of 64 B, operations a second by number of connections: higher is better";
    lines::draw(report, title, &lines, &axes)
}

/// Whole numbers without a decimal place.
fn thousands_or_less(value: f64) -> String {
    if value < 10.0 {
        value.to_string()
    } else {
        thousands(value)
    }
}
