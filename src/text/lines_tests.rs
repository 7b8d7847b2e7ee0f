use super::*;

#[derive(Clone, Debug, PartialEq)]
enum Item {
    Line(Vec<u8>),
    TooLong,
    Rest(Vec<u8>),
}

/// Returns the lines of `stream`, computed from the whole stream at once.
fn model(stream: &[u8], max_line_bytes: usize) -> Vec<Item> {
    let mut found = Vec::new();
    for line in stream.split_inclusive(|&byte| byte == b'\n') {
        let is_ended = line.ends_with(b"\n");
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line).to_vec();
        found.push(match is_ended {
            _ if line.len() > max_line_bytes => Item::TooLong,
            true => Item::Line(line),
            false => Item::Rest(line),
        });
    }
    found
}

fn in_pieces<'a>(lines: &mut Lines, pieces: impl Iterator<Item = &'a [u8]>) -> Vec<Item> {
    let mut found = Vec::new();
    for piece in pieces {
        for line in lines.push(piece) {
            found.push(match line {
                Ok(line) => Item::Line(line.to_vec()),
                Err(_) => Item::TooLong,
            });
        }
        let kept = lines.partial.len();
        assert!(kept <= lines.max_line_bytes + 1, "it keeps {kept} bytes");
    }
    found.extend(lines.finish().map(|rest| Item::Rest(rest.to_vec())));
    found
}

#[test]
fn every_chunking_of_every_short_stream_gives_its_lines() {
    // Every stream of up to six bytes out of `a`, CR and LF, with every chunking and several limits.
    for length in 1..=6 {
        for number in 0..3_usize.pow(length) {
            let stream: Vec<u8> = (0..length)
                .map(|place| b"a\r\n"[number / 3_usize.pow(place) % 3])
                .collect();
            for max_line_bytes in [0, 1, 2, 5] {
                let expected = model(&stream, max_line_bytes);
                for cuts in 0..1 << (length - 1) {
                    let mut index = 0;
                    let pieces = stream.split_inclusive(|_| {
                        index += 1;
                        cuts >> (index - 1) & 1 == 1
                    });
                    let found = in_pieces(&mut Lines::new(max_line_bytes), pieces);
                    let case = || format!("{stream:?}, cuts {cuts:b}, at most {max_line_bytes}");
                    assert_eq!(found, expected, "{}", case());
                }
            }
        }
    }
}

/// Reads a stream in pieces up to its first `count` items, and the rest from the remainder by another `Lines`. `None`
/// if one of these items is missing or too long. The other `Lines` would take the rest of a long line for a new one.
fn in_two_parts(
    pieces: &[&[u8]],
    max_line_bytes: usize,
    count: usize,
) -> Option<(Vec<Item>, Vec<Item>)> {
    let mut lines = Lines::new(max_line_bytes);
    let mut found = Vec::new();
    for (place, piece) in pieces.iter().enumerate() {
        let mut completed = lines.push(piece);
        while let Some(line) = completed.next() {
            found.push(Item::Line(line.ok()?.to_vec()));
            if found.len() == count {
                let remainder = std::iter::once(completed.remainder());
                let rest = remainder.chain(pieces[place + 1..].iter().copied());
                return Some((found, in_pieces(&mut Lines::new(max_line_bytes), rest)));
            }
        }
    }
    None
}

#[test]
fn other_lines_go_on_from_the_remainder_behind_any_line() {
    for length in 1..=6 {
        for number in 0..3_usize.pow(length) {
            let stream: Vec<u8> = (0..length)
                .map(|place| b"a\r\n"[number / 3_usize.pow(place) % 3])
                .collect();
            for cuts in 0..1 << (length - 1) {
                let mut index = 0;
                let pieces = stream.split_inclusive(|_| {
                    index += 1;
                    cuts >> (index - 1) & 1 == 1
                });
                let pieces: Vec<_> = pieces.collect();
                for max_line_bytes in [1, 5] {
                    for count in 1.. {
                        let Some((before, behind)) = in_two_parts(&pieces, max_line_bytes, count)
                        else {
                            break;
                        };
                        let found = [before, behind].concat();
                        let case = || format!("{stream:?}, cuts {cuts:b}, {count} lines");
                        assert_eq!(found, model(&stream, max_line_bytes), "{}", case());
                    }
                }
            }
        }
    }
}

#[test]
fn the_remainder_shrinks_from_the_chunk_to_nothing() {
    let mut lines = Lines::new(3);
    assert_eq!(lines.push(b"ab").remainder(), b"ab");
    let mut completed = lines.push(b"c\nd\nlong ");
    assert_eq!(completed.remainder(), b"c\nd\nlong ");
    assert_eq!(completed.next(), Some(Ok(&b"abc"[..])));
    assert_eq!(completed.remainder(), b"d\nlong ");
    assert_eq!(completed.next(), Some(Ok(&b"d"[..])));
    assert!(completed.next().is_some_and(|line| line.is_err()));
    assert_eq!(completed.remainder(), b"");
    assert_eq!(completed.next(), None);
    assert_eq!(
        lines.push(b"er").remainder(),
        b"",
        "the rest of a line that was reported"
    );
}

#[test]
fn random_chunkings_of_random_streams_give_their_lines() {
    // One `Lines` reads all streams: a finished stream must leave nothing behind.
    let mut lines = Lines::new(12);
    for seed in 0..40_000 {
        let mut random = fastrand::Rng::with_seed(seed);
        let stream: Vec<u8> = (0..random.usize(..80))
            .map(|_| match random.u8(..20) {
                0 | 1 => b'\n',
                2 | 3 => b'\r',
                letter => letter + b'a',
            })
            .collect();
        let mut rest = &stream[..];
        let pieces = std::iter::from_fn(|| {
            let (piece, behind) = rest.split_at(random.usize(..30).min(rest.len()));
            let is_over = rest.is_empty();
            rest = behind;
            (!is_over).then_some(piece)
        });
        assert_eq!(
            in_pieces(&mut lines, pieces),
            model(&stream, 12),
            "seed {seed}"
        );
    }
}

#[test]
fn a_line_that_lies_whole_in_its_chunk_is_borrowed_from_it() {
    let mut lines = Lines::new(100);
    let data = b"one\r\ntwo\nth";
    let starts: Vec<_> = lines
        .push(data)
        .map(|line| line.map(<[u8]>::as_ptr))
        .collect();
    assert_eq!(starts, [Ok(data[..].as_ptr()), Ok(data[5..].as_ptr())]);
    assert_eq!(
        lines.joined.capacity(),
        0,
        "nothing was copied but the beginning of the third"
    );
}

#[test]
fn a_line_is_refused_as_soon_as_it_is_too_long_and_once() {
    let mut lines = Lines::new(3);
    assert_eq!(lines.push(b"abcd").count(), 1);
    assert_eq!(lines.push(&[b'e'; 1000]).count(), 0);
    assert_eq!(lines.partial, b"", "the rest of it is not kept");
    let found: Vec<_> = lines.push(b"f\nok\n").collect();
    assert_eq!(found, [Ok(&b"ok"[..])]);
}

#[test]
fn the_error_of_a_long_line_names_the_limit() {
    let mut lines = Lines::new(3);
    let found = lines.push(b"abcd\n").next();
    let error = found.expect("there is a line").expect_err("it is too long");
    assert_eq!(error.to_string(), "a line has more than 3 bytes");
    assert_eq!(error.max_line_bytes(), 3);
}

#[test]
fn a_huge_limit_is_no_limit() {
    let mut lines = Lines::new(usize::MAX);
    assert_eq!(lines.push(b"abc").count(), 0);
    assert_eq!(lines.push(b"d\n").next(), Some(Ok(&b"abcd"[..])));
}

#[test]
fn the_end_of_a_line_is_found_at_every_place_among_all_bytes() {
    // A search of eight bytes at once could take bytes for LF that differ from LF by one bit, or by one.
    let neighbours = [0x00, 0x0B, 0x09, 0x8A, 0x0E, 0x4A, 0xFF, b'a'];
    for length in 0..=3 * NEAR_BYTES {
        for filler in neighbours {
            let mut bytes = vec![filler; length];
            assert_eq!(end_of_line(&bytes), None, "{length} times {filler}");
            for place in 0..length {
                bytes[place] = b'\n';
                assert_eq!(
                    end_of_line(&bytes),
                    Some(place + 1),
                    "{length} times {filler}"
                );
                bytes[place] = filler;
            }
        }
    }
    for first in 0..80 {
        for second in first + 1..81 {
            let mut bytes = [0x0B; 81];
            bytes[first] = b'\n';
            bytes[second] = b'\n';
            assert_eq!(end_of_line(&bytes), Some(first + 1));
        }
    }
}
