//! For each workload a mark with its interval for each peer that took part.
//!
//! The axis is logarithmic: the eye then sees equal factors as equal distances, and no bar begins at an arbitrary place.

use super::scale::{Scale, Tick};
use super::style::{self, AXIS, GRID, INK, PALE_INK, Style, WIDTH};
use super::svg::{Anchor, Drawing};
use crate::report::{Report, SUBJECT};

/// What the names of the workloads need.
const LEFT: f64 = 190.0;
const RIGHT: f64 = WIDTH - 24.0;
/// The height of one peer's lane.
const LANE: f64 = 14.0;
/// Between two workloads.
const GAP: f64 = 12.0;
const TEXT: f64 = 11.0;

/// A value of one peer with what it may vary by.
pub(super) struct Mark {
    pub(super) peer: &'static str,
    pub(super) value: f64,
    pub(super) low: f64,
    pub(super) high: f64,
    /// Written beside the name.
    pub(super) label: String,
}

/// The marks of one workload.
pub(super) struct Group<'a> {
    pub(super) name: &'a str,
    pub(super) marks: Vec<Mark>,
}

/// What the horizontal axis shows.
pub(super) struct Across {
    pub(super) title: &'static str,
    pub(super) ticks: fn(&Scale) -> Vec<Tick>,
}

/// None if there is nothing to draw.
pub(super) fn draw(
    report: &Report,
    title: &str,
    groups: &[Group<'_>],
    across: &Across,
) -> Option<String> {
    let all = || groups.iter().flat_map(|group| &group.marks);
    let low = all().map(|mark| mark.low).reduce(f64::min)? / 1.1;
    let high = all().map(|mark| mark.high).reduce(f64::max)? * 1.1;
    let scale = Scale::logarithmic((low, high), (LEFT, RIGHT));
    let names = report.peers.iter().map(|(name, _, _)| *name);
    let (top, head) = style::head(report, title, names.filter(|name| takes_part(groups, name)));
    let top = top + 22.0;
    let bottom = top + groups.iter().map(height).sum::<f64>();
    let mut drawing = Drawing::new(WIDTH, bottom + 68.0);
    head(&mut drawing);
    for tick in (across.ticks)(&scale) {
        let x = scale.pixel(tick.value);
        let is_one = (tick.value - 1.0).abs() < 1e-9;
        let (colour, width) = if is_one { (AXIS, 1.5) } else { (GRID, 1.0) };
        drawing.line((x, top), (x, bottom), colour, width);
        // At both ends, since the whole of a long chart is not seen at once.
        for y in [top - 10.0, bottom + 12.0] {
            drawing.text((x, y), Anchor::Middle, 12.0, INK, &tick.label);
        }
    }
    style::caption(&mut drawing, (LEFT, RIGHT), bottom, across.title);
    let mut y = top;
    for group in groups {
        drawing.line((12.0, y), (RIGHT, y), AXIS, 0.5);
        let middle = y + height(group) / 2.0;
        drawing.text((12.0, middle), Anchor::Start, 13.0, INK, group.name);
        draw_group(
            &mut drawing,
            report,
            group,
            &scale,
            y + f64::midpoint(GAP, LANE),
        );
        y += height(group);
    }
    drawing.line((12.0, bottom), (RIGHT, bottom), AXIS, 0.5);
    style::foot(&mut drawing, bottom + 54.0, report);
    Some(drawing.finish(title, &style::about(report)))
}

/// A lane for each mark, from `y` on; the subject's is drawn last, above what comes near it.
fn draw_group(drawing: &mut Drawing, report: &Report, group: &Group<'_>, scale: &Scale, y: f64) {
    let lanes = group.marks.iter().enumerate();
    let mut lanes: Vec<(f64, &Mark)> = lanes
        .map(|(lane, mark)| (y + lane as f64 * LANE, mark))
        .collect();
    lanes.sort_by_key(|(_, mark)| mark.peer == SUBJECT);
    for (y, mark) in lanes {
        let style = Style::of(mark.peer, report);
        let (from, to) = (scale.pixel(mark.low), scale.pixel(mark.high));
        drawing.line((from, y), (to, y), style.colour, style.weight);
        let x = scale.pixel(mark.value);
        style.mark(drawing, (x, y));
        let text = format!("{} {}", mark.peer, mark.label);
        let colour = if mark.peer == SUBJECT { INK } else { PALE_INK };
        let beside = to.max(x) + 9.0;
        if beside + style::width_of(&text, TEXT) < RIGHT {
            drawing.text((beside, y), Anchor::Start, TEXT, colour, &text);
        } else {
            drawing.text((from.min(x) - 9.0, y), Anchor::End, TEXT, colour, &text);
        }
    }
}

fn height(group: &Group<'_>) -> f64 {
    group.marks.len() as f64 * LANE + GAP
}

fn takes_part(groups: &[Group<'_>], peer: &str) -> bool {
    let mut marks = groups.iter().flat_map(|group| &group.marks);
    marks.any(|mark| mark.peer == peer)
}
