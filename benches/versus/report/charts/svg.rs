//! The few shapes that a chart is made of, as text.

pub(super) const WIDTH: f64 = 1100.0;

/// A drawing from the upper left corner on, in pixels.
#[derive(Default)]
pub(super) struct Drawing {
    body: String,
}

impl Drawing {
    pub(super) fn line(&mut self, from: (f64, f64), to: (f64, f64), colour: &str, width: f64) {
        let (x1, y1, x2, y2) = (from.0, from.1, to.0, to.1);
        self.body += &format!(
            "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"{colour}\" stroke-width=\"{width}\"/>\n"
        );
    }

    /// Writes a text in a size and colour, held at its "start", "middle" or "end".
    pub(super) fn text(&mut self, (x, y): (f64, f64), held: &str, ink: (f64, &str), text: &str) {
        let ((size, colour), text) = (ink, escape(text));
        self.body += &format!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" dy=\".35em\" text-anchor=\"{held}\" font-size=\"{size}\" fill=\"{colour}\">{text}</text>\n"
        );
    }

    /// Returns the whole file; `about` is for readers of the drawing alone. No line is empty, because
    /// in Markdown a drawing ends there.
    pub(super) fn finish(self, height: f64, title: &str, about: &str) -> String {
        let (title, about) = (escape(title), escape(about));
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"100%\" style=\"max-width:{WIDTH}px\" \
             viewBox=\"0 0 {WIDTH} {height:.0}\" font-family=\"sans-serif\" role=\"img\"><title>{title}</title>\n\
             <desc>{about}</desc>\n<rect width=\"{WIDTH}\" height=\"{height:.0}\" fill=\"#fff\"/>\n{}</svg>\n",
            self.body
        )
    }
}

/// Returns about how wide a text is: the reader's font is not known.
pub(super) fn width_of(text: &str, size: f64) -> f64 {
    text.chars().count() as f64 * size * 0.58
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
