//! The parser of commands. Bytes come in any cuts; a command comes out when its last byte is there.

use std::fmt;
use std::ops::Range;

use super::inline;
use super::integer::parse_integer;

/// The longest line: a command in a line, or the announcement of a length.
pub(crate) const MAX_LINE_BYTES: usize = 64 << 10;

/// The most arguments of a command, its name included.
pub(crate) const MAX_ARGUMENTS: i64 = 1 << 20;

/// The longest argument. Redis takes 512 MiB, of which ten clients fill this machine.
pub(crate) const MAX_BULK_BYTES: i64 = 16 << 20;

/// The longest command, with all of its arguments.
pub(crate) const MAX_COMMAND_BYTES: usize = 32 << 20;

/// The number of arguments whose memory is kept for the next command.
const KEPT_ARGUMENTS: usize = 64;

/// A parser of the commands of one connection.
///
/// The caller keeps the bytes, and the parser remembers its place in a command that is incomplete. So no byte of it is
/// looked at again, in whatever pieces it comes.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    /// The arguments so far, as places in the input, or in `unquoted` if the command is a line.
    arguments: Vec<Range<usize>>,
    /// The words of a command in a line, without their quotes.
    unquoted: Vec<u8>,
    /// The number of bytes of the present command that are understood.
    understood: usize,
    /// The number of bytes after `understood` in which there is no end of a line.
    searched: usize,
    /// The number of arguments that are still to come.
    missing: i64,
    /// The length of the argument that comes next, once it is announced.
    announced: Option<usize>,
}

/// A command, and the number of its bytes in the input.
#[derive(Debug)]
pub(crate) struct Parsed<'a> {
    pub(crate) arguments: Arguments<'a>,
    pub(crate) length: usize,
}

/// The arguments of a command. The first is its name. An empty line has none.
#[derive(Clone, Copy)]
pub(crate) struct Arguments<'a> {
    bytes: &'a [u8],
    places: &'a [Range<usize>],
}

impl<'a> Arguments<'a> {
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    #[inline]
    pub(crate) fn get(&self, number: usize) -> Option<&'a [u8]> {
        self.places
            .get(number)
            .map(|place| &self.bytes[place.clone()])
    }

    /// Returns the arguments from `number` on.
    #[inline]
    pub(crate) fn from(&self, number: usize) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let Self { bytes, places } = *self;
        places
            .get(number..)
            .unwrap_or_default()
            .iter()
            .map(|place| &bytes[place.clone()])
    }
}

impl fmt::Debug for Arguments<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts = self.from(0).map(<[u8]>::escape_ascii);
        formatter
            .debug_list()
            .entries(texts.map(|text| text.to_string()))
            .finish()
    }
}

impl Parser {
    /// Takes the next command off `input`. Returns `None` if it is incomplete: the next call then has the same bytes again,
    /// with more after them. After a command, the next call begins with the bytes after the command.
    #[inline]
    pub(crate) fn next<'a>(
        &'a mut self,
        input: &'a [u8],
    ) -> Result<Option<Parsed<'a>>, ProtocolError> {
        if self.missing == 0 {
            self.forget_arguments();
            match input.first() {
                Some(b'*') => {}
                Some(_) => return self.next_line(input),
                None => return Ok(None),
            }
            let Some(count) = self.count(input)? else {
                return Ok(None);
            };
            self.missing = count;
        }
        while self.missing > 0 {
            let Some(argument) = self.argument(input)? else {
                return Ok(None);
            };
            self.arguments.push(argument);
            self.missing -= 1;
        }
        Ok(Some(Parsed {
            arguments: Arguments {
                bytes: input,
                places: &self.arguments,
            },
            length: std::mem::take(&mut self.understood),
        }))
    }

    /// Forgets the last command, and frees the memory that a long one has left.
    #[inline]
    fn forget_arguments(&mut self) {
        self.arguments.clear();
        if self.arguments.capacity() > KEPT_ARGUMENTS {
            self.arguments.shrink_to(KEPT_ARGUMENTS);
            self.unquoted = Vec::new();
        }
    }

    /// Takes the announcement of the number of arguments. Below zero it counts as zero.
    #[inline]
    fn count(&mut self, input: &[u8]) -> Result<Option<i64>, ProtocolError> {
        if let Some(count) = self.short_number(input, b'*') {
            return Ok(Some(count));
        }
        let Some(line) = self.line(input, b'\r', ProtocolError::TooBigCount)? else {
            return Ok(None);
        };
        match parse_integer(&line[1..]) {
            Some(count) if count <= MAX_ARGUMENTS => Ok(Some(count.max(0))),
            _ => Err(ProtocolError::InvalidCount),
        }
    }

    /// Takes one argument: its length in a line, its bytes, and an end of a line, at which Redis does not look either.
    #[inline]
    fn argument(&mut self, input: &[u8]) -> Result<Option<Range<usize>>, ProtocolError> {
        let Some(length) = self.length(input)? else {
            return Ok(None);
        };
        let start = self.understood;
        let end = start + length;
        if end > MAX_COMMAND_BYTES {
            return Err(ProtocolError::TooBigCommand);
        }
        if input.len() < end + 2 {
            self.announced = Some(length);
            return Ok(None);
        }
        self.understood = end + 2;
        Ok(Some(start..end))
    }

    /// Takes the announcement of the length of an argument, unless an earlier call has.
    #[inline]
    fn length(&mut self, input: &[u8]) -> Result<Option<usize>, ProtocolError> {
        if let Some(length) = self.announced.take() {
            return Ok(Some(length));
        }
        if let Some(length) = self.short_number(input, b'$') {
            return Ok(usize::try_from(length).ok());
        }
        let Some(line) = self.line(input, b'\r', ProtocolError::TooBigLength)? else {
            return Ok(None);
        };
        bulk_length(line).map(Some)
    }

    /// Takes a line of one or two digits after `kind`, which nearly all announcements are: no end has to be searched for.
    #[inline]
    fn short_number(&mut self, input: &[u8], kind: u8) -> Option<i64> {
        let (number, length) = match &input[self.understood..] {
            [first, digit @ b'0'..=b'9', b'\r', _, ..] if *first == kind => (digit - b'0', 4),
            [first, ten @ b'1'..=b'9', digit @ b'0'..=b'9', b'\r', _, ..] if *first == kind => {
                ((ten - b'0') * 10 + (digit - b'0'), 5)
            }
            _ => return None,
        };
        self.understood += length;
        self.searched = 0;
        Some(number.into())
    }

    /// Takes a line that is a command of its own.
    fn next_line<'a>(&'a mut self, input: &'a [u8]) -> Result<Option<Parsed<'a>>, ProtocolError> {
        let Some(line) = self.line(input, b'\n', ProtocolError::TooBigLine)? else {
            return Ok(None);
        };
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        self.unquoted.clear();
        inline::split(line, &mut self.unquoted, &mut self.arguments)
            .map_err(|_| ProtocolError::UnbalancedQuotes)?;
        Ok(Some(Parsed {
            arguments: Arguments {
                bytes: &self.unquoted,
                places: &self.arguments,
            },
            length: std::mem::take(&mut self.understood),
        }))
    }

    /// Takes the line up to `end`, and returns it without its end. An end of CR is followed by another byte, the LF.
    #[inline]
    fn line<'a>(
        &mut self,
        input: &'a [u8],
        end: u8,
        too_big: ProtocolError,
    ) -> Result<Option<&'a [u8]>, ProtocolError> {
        let rest = &input[self.understood..];
        let behind = usize::from(end == b'\r');
        match find(&rest[self.searched..], end) {
            Some(found) if self.searched + found > MAX_LINE_BYTES => Err(too_big),
            Some(found) if self.searched + found + behind < rest.len() => {
                let line = &rest[..self.searched + found];
                self.understood += line.len() + 1 + behind;
                self.searched = 0;
                Ok(Some(line))
            }
            // The second byte of the end is missing.
            Some(found) => {
                self.searched += found;
                Ok(None)
            }
            None if rest.len() > MAX_LINE_BYTES => Err(too_big),
            None => {
                self.searched = rest.len();
                Ok(None)
            }
        }
    }
}

/// Returns the place of the first `wanted`.
#[inline]
fn find(bytes: &[u8], wanted: u8) -> Option<usize> {
    bytes.iter().position(|&byte| byte == wanted)
}

#[inline]
fn bulk_length(line: &[u8]) -> Result<usize, ProtocolError> {
    let [b'$', digits @ ..] = line else {
        // An empty line is a CR at this place.
        let got = line.first().copied().unwrap_or(b'\r');
        return Err(ProtocolError::ExpectedBulk(got));
    };
    match parse_integer(digits) {
        Some(length) if length <= MAX_BULK_BYTES => {
            usize::try_from(length).map_err(|_| ProtocolError::InvalidLength)
        }
        _ => Err(ProtocolError::InvalidLength),
    }
}

/// The bytes are no command, and nothing can be found in the bytes after them. Its text is that of Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProtocolError {
    ExpectedBulk(u8),
    InvalidCount,
    InvalidLength,
    TooBigCommand,
    TooBigCount,
    TooBigLength,
    TooBigLine,
    UnbalancedQuotes,
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Protocol error: ")?;
        formatter.write_str(match self {
            Self::ExpectedBulk(got) => {
                return write!(formatter, "expected '$', got '{}'", char::from(*got));
            }
            Self::InvalidCount => "invalid multibulk length",
            Self::InvalidLength => "invalid bulk length",
            // Redis closes the connection without a word.
            Self::TooBigCommand => "too big command",
            Self::TooBigCount => "too big mbulk count string",
            Self::TooBigLength => "too big bulk count string",
            Self::TooBigLine => "too big inline request",
            Self::UnbalancedQuotes => "unbalanced quotes in request",
        })
    }
}

#[cfg(test)]
#[path = "parser_tests.rs"]
mod tests;
