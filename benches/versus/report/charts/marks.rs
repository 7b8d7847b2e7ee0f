//! For each workload a mark with its interval for each peer that took part.
//!
//! The axis is logarithmic: the eye then sees equal factors as equal distances, and no bar begins at an arbitrary place.

use netloop_benches::bars::SUBJECT;

use super::scale::Scale;
use super::style::{self, AXIS, GRID, Head, INK, PALE_INK, Style, WIDTH};
use super::svg::{Anchor, Drawing};
use crate::report::Report;

/// The width of the names of the workloads.
const LEFT: f64 = 190.0;
const RIGHT: f64 = WIDTH - 24.0;
/// The height of one peer's lane.
const LANE: f64 = 14.0;
/// Between two workloads.
const GAP: f64 = 12.0;
const TEXT: f64 = 11.0;

/// A value of one peer with its interval.
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

/// Draws the groups, or `None` if there is nothing to draw.
pub(super) fn draw(
    report: &Report,
    (title, caption): (&str, &str),
    groups: &[Group<'_>],
    ticks: fn(&Scale) -> Vec<(f64, String)>,
) -> Option<String> {
    let all = || groups.iter().flat_map(|group| &group.marks);
    let low = all().map(|mark| mark.low).reduce(f64::min)? / 1.1;
    let high = all().map(|mark| mark.high).reduce(f64::max)? * 1.1;
    let scale = Scale::new((low, high), (LEFT, RIGHT));
    let names = report.peers.iter().map(|(peer, _)| peer.name);
    let head = Head::new(
        title,
        names.filter(|name| all().any(|mark| mark.peer == *name)),
    );
    let top = head.bottom + 22.0;
    let bottom = top + groups.iter().map(height).sum::<f64>();
    let mut drawing = Drawing::new(WIDTH, bottom + 68.0);
    head.draw(&mut drawing);
    for (value, label) in ticks(&scale) {
        let x = scale.pixel(value);
        let is_one = (value - 1.0).abs() < 1e-9;
        let (colour, width) = if is_one { (AXIS, 1.5) } else { (GRID, 1.0) };
        drawing.line((x, top), (x, bottom), colour, width);
        // At both ends, since the whole of a long chart is not seen at once.
        for y in [top - 10.0, bottom + 12.0] {
            drawing.text((x, y), Anchor::Middle, 12.0, INK, &label);
        }
    }
    let middle = (f64::midpoint(LEFT, RIGHT), bottom + 32.0);
    drawing.text(middle, Anchor::Middle, 12.0, PALE_INK, caption);
    let mut y = top;
    for group in groups {
        drawing.line((12.0, y), (RIGHT, y), AXIS, 0.5);
        let middle = (12.0, y + height(group) / 2.0);
        drawing.text(middle, Anchor::Start, 13.0, INK, group.name);
        draw_group(&mut drawing, group, &scale, y + f64::midpoint(GAP, LANE));
        y += height(group);
    }
    drawing.line((12.0, bottom), (RIGHT, bottom), AXIS, 0.5);
    let about = style::about(report);
    drawing.text((12.0, bottom + 54.0), Anchor::Start, 11.0, PALE_INK, &about);
    Some(drawing.finish(title, &about))
}

/// Draws a lane for each mark, from `y` on.
fn draw_group(drawing: &mut Drawing, group: &Group<'_>, scale: &Scale, y: f64) {
    for (lane, mark) in group.marks.iter().enumerate() {
        let y = y + lane as f64 * LANE;
        let style = Style::of(mark.peer);
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
