//! A line for each peer, on a logarithmic vertical axis, with its name at its end.

use super::scale::{Scale, Tick};
use super::style::{self, AXIS, GRID, INK, PALE_INK, Style, WIDTH};
use super::svg::{Anchor, Drawing};
use crate::report::{Report, SUBJECT};

const LEFT: f64 = 84.0;
/// Beside it the names at the ends of the lines.
const RIGHT: f64 = WIDTH - 130.0;
const HEIGHT: f64 = 420.0;
/// From one name at the ends of the lines to the next.
const NAME: f64 = 14.0;

/// The line of one peer, from the left to the right.
pub(super) struct Line {
    pub(super) peer: &'static str,
    pub(super) points: Vec<(f64, f64)>,
    /// The places of the points that have a mark.
    pub(super) marked: fn(usize) -> bool,
}

pub(super) struct Axes<'a> {
    pub(super) across: &'a str,
    pub(super) up: &'a str,
    /// Whether the horizontal axis is logarithmic too.
    pub(super) is_logarithmic: bool,
    /// What is written at the horizontal axis.
    pub(super) ticks: Vec<Tick>,
    /// What is written beside a value of the vertical one.
    pub(super) label: fn(f64) -> String,
}

/// None if there is nothing to draw.
pub(super) fn draw(
    report: &Report,
    title: &str,
    lines: &[Line],
    axes: &Axes<'_>,
) -> Option<String> {
    let points = || lines.iter().flat_map(|line| &line.points);
    let left = points().map(|(x, _)| *x).reduce(f64::min)?;
    let right = points().map(|(x, _)| *x).reduce(f64::max)?;
    let low = points().map(|(_, y)| *y).reduce(f64::min)?;
    let high = points().map(|(_, y)| *y).reduce(f64::max)?;
    if right <= left || low <= 0.0 {
        return None;
    }
    let with_points = || lines.iter().filter(|line| !line.points.is_empty());
    let (top, head) = style::head(report, title, with_points().map(|line| line.peer));
    let (top, bottom) = (top + 4.0, top + 4.0 + HEIGHT);
    let mut drawing = Drawing::new(WIDTH, bottom + 68.0);
    head(&mut drawing);
    let across = match axes.is_logarithmic {
        true => Scale::logarithmic((left, right), (LEFT, RIGHT)),
        false => Scale::linear((left, right), (LEFT, RIGHT)),
    };
    let up = Scale::logarithmic((low / 1.15, high * 1.15), (bottom, top));
    for tick in up.amounts(22.0, axes.label) {
        let y = up.pixel(tick.value);
        drawing.line((LEFT, y), (RIGHT, y), GRID, 1.0);
        drawing.text((LEFT - 8.0, y), Anchor::End, 12.0, INK, &tick.label);
    }
    for tick in &axes.ticks {
        let x = across.pixel(tick.value);
        if (LEFT - 0.5..=RIGHT + 0.5).contains(&x) {
            drawing.line((x, top), (x, bottom), GRID, 1.0);
            drawing.text((x, bottom + 12.0), Anchor::Middle, 12.0, INK, &tick.label);
        }
    }
    drawing.line((LEFT, bottom), (RIGHT, bottom), AXIS, 1.0);
    drawing.line((LEFT, top), (LEFT, bottom), AXIS, 1.0);
    style::caption(&mut drawing, (LEFT, RIGHT), bottom, axes.across);
    drawing.upright_text((22.0, f64::midpoint(top, bottom)), 12.0, PALE_INK, axes.up);
    // The subject's line lies above all others.
    let mut order: Vec<&Line> = with_points().collect();
    order.sort_by_key(|line| line.peer == SUBJECT);
    let mut ends = Vec::new();
    for line in order {
        let style = Style::of(line.peer, report);
        let place = |(x, y): &(f64, f64)| (across.pixel(*x), up.pixel(*y));
        let path: Vec<(f64, f64)> = line.points.iter().map(place).collect();
        if line.peer == SUBJECT {
            drawing.path(&path, "#fff", style.weight + 3.0);
        }
        drawing.path(&path, style.colour, style.weight);
        for (number, point) in path.iter().enumerate() {
            if (line.marked)(number) {
                style.mark(&mut drawing, *point);
            }
        }
        if let Some(end) = path.last() {
            ends.push((*end, line.peer, style));
        }
    }
    name_ends(&mut drawing, ends, (top + 6.0, bottom));
    style::foot(&mut drawing, bottom + 54.0, report);
    Some(drawing.finish(title, &style::about(report)))
}

/// Writes each name where its line ends, or as near as the others let it, with a thread between the two.
fn name_ends(
    drawing: &mut Drawing,
    mut ends: Vec<((f64, f64), &str, Style)>,
    (top, bottom): (f64, f64),
) {
    ends.sort_by(|((_, one), _, _), ((_, other), _, _)| one.total_cmp(other));
    let mut places: Vec<f64> = ends.iter().map(|((_, y), _, _)| *y).collect();
    // Downwards until each has room, and what is then too low up again.
    let mut limit = top;
    for place in &mut places {
        *place = place.max(limit);
        limit = *place + NAME;
    }
    let mut limit = bottom;
    for place in places.iter_mut().rev() {
        *place = place.min(limit);
        limit = *place - NAME;
    }
    for (((x, y), name, style), place) in ends.into_iter().zip(places) {
        drawing.line((x, y), (RIGHT + 14.0, place), style.colour, 0.75);
        drawing.text((RIGHT + 17.0, place), Anchor::Start, 12.0, INK, name);
    }
}
