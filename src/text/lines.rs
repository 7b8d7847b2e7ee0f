//! Whole lines from a stream whose chunks cut them anywhere.

use std::fmt;
use std::io::BufRead;

/// The number of leading bytes that are searched for LF eight at a time. After them, `skip_until` searches.
const NEAR_BYTES: usize = 64;

/// A splitter of a stream into lines, which keeps the beginning of a line until the rest has arrived.
///
/// A line ends with LF or CR LF, which are not part of the line. A CR elsewhere is an ordinary byte. A line within one
/// chunk is borrowed from the chunk. A line that exceeds the limit is reported as an error in its place, as soon as the
/// line is too long. Its rest is skipped, so no peer can make the memory grow. The lines after it follow as usual.
///
/// An example within a handler, whose fields are borrowed separately:
///
/// ```
/// use netloop::text::Lines;
///
/// struct Commands {
///     lines: Lines,
///     served: usize,
/// }
///
/// impl Commands {
///     // `on_data` of a `SocketHandler`; what is pushed to `answers` would be written to its socket.
///     fn on_data(&mut self, data: &[u8], answers: &mut Vec<String>) {
///         for line in self.lines.push(data) {
///             match line {
///                 Ok(b"PING") => answers.push("PONG".to_owned()),
///                 Ok(_) => answers.push("what?".to_owned()),
///                 Err(too_long) => answers.push(too_long.to_string()),
///             }
///             self.served += 1;
///         }
///     }
/// }
///
/// let mut commands = Commands { lines: Lines::new(512), served: 0 };
/// let mut answers = Vec::new();
/// commands.on_data(b"PING\r\nPI", &mut answers);
/// commands.on_data(b"NG\nHELLO\n", &mut answers);
/// assert_eq!(answers, ["PONG", "PONG", "what?"]);
/// assert_eq!(commands.served, 3);
/// ```
///
/// To call a method of the whole handler for each line, take the splitter out, and put it back after the loop:
/// `let mut lines = std::mem::take(&mut self.lines)`.
#[derive(Clone, Debug)]
#[doc(alias = "readline")]
pub struct Lines {
    max_line_bytes: usize,
    /// The beginning of a line whose end has not arrived. Invariant: at most `max_line_bytes` long, or one byte longer
    /// if the last byte is a CR, which may be half of CR LF.
    partial: Vec<u8>,
    /// The line that `push` has joined from several chunks, or that `finish` has returned. The line is apart from
    /// `partial`, which already has the beginning of the next line while this line is lent out.
    joined: Vec<u8>,
    /// Whether the present line was too long. The rest of such a line is skipped.
    is_skipping: bool,
}

impl Lines {
    /// Makes a splitter for lines of at most `max_line_bytes` bytes, their ends not counted. The splitter keeps at most
    /// two such lines in memory.
    #[must_use]
    pub fn new(max_line_bytes: usize) -> Self {
        Self {
            max_line_bytes,
            partial: Vec::new(),
            joined: Vec::new(),
            is_skipping: false,
        }
    }

    /// Returns the lines that `bytes` completes. The call consumes all of `bytes` at once: dropping the iterator loses
    /// the lines that are left in it.
    ///
    /// ```
    /// use netloop::text::Lines;
    ///
    /// let mut lines = Lines::new(512);
    /// assert_eq!(lines.push(b"PI").count(), 0);
    /// assert_eq!(lines.push(b"NG\nHEL").next(), Some(Ok(&b"PING"[..])));
    /// ```
    pub fn push<'a>(&'a mut self, bytes: &'a [u8]) -> CompletedLines<'a> {
        let (earlier, rest) = if self.partial.is_empty() && !self.is_skipping {
            (Earlier::Goes, bytes)
        } else {
            self.go_on(bytes)
        };
        let last_end = rest.iter().rposition(|&byte| byte == b'\n');
        let beginning = &rest[last_end.map_or(0, |index| index + 1)..];
        let too_long = LineTooLong {
            max_line_bytes: self.max_line_bytes,
        };
        let last = if self.keep(beginning) {
            None
        } else {
            Some(too_long)
        };
        let first = match earlier {
            Earlier::Goes => None,
            Earlier::Ended => Some(Ok(without_return(&self.joined))),
            Earlier::TooLong => Some(Err(too_long)),
        };
        CompletedLines {
            remainder: if first.is_some() { bytes } else { rest },
            first,
            behind_first: rest,
            beginning_bytes: beginning.len(),
            last,
            too_long,
        }
    }

    /// Returns the last line of the stream, if it has no end. A CR as its last byte is removed, as half of CR LF.
    /// `None` also if it was too long, which [`push`](Self::push) has reported. The next push begins a new stream.
    ///
    /// ```
    /// use netloop::text::Lines;
    ///
    /// let mut lines = Lines::new(512);
    /// assert_eq!(lines.push(b"one\ntwo").count(), 1);
    /// // In `on_end`.
    /// assert_eq!(lines.finish(), Some(&b"two"[..]));
    /// assert_eq!(lines.finish(), None);
    /// ```
    pub fn finish(&mut self) -> Option<&[u8]> {
        self.is_skipping = false;
        self.joined.clear();
        std::mem::swap(&mut self.joined, &mut self.partial);
        if self.joined.is_empty() {
            None
        } else {
            Some(without_return(&self.joined))
        }
    }

    /// Continues the line that began in an earlier chunk. Returns the line's state, and the bytes after its end.
    fn go_on<'a>(&mut self, bytes: &'a [u8]) -> (Earlier, &'a [u8]) {
        let end = end_of_line(bytes);
        let (line, rest) = match end {
            Some(end) => (&bytes[..end - 1], &bytes[end..]),
            None => (bytes, &[][..]),
        };
        let was_skipping = self.is_skipping;
        let fits = was_skipping || self.keep(line);
        if end.is_some() {
            self.is_skipping = false;
            self.joined.clear();
            std::mem::swap(&mut self.joined, &mut self.partial);
        }
        let earlier = match (fits, end) {
            (false, _) => Earlier::TooLong,
            (true, Some(_)) if !was_skipping => Earlier::Ended,
            (true, _) => Earlier::Goes,
        };
        (earlier, rest)
    }

    /// Appends `bytes` to the line that has no end yet. Returns `false`, and skips the line, if it is too long.
    fn keep(&mut self, bytes: &[u8]) -> bool {
        // One byte more may be a CR: only the next byte shows whether it belongs to the line or to its end.
        let fits = bytes.len() <= self.max_line_bytes.saturating_add(1) - self.partial.len() && {
            self.partial.extend_from_slice(bytes);
            without_return(&self.partial).len() <= self.max_line_bytes
        };
        if !fits {
            self.partial.clear();
            self.is_skipping = true;
        }
        fits
    }
}

/// Limits lines to 64 KiB, as Redis limits a command in one line.
impl Default for Lines {
    fn default() -> Self {
        Self::new(64 << 10)
    }
}

/// An iterator over the lines that a [`push`](Lines::push) has completed.
///
/// ```
/// use netloop::text::Lines;
///
/// let mut lines = Lines::new(8);
/// let mut completed = lines.push(b"one\ntwo\nthr");
/// assert_eq!(completed.next(), Some(Ok(&b"one"[..])));
/// assert_eq!(completed.next(), Some(Ok(&b"two"[..])));
/// assert_eq!(completed.next(), None);
/// assert_eq!(lines.finish(), Some(&b"thr"[..]));
/// ```
#[derive(Debug)]
#[must_use = "the lines in it are gone when it is dropped"]
pub struct CompletedLines<'a> {
    /// The bytes of the chunk after the line that was returned last. Before the first line, this is the whole chunk if
    /// `first` is `Some`, and otherwise the same as `behind_first`.
    remainder: &'a [u8],
    /// The line that began in an earlier chunk, until it is returned.
    first: Option<Result<&'a [u8], LineTooLong>>,
    /// The bytes of the chunk, without the first ones if these continue the line of an earlier chunk.
    behind_first: &'a [u8],
    /// The number of bytes at the end of the chunk that begin a line without an end.
    beginning_bytes: usize,
    /// The error for a line that has no end in this chunk and is too long already.
    last: Option<LineTooLong>,
    too_long: LineTooLong,
}

impl<'a> CompletedLines<'a> {
    /// Returns the bytes of the chunk after the line that the iterator returned last: whole lines, and then the
    /// beginning of a line. Before the first line, this is the whole chunk, without the rest of an earlier line that is
    /// not returned here. Such a line was reported as too long before, or has no end in the chunk. After the error for
    /// a line without an end in the chunk, the remainder is empty.
    ///
    /// If a line switches to another protocol, the remainder has the first bytes of that protocol. The [`Lines`] keeps
    /// a copy of the incomplete line at its end. To read lines from the remainder, use another `Lines`, or the same
    /// after a [`finish`](Lines::finish).
    ///
    /// ```
    /// use netloop::text::Lines;
    ///
    /// let mut lines = Lines::new(512);
    /// let mut completed = lines.push(b"HELLO\r\nBINARY\r\n\x00\x2a\n");
    /// while let Some(line) = completed.next() {
    ///     if line? == b"BINARY" {
    ///         break;
    ///     }
    /// }
    /// assert_eq!(completed.remainder(), b"\x00\x2a\n");
    /// # Ok::<(), netloop::text::LineTooLong>(())
    /// ```
    #[must_use]
    pub fn remainder(&self) -> &'a [u8] {
        self.remainder
    }
}

impl<'a> Iterator for CompletedLines<'a> {
    type Item = Result<&'a [u8], LineTooLong>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(first) = self.first.take() {
            self.remainder = self.behind_first;
            return Some(first);
        }
        if self.remainder.len() == self.beginning_bytes {
            let last = self.last.take()?;
            self.remainder = &[];
            return Some(Err(last));
        }
        let end = end_of_line(self.remainder)?;
        let line = without_return(&self.remainder[..end - 1]);
        self.remainder = &self.remainder[end..];
        if line.len() > self.too_long.max_line_bytes {
            return Some(Err(self.too_long));
        }
        Some(Ok(line))
    }
}

/// The error in place of a line that was longer than the limit.
///
/// ```
/// use netloop::text::Lines;
///
/// let mut lines = Lines::new(4);
/// let error = lines.push(b"longer\n").next().unwrap().unwrap_err();
/// assert_eq!(error.max_line_bytes(), 4);
/// assert_eq!(error.to_string(), "a line has more than 4 bytes");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineTooLong {
    max_line_bytes: usize,
}

impl LineTooLong {
    /// Returns the limit, in bytes.
    #[must_use]
    pub fn max_line_bytes(&self) -> usize {
        self.max_line_bytes
    }
}

impl fmt::Display for LineTooLong {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "a line has more than {} bytes",
            self.max_line_bytes
        )
    }
}

impl std::error::Error for LineTooLong {}

/// The state of a line that began in an earlier chunk, after a further chunk.
enum Earlier {
    /// Nothing to return: the line has no end yet, or its error was returned before, or no line began earlier.
    Goes,
    /// The line is complete, in `joined`.
    Ended,
    /// The line has just become too long.
    TooLong,
}

/// Returns the number of bytes of the first line, its end included; `None` if the line has no end.
#[inline]
fn end_of_line(bytes: &[u8]) -> Option<usize> {
    let (near, far) = bytes.split_at(bytes.len().min(NEAR_BYTES));
    end_of_near_line(near).or_else(|| {
        let mut rest = far;
        // `skip_until` is the stable access to the standard library's search for a byte. Reading from memory cannot fail.
        let length = rest.skip_until(b'\n').unwrap_or(0);
        far[..length]
            .ends_with(b"\n")
            .then_some(near.len() + length)
    })
}

/// Searches eight bytes at a time. For a short line this takes half of the instructions that `skip_until` takes before
/// its first byte (D46 in `benches/DECISIONS.md`).
#[inline]
fn end_of_near_line(bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::MAX / 255;
    let mut rest = bytes;
    while let Some((word, behind)) = rest.split_first_chunk() {
        // The highest bit of each byte that is LF. Other bytes after the first LF may have the bit, and do not count.
        let differences = u64::from_le_bytes(*word) ^ (ONES * 0x0A);
        let ends = differences.wrapping_sub(ONES) & !differences & (ONES << 7);
        if ends != 0 {
            return Some(bytes.len() - rest.len() + ends.trailing_zeros() as usize / 8 + 1);
        }
        rest = behind;
    }
    let end = rest.iter().position(|&byte| byte == b'\n')?;
    Some(bytes.len() - rest.len() + end + 1)
}

fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
#[path = "lines_tests.rs"]
mod tests;
