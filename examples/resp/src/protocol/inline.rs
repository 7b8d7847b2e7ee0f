//! Commands in a line, as a person types them: words between spaces, some of them quoted.

use std::ops::Range;

/// The quotes of a word do not end, or something follows them at once.
#[derive(Debug)]
pub(super) struct UnbalancedQuotes;

/// Splits a line into words. Appends their bytes to `unquoted`, and the place of each there to `words`.
///
/// Between double quotes, a backslash begins an escape (`\n`, `\x00`); between single quotes, it protects a quote alone.
pub(super) fn split(
    line: &[u8],
    unquoted: &mut Vec<u8>,
    words: &mut Vec<Range<usize>>,
) -> Result<(), UnbalancedQuotes> {
    let mut rest = line;
    loop {
        let spaces = rest.iter().take_while(|byte| is_space(**byte)).count();
        rest = &rest[spaces..];
        if rest.is_empty() {
            return Ok(());
        }
        let start = unquoted.len();
        rest = word(rest, unquoted)?;
        words.push(start..unquoted.len());
    }
}

/// Takes one word off the text, and returns the text after it.
fn word<'a>(mut rest: &'a [u8], unquoted: &mut Vec<u8>) -> Result<&'a [u8], UnbalancedQuotes> {
    loop {
        rest = match rest {
            [b'"', behind @ ..] => return behind_quotes(double_quoted(behind, unquoted)?),
            [b'\'', behind @ ..] => return behind_quotes(single_quoted(behind, unquoted)?),
            [byte, behind @ ..] if !is_space(*byte) => {
                unquoted.push(*byte);
                behind
            }
            _ => return Ok(rest),
        };
    }
}

fn behind_quotes(rest: &[u8]) -> Result<&[u8], UnbalancedQuotes> {
    match rest.first() {
        Some(&byte) if !is_space(byte) => Err(UnbalancedQuotes),
        _ => Ok(rest),
    }
}

fn double_quoted<'a>(
    mut rest: &'a [u8],
    unquoted: &mut Vec<u8>,
) -> Result<&'a [u8], UnbalancedQuotes> {
    loop {
        let (byte, behind) = match rest {
            [b'"', behind @ ..] => return Ok(behind),
            [b'\\', b'x', high, low, behind @ ..]
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                (hex_digit(*high) << 4 | hex_digit(*low), behind)
            }
            [b'\\', escaped, behind @ ..] => {
                let byte = match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 8,
                    b'a' => 7,
                    &other => other,
                };
                (byte, behind)
            }
            [byte, behind @ ..] => (*byte, behind),
            [] => return Err(UnbalancedQuotes),
        };
        unquoted.push(byte);
        rest = behind;
    }
}

fn single_quoted<'a>(
    mut rest: &'a [u8],
    unquoted: &mut Vec<u8>,
) -> Result<&'a [u8], UnbalancedQuotes> {
    loop {
        let (byte, behind) = match rest {
            [b'\'', behind @ ..] => return Ok(behind),
            [b'\\', b'\'', behind @ ..] => (b'\'', behind),
            [byte, behind @ ..] => (*byte, behind),
            [] => return Err(UnbalancedQuotes),
        };
        unquoted.push(byte);
        rest = behind;
    }
}

/// Returns the value of a digit, of which the caller has checked that it is one.
fn hex_digit(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

/// Whether C's `isspace` takes the byte for a space.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

#[cfg(test)]
mod tests {
    use super::split;

    fn words(line: &str) -> Option<Vec<Vec<u8>>> {
        let (mut unquoted, mut words) = (Vec::new(), Vec::new());
        split(line.as_bytes(), &mut unquoted, &mut words).ok()?;
        Some(
            words
                .into_iter()
                .map(|word| unquoted[word].to_vec())
                .collect(),
        )
    }

    #[test]
    fn words_stand_between_spaces_or_quotes() {
        for (line, expected) in [
            ("", &[][..]),
            (" \t ", &[]),
            ("PING", &[&b"PING"[..]]),
            ("  set  a\tb ", &[b"set", b"a", b"b"]),
            (r#"set "a b" 'c d'"#, &[b"set", b"a b", b"c d"]),
            (r#"a"b c" d"#, &[b"ab c", b"d"]),
            (r#""" ''"#, &[b"", b""]),
            (r#""\n\r\t\b\a\\\"\q""#, &[b"\n\r\t\x08\x07\\\"q"]),
            (r#""\x00\xFf\xfg\x1""#, &[b"\x00\xffxfgx1"]),
            (r"'it\'s' '\n'", &[b"it's", b"\\n"]),
            (r"a\nb", &[b"a\\nb"]),
        ] {
            let expected: Vec<_> = expected.iter().map(|word| word.to_vec()).collect();
            assert_eq!(words(line), Some(expected), "{line:?}");
        }
    }

    #[test]
    fn quotes_without_an_end_are_refused() {
        for line in [
            r#"""#, r#"a "b"#, "'", "'a\\'", r#""a\""#, r#""a"b"#, "'a'b",
        ] {
            assert_eq!(words(line), None, "{line:?}");
        }
    }
}
