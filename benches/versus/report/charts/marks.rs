//! For each workload a mark with its interval for each peer that took part.
//!
//! The axis is logarithmic: the eye then sees equal factors as equal distances, and no bar begins at an arbitrary place.
//! Every mark has its name beside it, so that colours need not tell more than the subject and the baseline from the others.

use netloop_benches::bars::SUBJECT;
use netloop_benches::statistics::Interval;

use super::scale::Scale;
use super::svg::{Drawing, WIDTH, width_of};
use crate::report::Report;

const INK: &str = "#1c2430";
const PALE_INK: &str = "#5b6675";
const AXIS: &str = "#8a94a3";
const GRID: &str = "#e3e7ec";
/// The width of the names of the workloads.
const LEFT: f64 = 190.0;
const RIGHT: f64 = WIDTH - 24.0;
const TOP: f64 = 62.0;
/// The height of one peer's lane.
const LANE: f64 = 14.0;
/// Between two workloads.
const GAP: f64 = 12.0;

/// A value of one peer with its interval.
pub(super) struct Mark {
    pub(super) peer: &'static str,
    pub(super) value: f64,
    pub(super) reach: Interval,
    /// Written beside it.
    pub(super) text: String,
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
    let low = all().map(|mark| mark.reach.low).reduce(f64::min)? / 1.1;
    let high = all().map(|mark| mark.reach.high).reduce(f64::max)? * 1.1;
    let (values, pixels) = ((low, high), (LEFT, RIGHT));
    let scale = Scale { values, pixels };
    let bottom = TOP + groups.iter().map(height).sum::<f64>();
    let mut drawing = Drawing::default();
    drawing.text((12.0, 20.0), "start", (16.0, INK), title);
    for (value, label) in ticks(&scale) {
        let x = scale.pixel(value);
        drawing.line((x, TOP), (x, bottom), GRID, 1.0);
        // At both ends, since the whole of a long chart is not seen at once.
        for y in [TOP - 10.0, bottom + 12.0] {
            drawing.text((x, y), "middle", (12.0, INK), &label);
        }
    }
    drawing.text((LEFT, bottom + 32.0), "start", (12.0, PALE_INK), caption);
    let mut y = TOP;
    for group in groups {
        drawing.line((12.0, y), (RIGHT, y), AXIS, 0.5);
        let middle = (12.0, y + height(group) / 2.0);
        drawing.text(middle, "start", (13.0, INK), group.name);
        for (lane, mark) in (0_u16..).zip(&group.marks) {
            let y = y + f64::midpoint(GAP, LANE) + f64::from(lane) * LANE;
            draw_mark(&mut drawing, report.baseline, mark, &scale, y);
        }
        y += height(group);
    }
    drawing.line((12.0, bottom), (RIGHT, bottom), AXIS, 0.5);
    let is_wanted = |name: &str| ["processor", "kernel", "commit", "date"].contains(&name);
    let context = report.context.iter().filter(|(name, _)| is_wanted(name));
    let about = context.map(|(name, value)| format!("{name} {value}"));
    let about = about.collect::<Vec<_>>().join(" · ");
    drawing.text((12.0, bottom + 54.0), "start", (11.0, PALE_INK), &about);
    Some(drawing.finish(bottom + 68.0, title, &about))
}

fn draw_mark(drawing: &mut Drawing, baseline: &str, mark: &Mark, scale: &Scale, y: f64) {
    let (ink, colour, width) = match mark.peer {
        SUBJECT => (INK, "#d64500", 4.0),
        peer if peer == baseline => (PALE_INK, "#5a626e", 2.0),
        _ => (PALE_INK, "#0072b2", 2.0),
    };
    let Interval { low, high } = mark.reach;
    let [from, x, to] = [low, mark.value, high].map(|value| scale.pixel(value));
    drawing.line((from, y), (to, y), colour, width);
    drawing.text((x, y), "middle", (8.0 + 2.0 * width, colour), "●");
    let beside = to.max(x) + 9.0;
    match beside + width_of(&mark.text, 11.0) < RIGHT {
        true => drawing.text((beside, y), "start", (11.0, ink), &mark.text),
        false => drawing.text((from.min(x) - 9.0, y), "end", (11.0, ink), &mark.text),
    }
}

fn height(group: &Group<'_>) -> f64 {
    group.marks.len() as f64 * LANE + GAP
}
