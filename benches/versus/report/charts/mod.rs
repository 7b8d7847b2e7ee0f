//! The charts, as SVG: which there are, and from which figures. The drawing is in the files beside this one.

mod marks;
mod scale;
mod svg;

use netloop_benches::statistics::Interval;
use netloop_benches::table::thousands;

use self::marks::{Group, Mark};
use self::scale::Scale;
use super::Report;
use crate::section::{Row, Section};

/// On a logarithmic axis there is no zero: smaller values are drawn here, and written as they are.
const LEAST_BYTES: f64 = 10.0;

/// Draws the charts that the sections have figures for, and returns each under the name of its file without the ending.
pub(crate) fn draw(report: &Report) -> Vec<(&'static str, String)> {
    let charts = [
        ("cpu", cpu(report)),
        ("memory", memory(report)),
        ("latency", latency(report)),
    ];
    let drawn = charts.into_iter();
    drawn.filter_map(|(name, svg)| Some((name, svg?))).collect()
}

fn cpu(report: &Report) -> Option<String> {
    let base = report.baseline;
    let title = format!("CPU time per operation as a multiple of {base}'s: left is better");
    let caption = "multiple, with the 95 % interval; logarithmic";
    let groups = groups(report, |row, section| {
        let ratio = section.cpu_ratio(row.peer, base)?;
        let label = format!("{:.2}", ratio.median);
        Some((ratio.median, ratio.reach(), label))
    });
    marks::draw(report, (&title, caption), &groups, Scale::ratios)
}

fn memory(report: &Report) -> Option<String> {
    let groups = groups(report, |row, section| {
        let bytes = row.extras().first()?.1;
        let low = bytes.max(LEAST_BYTES);
        let is_idle = !section.workload.load.counts_operations();
        is_idle.then(|| (low, Interval { low, high: low }, thousands(bytes.round())))
    });
    let title = "Memory of the server for each idle connection: left is better";
    let caption = "bytes beside the kernel's; logarithmic";
    marks::draw(report, (title, caption), &groups, Scale::amounts)
}

/// Closed loops have no line here: their latency is a service time.
fn latency(report: &Report) -> Option<String> {
    let groups = groups(report, |row, section| {
        let [low, value, high] = row.latencies()?;
        let mark = (value, Interval { low, high }, thousands(value));
        section.workload.paced.is_some().then_some(mark)
    });
    let title = "Latency from the intended send time: left is better";
    let caption =
        "µs: the mark is the p99, the line reaches from the p50 to the p99.9; logarithmic";
    marks::draw(report, (title, caption), &groups, Scale::amounts)
}

/// Returns the sections that have marks: a value, the reach of its line, and what is written beside the name of the peer.
fn groups(
    report: &Report,
    mark: impl Fn(&Row, &Section) -> Option<(f64, Interval, String)>,
) -> Vec<Group<'_>> {
    let mut groups = Vec::new();
    for section in &report.sections {
        let mut marks = Vec::new();
        for row in section.valid_rows() {
            let drawn = mark(row, section);
            let drawn = drawn.filter(|(_, reach, _)| reach.low > 0.0 && reach.high.is_finite());
            let peer = row.peer;
            marks.extend(drawn.map(|(value, reach, label)| Mark {
                text: format!("{peer} {label}"),
                peer,
                value,
                reach,
            }));
        }
        if !marks.is_empty() {
            let name = &section.workload.name;
            groups.push(Group { name, marks });
        }
    }
    groups
}
