//! The charts, as SVG.

use plotters::prelude::*;

use super::{Report, SUBJECT};
use crate::rounds::Section;
use crate::summary::Summary;
use crate::workload::Kind;

const WIDTH: u32 = 1100;
const FONT: &str = "sans-serif";
/// A chart's colours for peers that have none of their own.
const PALETTE: [RGBColor; 10] = [
    RGBColor(31, 119, 180),
    RGBColor(44, 160, 44),
    RGBColor(148, 103, 189),
    RGBColor(191, 144, 0),
    RGBColor(23, 170, 190),
    RGBColor(140, 86, 75),
    RGBColor(227, 119, 194),
    RGBColor(160, 30, 60),
    RGBColor(120, 170, 20),
    RGBColor(20, 60, 140),
];

/// One drawing.
pub(crate) struct Chart {
    /// The name of its file, without the ending.
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) svg: String,
}

/// A value of one peer with what it may vary by.
struct Mark {
    peer: &'static str,
    value: f64,
    low: f64,
    high: f64,
}

/// A line of one peer.
struct Line {
    peer: &'static str,
    points: Vec<(f64, f64)>,
}

/// What is written at an axis.
struct Axis<'a> {
    title: &'a str,
    label: fn(&f64) -> String,
}

/// Draws what the sections have data for.
pub(crate) fn draw(report: &Report) -> Result<Vec<Chart>, String> {
    let mut charts = Vec::new();
    let counted = |section: &&Section| section.workload.counts_operations();
    let ratios = groups(report, counted, |summary| {
        let ratio = summary.cpu_ratio?;
        let reach = ratio.reach();
        Some((ratio.median, reach.low, reach.high))
    });
    let title = format!(
        "CPU time per operation, as a multiple of {}'s: less is better",
        report.baseline
    );
    push(&mut charts, "cpu", title, |svg| {
        marks(svg, report, &ratios, "multiple, with the 95 % interval")
    })?;
    let idle = groups(
        report,
        |section| matches!(section.workload.kind, Kind::Idle(_)),
        |summary| {
            summary
                .extras
                .first()
                .map(|(_, value)| (value.max(1.0), value.max(1.0), value.max(1.0)))
        },
    );
    if !idle.is_empty() {
        let title = "Memory of the server for each idle connection".to_owned();
        push(&mut charts, "memory", title, |svg| {
            marks(svg, report, &idle, "bytes, beside the kernel's")
        })?;
    }
    for section in report
        .sections
        .iter()
        .filter(|section| matches!(section.workload.kind, Kind::Paced { .. }))
    {
        let lines = latency_lines(section, &report.baseline);
        let name = format!("latency-{}", section.workload.name.replace('%', ""));
        let title = format!(
            "Latency from the intended send time, {}",
            section.workload.title
        );
        let nines = Axis {
            title: "share of messages answered by then",
            label: nines,
        };
        let microseconds = Axis {
            title: "µs",
            label: |value| format!("{value:.0}"),
        };
        push(&mut charts, &name, title, |svg| {
            plot(svg, report, &lines, false, &nines, &microseconds)
        })?;
    }
    let scaling = scaling_lines(report);
    if scaling.iter().any(|line| line.points.len() > 1) {
        let title = "Echo of 64 B: operations a second by number of connections".to_owned();
        let connections = Axis {
            title: "connections",
            label: |value| format!("{value:.0}"),
        };
        let rate = Axis {
            title: "operations/s",
            label: |value| format!("{:.0}k", value / 1000.0),
        };
        push(&mut charts, "connections", title, |svg| {
            plot(svg, report, &scaling, true, &connections, &rate)
        })?;
    }
    Ok(charts)
}

type Drawing = Result<(), Box<dyn std::error::Error>>;

fn push(
    charts: &mut Vec<Chart>,
    name: &str,
    title: String,
    draw: impl FnOnce(&mut String) -> Drawing,
) -> Result<(), String> {
    let mut svg = String::new();
    draw(&mut svg).map_err(|error| format!("the chart {name}: {error}"))?;
    charts.push(Chart {
        name: name.to_owned(),
        title,
        svg,
    });
    Ok(())
}

/// The sections that have such a figure, each with its marks.
fn groups<'a>(
    report: &'a Report,
    wanted: impl Fn(&&'a Section) -> bool,
    figure: impl Fn(&Summary) -> Option<(f64, f64, f64)>,
) -> Vec<(&'a str, Vec<Mark>)> {
    let marks = |section: &Section| {
        let mark = |row: &crate::rounds::Row| {
            let (value, low, high) = figure(&Summary::of(row, section, &report.baseline)?)?;
            (value > 0.0 && low > 0.0).then_some(Mark {
                peer: row.peer,
                value,
                low,
                high,
            })
        };
        section.rows.iter().filter_map(mark).collect::<Vec<_>>()
    };
    let sections = report.sections.iter().filter(wanted);
    sections
        .map(|section| (section.workload.name.as_str(), marks(section)))
        .filter(|(_, marks)| !marks.is_empty())
        .collect()
}

/// A row for each group, in it a dot with its interval for each peer, on a logarithmic axis: the eye then sees equal
/// factors as equal distances, and no bar begins at an arbitrary place.
fn marks(svg: &mut String, report: &Report, groups: &[(&str, Vec<Mark>)], axis: &str) -> Drawing {
    let all = || groups.iter().flat_map(|(_, marks)| marks);
    let low = all().map(|mark| mark.low).fold(f64::INFINITY, f64::min) / 1.1;
    let high = all().map(|mark| mark.high).fold(0.0, f64::max) * 1.1;
    if groups.is_empty() || high <= low {
        return Ok(());
    }
    let lane = 9 * u32::try_from(report.peers.len())? + 12;
    let height = lane * u32::try_from(groups.len())? + 110;
    let root = SVGBackend::with_string(svg, (WIDTH, height)).into_drawing_area();
    root.fill(&WHITE)?;
    let (legend, body) = root.split_vertically(34);
    draw_legend(&legend, report)?;
    let rows = groups.len() as f64;
    let mut chart = ChartBuilder::on(&body)
        .margin(10)
        .margin_right(24)
        .x_label_area_size(44)
        .y_label_area_size(190)
        .build_cartesian_2d((low..high).log_scale(), 0.0..rows)?;
    let name = |row: &f64| {
        let place = rows - row.floor() - 1.0;
        groups
            .iter()
            .enumerate()
            .find(|(number, _)| (*number as f64 - place).abs() < 0.5)
            .map_or("", |(_, (name, _))| *name)
    };
    chart
        .configure_mesh()
        .disable_y_mesh()
        .y_labels(0)
        .x_labels(12)
        .x_desc(axis)
        .x_label_formatter(&|value| {
            if *value < 10.0 {
                format!("{value:.2}")
            } else {
                format!("{value:.0}")
            }
        })
        .light_line_style(RGBColor(236, 239, 243))
        .bold_line_style(RGBColor(214, 219, 226))
        .draw()?;
    for number in 0..groups.len() {
        let bottom = number as f64;
        let line = vec![(low, bottom), (high, bottom)];
        chart.draw_series([PathElement::new(line, RGBColor(214, 219, 226))])?;
        let label = name(&(bottom + 0.5)).to_owned();
        let (_, y) = chart.backend_coord(&(low, bottom + 0.5));
        root.draw(&Text::new(label, (12, y - 7), (FONT, 14)))?;
    }
    if low < 1.0 && high > 1.0 {
        chart.draw_series([PathElement::new(
            vec![(1.0, 0.0), (1.0, rows)],
            BLACK.mix(0.6),
        )])?;
    }
    let peers = report.peers.len() as f64;
    for (number, (_, marks)) in groups.iter().enumerate() {
        for mark in marks {
            let lane = report
                .peers
                .iter()
                .position(|(name, _, _)| *name == mark.peer)
                .unwrap_or(0) as f64;
            let y = rows - number as f64 - (lane + 1.0) / (peers + 1.0);
            let colour = colour(mark.peer, report);
            let radius = if mark.peer == SUBJECT { 5 } else { 3 };
            chart.draw_series([PathElement::new(
                vec![(mark.low, y), (mark.high, y)],
                colour.stroke_width(2),
            )])?;
            chart.draw_series([Circle::new((mark.value, y), radius, colour.filled())])?;
        }
    }
    root.present()?;
    drop(chart);
    Ok(())
}

/// Lines on a logarithmic vertical axis; the horizontal one is logarithmic on demand.
fn plot(
    svg: &mut String,
    report: &Report,
    lines: &[Line],
    log: bool,
    across: &Axis<'_>,
    up: &Axis<'_>,
) -> Drawing {
    let points = || lines.iter().flat_map(|line| &line.points);
    let bounds = |values: &mut dyn Iterator<Item = f64>| {
        values.fold((f64::INFINITY, 0.0_f64), |(low, high), value| {
            (low.min(value), high.max(value))
        })
    };
    let (left, right) = bounds(&mut points().map(|(x, _)| *x));
    let (low, high) = bounds(&mut points().map(|(_, y)| *y));
    if right <= left || high <= 0.0 {
        return Ok(());
    }
    let root = SVGBackend::with_string(svg, (WIDTH, 460)).into_drawing_area();
    root.fill(&WHITE)?;
    let (legend, body) = root.split_vertically(34);
    draw_legend(&legend, report)?;
    // A logarithm drawn on a plain axis, so that both kinds of axis are of one type.
    let place = |x: f64| if log { x.log10() } else { x };
    let back = move |x: &f64| {
        if log {
            (across.label)(&10_f64.powf(*x))
        } else {
            (across.label)(x)
        }
    };
    let mut chart = ChartBuilder::on(&body)
        .margin(10)
        .margin_right(30)
        .x_label_area_size(44)
        .y_label_area_size(80)
        .build_cartesian_2d(
            place(left)..place(right),
            (low / 1.2..high * 1.2).log_scale(),
        )?;
    chart
        .configure_mesh()
        .x_desc(across.title)
        .y_desc(up.title)
        .x_labels(5)
        .x_label_formatter(&back)
        .y_label_formatter(&up.label)
        .light_line_style(RGBColor(240, 242, 245))
        .bold_line_style(RGBColor(220, 224, 230))
        .draw()?;
    for line in lines {
        let style =
            colour(line.peer, report).stroke_width(if line.peer == SUBJECT { 3 } else { 2 });
        let points: Vec<(f64, f64)> = line.points.iter().map(|(x, y)| (place(*x), *y)).collect();
        chart.draw_series([PathElement::new(points, style)])?;
    }
    root.present()?;
    drop(chart);
    Ok(())
}

fn draw_legend(
    area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    report: &Report,
) -> Drawing {
    let mut x = 12;
    for (name, _, _) in &report.peers {
        area.draw(&Circle::new((x, 17), 5, colour(name, report).filled()))?;
        area.draw(&Text::new(*name, (x + 10, 10), (FONT, 14)))?;
        x += 34 + 8 * i32::try_from(name.len())?;
    }
    Ok(())
}

/// The same colour for a peer in every chart of a report: the subject's stands out, the baseline's recedes.
fn colour(peer: &str, report: &Report) -> RGBColor {
    if peer == SUBJECT {
        return RGBColor(214, 69, 0);
    }
    if peer == report.baseline {
        return RGBColor(90, 98, 110);
    }
    let place = report
        .peers
        .iter()
        .position(|(name, _, _)| *name == peer)
        .unwrap_or(0);
    PALETTE[place % PALETTE.len()]
}

/// The horizontal axis counts nines, so that the slowest messages are as wide as all the others.
fn latency_lines(section: &Section, baseline: &str) -> Vec<Line> {
    let line = |row: &crate::rounds::Row| {
        let summary = Summary::of(row, section, baseline)?;
        let most = (summary.latency.len() as f64).log10().min(5.0);
        let steps = (0..=100).map(|step| f64::from(step) / 100.0 * most);
        let point = |nines: f64| {
            summary
                .latency_us(1.0 - 10_f64.powf(-nines))
                .map(|latency| (nines, latency.max(0.1)))
        };
        Some(Line {
            peer: row.peer,
            points: steps.filter_map(point).collect(),
        })
    };
    section.rows.iter().filter_map(line).collect()
}

fn nines(value: &f64) -> String {
    let percent = 100.0 * (1.0 - 10_f64.powf(-value));
    if *value < 2.0 {
        format!("{percent:.0} %")
    } else {
        format!("{percent:.*} %", if *value < 3.5 { 1 } else { 3 })
    }
}

fn scaling_lines(report: &Report) -> Vec<Line> {
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
        let mut points: Vec<(f64, f64)> = report
            .sections
            .iter()
            .filter_map(|section| point(peer, section))
            .collect();
        points.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        Line { peer, points }
    };
    report.peers.iter().map(|(name, _, _)| line(name)).collect()
}
