//! The fuzz targets: each compares a parser of the library with its model.

use netloop::text::{Lines, Utf8Decoder};

use crate::input::Input;

/// Panics where a parser and its model differ.
pub(crate) fn check(input: &Input) {
    check_lines(input);
    check_text(input);
}

/// A line as both sides give it; `None` for one that was too long.
type Line = Option<Vec<u8>>;

fn check_lines(input: &Input) {
    let mut lines = Lines::new(input.max_line_bytes);
    let mut parsed: Vec<Line> = Vec::new();
    for piece in input.pieces() {
        parsed.extend(lines.push(piece).map(|line| line.ok().map(<[u8]>::to_vec)));
    }
    parsed.extend(lines.finish().map(|line| Some(line.to_vec())));
    assert_eq!(parsed, lines_of_whole(&input.stream, input.max_line_bytes));
}

fn lines_of_whole(stream: &[u8], max_line_bytes: usize) -> Vec<Line> {
    let mut lines: Vec<&[u8]> = stream.split(|&byte| byte == b'\n').collect();
    // Behind the last end of a line there is a line only if it has bytes.
    if lines.last().is_some_and(|last| last.is_empty()) {
        lines.pop();
    }
    lines
        .into_iter()
        .map(|line| {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            (line.len() <= max_line_bytes).then(|| line.to_vec())
        })
        .collect()
}

fn check_text(input: &Input) {
    let mut decoder = Utf8Decoder::new();
    let mut text = String::new();
    for piece in input.pieces() {
        text.push_str(&decoder.push(piece));
    }
    text.push_str(decoder.finish());
    assert_eq!(text, String::from_utf8_lossy(&input.stream));
}
