//! The look of a peer, by which it is told from the others in every chart: a colour and a shape.

use netloop_benches::bars::SUBJECT;

use super::svg::{Anchor, Drawing};
use crate::peers::PEERS;
use crate::report::Report;

pub(super) const WIDTH: f64 = 1100.0;
pub(super) const INK: &str = "#1c2430";
pub(super) const PALE_INK: &str = "#5b6675";
pub(super) const AXIS: &str = "#8a94a3";
pub(super) const GRID: &str = "#e3e7ec";

/// In the order of the list of peers, so that a peer looks the same in every report. Neighbours differ in lightness as much
/// as in hue, for readers to whom red and green are alike.
const PALETTE: [&str; 15] = [
    "#d64500", "#f2a25c", "#7a2a00", "#e79ccf", "#5a626e", "#10183a", "#0072b2", "#74bdf0",
    "#5b2a86", "#b5309a", "#0b5d2a", "#5cbf5a", "#6b5b00", "#e0be00", "#a9a9a9",
];
// Two peers of one colour cannot be told apart.
const _: () = assert!(PALETTE.len() >= PEERS.len());

/// Corners as multiples of a radius: circle, square, triangle, diamond, cross.
const SHAPES: [&[(f64, f64)]; 5] = [
    &[
        (0.0, -1.0),
        (0.71, -0.71),
        (1.0, 0.0),
        (0.71, 0.71),
        (0.0, 1.0),
        (-0.71, 0.71),
        (-1.0, 0.0),
        (-0.71, -0.71),
    ],
    &[(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)],
    &[(0.0, -1.2), (1.15, 0.9), (-1.15, 0.9)],
    &[(0.0, -1.3), (1.3, 0.0), (0.0, 1.3), (-1.3, 0.0)],
    &[
        (0.0, -0.5),
        (0.8, -1.2),
        (1.2, -0.8),
        (0.5, 0.0),
        (1.2, 0.8),
        (0.8, 1.2),
        (0.0, 0.5),
        (-0.8, 1.2),
        (-1.2, 0.8),
        (-0.5, 0.0),
        (-1.2, -0.8),
        (-0.8, -1.2),
    ],
];

/// The look of one peer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    pub(super) colour: &'static str,
    shape: &'static [(f64, f64)],
    /// Of lines; marks grow with it.
    pub(super) weight: f64,
}

impl Style {
    pub(super) fn of(peer: &str) -> Self {
        let place = PEERS
            .iter()
            .position(|known| known.name == peer)
            .unwrap_or(0);
        Self {
            colour: PALETTE[place],
            shape: SHAPES[place % SHAPES.len()],
            weight: if peer == SUBJECT { 4.0 } else { 2.0 },
        }
    }

    pub(super) fn mark(self, drawing: &mut Drawing, (x, y): (f64, f64)) {
        let radius = 2.5 + self.weight * 0.75;
        let corners = self.shape.iter();
        let corners = corners.map(|(across, down)| (x + across * radius, y + down * radius));
        drawing.polygon(&corners.collect::<Vec<_>>(), self.colour);
    }
}

/// The title, and below it the names with their marks in as many lines as they need.
pub(super) struct Head<'a> {
    title: &'a str,
    names: Vec<(f64, f64, &'a str)>,
    /// Where the chart may begin.
    pub(super) bottom: f64,
}

impl<'a> Head<'a> {
    pub(super) fn new(title: &'a str, peers: impl Iterator<Item = &'a str>) -> Self {
        let mut names = Vec::new();
        let (mut x, mut y) = (16.0, 48.0);
        for name in peers {
            let width = 34.0 + width_of(name, 13.0);
            if x + width > WIDTH - 12.0 {
                (x, y) = (16.0, y + 20.0);
            }
            names.push((x, y, name));
            x += width;
        }
        Self {
            title,
            names,
            bottom: y + 16.0,
        }
    }

    pub(super) fn draw(&self, drawing: &mut Drawing) {
        // A long title is smaller rather than cut off.
        let size = (16.0 * (WIDTH - 24.0) / width_of(self.title, 16.0)).min(16.0);
        drawing.text((12.0, 20.0), Anchor::Start, size, INK, self.title);
        for (x, y, name) in &self.names {
            Style::of(name).mark(drawing, (*x, *y));
            drawing.text((x + 11.0, *y), Anchor::Start, 13.0, INK, name);
        }
    }
}

/// Returns the circumstances that a drawing takes along when it leaves the report.
pub(super) fn about(report: &Report) -> String {
    let wanted = ["processor", "kernel", "scope", "commit", "date"];
    let context = report
        .context
        .iter()
        .filter(|(name, _)| wanted.contains(&name.as_str()));
    let values: Vec<String> = context
        .map(|(name, value)| format!("{name} {value}"))
        .collect();
    values.join(" · ")
}

/// Returns about how wide a text is: the reader's font is not known.
pub(super) fn width_of(text: &str, size: f64) -> f64 {
    text.chars().count() as f64 * size * 0.58
}
