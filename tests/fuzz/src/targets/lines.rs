//! The splitter of lines, which sees pieces, against a model that sees the whole stream at once.

use arbitrary::{Result, Unstructured};
use netloop::text::Lines;

use super::drawing::pieces;

/// A line as both sides give it; `None` for one that was too long.
type Line = Option<Vec<u8>>;

pub(crate) fn play(input: &mut Unstructured<'_>) -> Result<()> {
    let max_line_bytes = input.int_in_range(0..=40)?;
    let mut lines = Lines::new(max_line_bytes);
    // The splitter serves two streams, one behind the other.
    for _ in 0..2 {
        let pieces = pieces(input)?;
        let mut parsed: Vec<Line> = Vec::new();
        for piece in &pieces {
            let mut completed = lines.push(piece);
            assert!(piece.ends_with(completed.remainder()));
            let mut remainder = completed.remainder().len();
            while let Some(line) = completed.next() {
                assert!(completed.remainder().len() <= remainder);
                remainder = completed.remainder().len();
                assert!(piece.ends_with(completed.remainder()));
                parsed.push(line.ok().map(<[u8]>::to_vec));
            }
            assert!(!completed.remainder().contains(&b'\n'));
            assert!(completed.next().is_none());
        }
        parsed.extend(lines.finish().map(|line| Some(line.to_vec())));
        assert_eq!(parsed, lines_of_whole(&pieces.concat(), max_line_bytes));
    }
    Ok(())
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
