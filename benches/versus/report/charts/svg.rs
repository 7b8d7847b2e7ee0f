//! The few shapes that a chart is made of.

use svg::node::element::{Circle, Description, Polygon, Polyline, Rectangle, SVG, Text, Title};

/// Where a text is held.
#[derive(Clone, Copy, Debug)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// A drawing from the upper left corner on, in pixels.
pub(super) struct Drawing {
    width: f64,
    height: f64,
    body: Vec<Box<dyn svg::Node>>,
}

impl Drawing {
    pub(super) fn new(width: f64, height: f64) -> Self {
        let ground = Rectangle::new()
            .set("width", width)
            .set("height", height)
            .set("fill", "#fff");
        Self {
            width,
            height,
            body: vec![ground.into()],
        }
    }

    fn add(&mut self, node: impl Into<Box<dyn svg::Node>>) {
        self.body.push(node.into());
    }

    pub(super) fn line(&mut self, from: (f64, f64), to: (f64, f64), colour: &str, width: f64) {
        self.path(&[from, to], colour, width);
    }

    pub(super) fn path(&mut self, points: &[(f64, f64)], colour: &str, width: f64) {
        let path = Polyline::new()
            .set("points", coordinates(points))
            .set("fill", "none")
            .set("stroke", colour)
            .set("stroke-width", width)
            .set("stroke-linejoin", "round");
        self.add(path);
    }

    /// Filled, with a white rim that sets it off from what lies below.
    pub(super) fn circle(&mut self, (x, y): (f64, f64), radius: f64, colour: &str) {
        let circle = Circle::new()
            .set("cx", tenths(x))
            .set("cy", tenths(y))
            .set("r", radius)
            .set("fill", colour)
            .set("stroke", "#fff");
        self.add(circle);
    }

    /// Filled, with a white rim that sets it off from what lies below.
    pub(super) fn polygon(&mut self, points: &[(f64, f64)], colour: &str) {
        let polygon = Polygon::new()
            .set("points", coordinates(points))
            .set("fill", colour)
            .set("stroke", "#fff");
        self.add(polygon);
    }

    pub(super) fn text(
        &mut self,
        (x, y): (f64, f64),
        anchor: Anchor,
        size: f64,
        colour: &str,
        text: &str,
    ) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let text = Text::new(text)
            .set("x", tenths(x))
            .set("y", tenths(y))
            .set("dy", ".35em")
            .set("text-anchor", anchor)
            .set("font-size", size)
            .set("fill", colour);
        self.add(text);
    }

    /// From below to above, beside the middle of a vertical axis.
    pub(super) fn upright_text(&mut self, (x, y): (f64, f64), size: f64, colour: &str, text: &str) {
        let text = Text::new(text)
            .set("transform", format!("translate({x:.1} {y:.1}) rotate(-90)"))
            .set("text-anchor", "middle")
            .set("font-size", size)
            .set("fill", colour);
        self.add(text);
    }

    /// The whole file. `about` is for readers who see the drawing without the report. No line is empty or begins with
    /// the title, because in Markdown a drawing ends there.
    pub(super) fn finish(self, title: &str, about: &str) -> String {
        let Self {
            width,
            height,
            body,
        } = self;
        let head = SVG::new()
            .set("width", "100%")
            .set("style", format!("max-width:{width}px"))
            .set("viewBox", (0.0, 0.0, width, height))
            .set("font-family", "sans-serif")
            .set("role", "img")
            .add(Title::new(title))
            .add(Description::new().add(svg::node::Text::new(about)));
        let whole = body.into_iter().fold(head, SVG::add);
        whole.to_string().replacen("\n<title>", "<title>", 1) + "\n"
    }
}

fn coordinates(points: &[(f64, f64)]) -> String {
    let points = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}"));
    points.collect::<Vec<_>>().join(" ")
}

/// What a reader of the file need not see more exactly.
fn tenths(pixels: f64) -> f64 {
    (pixels * 10.0).round() / 10.0
}
