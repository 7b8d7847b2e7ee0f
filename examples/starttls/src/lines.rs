//! The lines of a stream whose chunks cut them anywhere. `text::Lines` of the library takes a lone LF for an end, as most
//! protocols do. In SMTP that lets a message hide another one.

/// The longest line, with its CR LF (RFC 5321, 4.5.3.1.6).
pub(crate) const MOST_LINE_BYTES: usize = 1000;

/// A violation after which the next line cannot be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    TooLong,
    /// A CR or an LF that is not one of CR LF.
    LoneEnd,
}

#[derive(Debug, Default)]
pub(crate) struct Lines {
    /// The beginning of a line, or the whole line that was returned last, if it came in several chunks.
    partial: Vec<u8>,
    is_whole: bool,
}

impl Lines {
    /// Takes the next line off `data`, and returns it without its end. Returns `None` when more bytes are needed; `data` is
    /// empty then.
    pub(crate) fn next<'l, 'd: 'l>(
        &'l mut self,
        data: &mut &'d [u8],
    ) -> Option<Result<&'l [u8], Fault>> {
        if self.is_whole {
            self.is_whole = false;
            self.partial.clear();
        }
        let end = data.iter().position(|&byte| byte == b'\n');
        let (chunk, rest) = data.split_at(end.map_or(data.len(), |end| end + 1));
        *data = rest;
        if self.partial.len() + chunk.len() > MOST_LINE_BYTES {
            return Some(Err(Fault::TooLong));
        }
        let is_joined = end.is_none() || !self.partial.is_empty();
        if is_joined {
            self.partial.extend_from_slice(chunk);
        }
        end?;
        self.is_whole = is_joined;
        let line = if is_joined { &self.partial } else { chunk };
        let line = line.strip_suffix(b"\r\n").ok_or(Fault::LoneEnd);
        Some(line.and_then(|line| match line.contains(&b'\r') {
            true => Err(Fault::LoneEnd),
            false => Ok(line),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines of a stream in chunks of `size`, up to a fault.
    fn lines(stream: &[u8], size: usize) -> Vec<Result<Vec<u8>, Fault>> {
        let mut lines = Lines::default();
        let mut found = Vec::new();
        for mut chunk in stream.chunks(size) {
            while let Some(line) = lines.next(&mut chunk) {
                found.push(line.map(<[u8]>::to_vec));
                if line.is_err() {
                    return found;
                }
            }
        }
        found
    }

    #[test]
    fn lines_are_the_same_however_they_are_cut() {
        let whole = lines(b"EHLO a\r\n\r\n.\r\nno end", 64);
        let texts: [&[u8]; 3] = [b"EHLO a", b"", b"."];
        assert_eq!(whole, texts.map(|text| Ok(text.to_vec())));
        for size in 1..20 {
            assert_eq!(lines(b"EHLO a\r\n\r\n.\r\nno end", size), whole, "{size}");
        }
    }

    #[test]
    fn a_lone_end_is_a_fault() {
        for stream in ["a\n.\r\n", "a\r.\r\n", "a\r\r\n", "\n"] {
            for size in 1..6 {
                assert_eq!(lines(stream.as_bytes(), size), [Err(Fault::LoneEnd)]);
            }
        }
    }

    #[test]
    fn a_line_beyond_the_limit_is_a_fault_before_its_end_comes() {
        let longest = [&[b'a'; MOST_LINE_BYTES - 2][..], b"\r\n"].concat();
        let longer = [b'a'; MOST_LINE_BYTES + 1];
        for size in [1, 7, 4096] {
            assert!(lines(&longest, size)[0].is_ok(), "{size}");
            assert_eq!(lines(&longer, size), [Err(Fault::TooLong)], "{size}");
        }
    }
}
