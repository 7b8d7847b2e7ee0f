//! Lines that come in pieces, one whole line at a time.

use std::fmt;
use std::io::BufRead;

/// A cutter of a stream's bytes into lines, which keeps the beginning of a line until the rest of it has come.
///
/// A line ends with LF or CR LF, which are not part of it; a CR elsewhere is a byte like any other. A line that lies
/// whole in its chunk is borrowed from there and costs no copy. A line longer than the limit is an error in its place,
/// as soon as it is too long. It is skipped to its end, and the lines behind it come as if it had not been. So no peer
/// can make this grow.
///
/// Within a handler, whose own fields are borrowed apart from one another:
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
/// To call a method of the whole handler for each line, take the lines out (`let mut lines = std::mem::take(&mut
/// self.lines)`), and put them back behind the loop.
#[derive(Clone, Debug)]
#[doc(alias = "readline")]
pub struct Lines {
    max_line_bytes: usize,
    /// The beginning of the line that has no end yet.
    ///
    /// Invariant: at most the greatest length, and one byte more if that is a CR, which may be half of an end.
    partial: Vec<u8>,
    /// The last line that came in pieces. It is apart from `partial`, because the beginning of the next line is known
    /// while this one is still lent out.
    joined: Vec<u8>,
    /// The line was too long: the rest of it is skipped, up to its end.
    is_skipping: bool,
}

impl Lines {
    /// Makes a cutter for lines of at most `max_line_bytes` bytes each, without their ends. It keeps two times as many
    /// at most.
    #[must_use]
    pub fn new(max_line_bytes: usize) -> Self {
        Self {
            max_line_bytes,
            partial: Vec::new(),
            joined: Vec::new(),
            is_skipping: false,
        }
    }

    /// Returns the lines that `bytes` completes.
    ///
    /// All of `bytes` is taken at once: lines that are still in the iterator when it is dropped are gone.
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

    /// Returns the line that the stream left without an end, if there is one. A CR at its very end counts as half of an
    /// end. The next push begins a new stream.
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

    /// Continues the line that began earlier. Returns its fate, and the bytes behind it.
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

    /// Adds to the line that has no end yet, and returns whether it still fits. If not, it is dropped, and the rest of
    /// it will be skipped.
    fn keep(&mut self, bytes: &[u8]) -> bool {
        // One byte over the length may be the CR of its end, which only the byte behind it decides.
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

/// Lines of at most 64 KiB, as Redis has it for a command in one line.
impl Default for Lines {
    fn default() -> Self {
        Self::new(64 << 10)
    }
}

/// The lines that a [`push`](Lines::push) has completed, in their order.
#[derive(Debug)]
#[must_use = "the lines in it are gone when it is dropped"]
pub struct CompletedLines<'a> {
    /// The bytes of the chunk behind the line that was given last: whole lines, each with its end, and then the
    /// beginning of one. Before `first` is given it is all of the chunk.
    remainder: &'a [u8],
    /// The line that began in an earlier chunk.
    first: Option<Result<&'a [u8], LineTooLong>>,
    /// The bytes of the chunk behind `first`.
    behind_first: &'a [u8],
    /// The length of the beginning of a line at the end of the chunk.
    beginning_bytes: usize,
    /// The line that has no end in this chunk, and is too long already.
    last: Option<LineTooLong>,
    too_long: LineTooLong,
}

impl<'a> CompletedLines<'a> {
    /// Returns the bytes of the chunk behind the line that the iterator gave last: further lines, and the beginning of
    /// one. Before the first line it is the whole chunk, behind a last line that is too long it is empty.
    ///
    /// These are the bytes that the next handler has to read when a line switches to another protocol. The [`Lines`]
    /// keeps a copy of the beginning at their end. To read lines from the remainder, use another one, or the same after
    /// a [`finish`](Lines::finish).
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

/// A line had more bytes than were allowed, and is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineTooLong {
    max_line_bytes: usize,
}

impl LineTooLong {
    /// Returns the number of bytes that were allowed.
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

/// The fate of a line that began in an earlier chunk.
enum Earlier {
    /// It has no end yet, or it was reported already, or there was none.
    Goes,
    /// It is whole, in `joined`.
    Ended,
    /// It has just become too long.
    TooLong,
}

/// Returns the number of bytes of the first line, with its end; `None` if it has none.
fn end_of_line(mut bytes: &[u8]) -> Option<usize> {
    let line = bytes;
    // The standard library's way to its fast search for a byte. Reading from memory cannot fail.
    let length = bytes.skip_until(b'\n').unwrap_or(0);
    line[..length].ends_with(b"\n").then_some(length)
}

fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
#[path = "lines_tests.rs"]
mod tests;
