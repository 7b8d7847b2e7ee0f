//! The few shapes that a chart is made of, as text.

use std::fmt::Write;

/// The place at which a text is held.
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
    body: String,
}

impl Drawing {
    pub(super) fn new(width: f64, height: f64) -> Self {
        let body = format!("<rect width=\"{width}\" height=\"{height:.0}\" fill=\"#fff\"/>\n");
        Self {
            width,
            height,
            body,
        }
    }

    fn add(&mut self, element: std::fmt::Arguments<'_>) {
        writeln!(self.body, "{element}").expect("a string takes every text");
    }

    pub(super) fn line(
        &mut self,
        (x1, y1): (f64, f64),
        (x2, y2): (f64, f64),
        colour: &str,
        width: f64,
    ) {
        self.add(format_args!(
            "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"{colour}\" stroke-width=\"{width}\"/>"
        ));
    }

    /// Draws a filled shape with a white rim that sets it off from what lies below.
    pub(super) fn polygon(&mut self, points: &[(f64, f64)], colour: &str) {
        let points = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}"));
        let points = points.collect::<Vec<_>>().join(" ");
        self.add(format_args!(
            "<polygon points=\"{points}\" fill=\"{colour}\" stroke=\"#fff\"/>"
        ));
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
        let text = escape(text);
        self.add(format_args!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" dy=\".35em\" text-anchor=\"{anchor}\" font-size=\"{size:.1}\" fill=\"{colour}\">{text}</text>"
        ));
    }

    /// Returns the whole file; `about` is for readers who see the drawing without the report. No line is empty, because
    /// in Markdown a drawing ends there.
    pub(super) fn finish(self, title: &str, about: &str) -> String {
        let Self {
            width,
            height,
            body,
        } = self;
        let (title, about) = (escape(title), escape(about));
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"100%\" style=\"max-width:{width}px\" \
             viewBox=\"0 0 {width} {height:.0}\" font-family=\"sans-serif\" role=\"img\"><title>{title}</title>\n\
             <desc>{about}</desc>\n{body}</svg>\n"
        )
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
