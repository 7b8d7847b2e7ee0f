//! By what peers are told apart in every chart: a colour and a shape, each its own, and the subject above all others.

use super::svg::{Anchor, Drawing};
use crate::peers::roster::DESCRIPTORS;
use crate::report::{Report, SUBJECT};

pub(super) const WIDTH: f64 = 1100.0;
pub(super) const INK: &str = "#1c2430";
pub(super) const PALE_INK: &str = "#5b6675";
pub(super) const AXIS: &str = "#8a94a3";
pub(super) const GRID: &str = "#e3e7ec";

/// The subject's, which stands out.
const SUBJECT_COLOUR: &str = "#d64500";
/// The baseline's, which recedes.
const BASELINE_COLOUR: &str = "#5a626e";
/// In the order of the roster, so that a peer looks the same in every report. Neighbours differ in lightness as much as
/// in hue: whoever sees no difference between red and green sees that one.
const PALETTE: [&str; 15] = [
    "#d64500", "#f2a25c", "#7a2a00", "#5a626e", "#10183a", "#0072b2", "#74bdf0", "#a9a9a9",
    "#b5309a", "#0b5d2a", "#5cbf5a", "#6b5b00", "#e0be00", "#5b2a86", "#e79ccf",
];
// Two peers of one colour are worse than none of it.
const _: () = assert!(PALETTE.len() >= DESCRIPTORS.len());
const SHAPES: [Shape; 5] = [
    Shape::Circle,
    Shape::Square,
    Shape::Triangle,
    Shape::Diamond,
    Shape::Cross,
];

#[derive(Clone, Copy, Debug)]
enum Shape {
    Circle,
    Square,
    Triangle,
    Diamond,
    Cross,
}

/// How one peer is drawn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    pub(super) colour: &'static str,
    shape: Shape,
    /// Of lines; marks grow with it.
    pub(super) weight: f64,
}

impl Style {
    pub(super) fn of(peer: &str, report: &Report) -> Self {
        let place = DESCRIPTORS
            .iter()
            .position(|descriptor| descriptor.name == peer)
            .unwrap_or(DESCRIPTORS.len());
        let (colour, weight) = if peer == SUBJECT {
            (SUBJECT_COLOUR, 4.0)
        } else if peer == report.baseline {
            (BASELINE_COLOUR, 2.0)
        } else {
            (PALETTE[place % PALETTE.len()], 2.0)
        };
        Self {
            colour,
            shape: SHAPES[place % SHAPES.len()],
            weight,
        }
    }

    pub(super) fn mark(self, drawing: &mut Drawing, (x, y): (f64, f64)) {
        let radius = 2.5 + self.weight * 0.75;
        let place = |points: &[(f64, f64)]| -> Vec<(f64, f64)> {
            let points = points.iter();
            points
                .map(|(across, down)| (x + across * radius, y + down * radius))
                .collect()
        };
        let corners: &[(f64, f64)] = match self.shape {
            Shape::Circle => return drawing.circle((x, y), radius, self.colour),
            Shape::Square => &[(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)],
            Shape::Triangle => &[(0.0, -1.2), (1.15, 0.9), (-1.15, 0.9)],
            Shape::Diamond => &[(0.0, -1.3), (1.3, 0.0), (0.0, 1.3), (-1.3, 0.0)],
            Shape::Cross => &[
                (-0.45, -1.2),
                (0.45, -1.2),
                (0.45, -0.45),
                (1.2, -0.45),
                (1.2, 0.45),
                (0.45, 0.45),
                (0.45, 1.2),
                (-0.45, 1.2),
                (-0.45, 0.45),
                (-1.2, 0.45),
                (-1.2, -0.45),
                (-0.45, -0.45),
            ],
        };
        drawing.polygon(&place(corners), self.colour);
    }
}

/// Says below a chart, between its edges, what it shows from left to right.
pub(super) fn caption(drawing: &mut Drawing, (left, right): (f64, f64), bottom: f64, text: &str) {
    let middle = (f64::midpoint(left, right), bottom + 32.0);
    drawing.text(middle, Anchor::Middle, 12.0, PALE_INK, text);
}

/// The title, and below it the names with their marks in as many lines as they need. Returns where the chart may begin.
pub(super) fn head<'a>(
    report: &Report,
    title: &str,
    names: impl Iterator<Item = &'a str>,
) -> (f64, impl FnOnce(&mut Drawing)) {
    let mut entries = Vec::new();
    let (mut x, mut y) = (16.0, 48.0);
    for name in names {
        let width = 34.0 + width_of(name, 13.0);
        if x + width > WIDTH - 12.0 {
            (x, y) = (16.0, y + 20.0);
        }
        entries.push((x, y, name.to_owned(), Style::of(name, report)));
        x += width;
    }
    let title = title.to_owned();
    // A long one is smaller rather than cut off.
    let size = (16.0 * (WIDTH - 24.0) / width_of(&title, 16.0)).min(16.0);
    let draw = move |drawing: &mut Drawing| {
        drawing.text((12.0, 20.0), Anchor::Start, size, INK, &title);
        for (x, y, name, style) in entries {
            style.mark(drawing, (x, y));
            drawing.text((x + 11.0, y), Anchor::Start, 13.0, INK, &name);
        }
    };
    (y + 16.0, draw)
}

/// Where and when, in one line at the foot.
pub(super) fn foot(drawing: &mut Drawing, y: f64, report: &Report) {
    drawing.text((12.0, y), Anchor::Start, 11.0, PALE_INK, &about(report));
}

/// The circumstances that a drawing takes along when it leaves the report.
pub(super) fn about(report: &Report) -> String {
    let wanted = ["CPU", "kernel", "build", "scope", "commit", "date"];
    let context = report.context.iter();
    let found = context.filter(|(name, _)| wanted.contains(name));
    let values: Vec<String> = found
        .map(|(name, value)| match *name {
            "commit" | "scope" | "kernel" => format!("{name} {value}"),
            _ => value.clone(),
        })
        .collect();
    values.join(" · ")
}

/// About how wide a text is: a reader's font is not known.
pub(super) fn width_of(text: &str, size: f64) -> f64 {
    text.chars().count() as f64 * size * 0.58
}
