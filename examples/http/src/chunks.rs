//! The chunked body of a request, undone: a state machine that takes bytes in any cuts.
//!
//! It is strict where others were lenient and let requests be smuggled: a size is hexadecimal digits only, and each line
//! ends with CR LF.

use crate::requests::Part;
use crate::status::Status;

/// The most bytes of extensions and trailers of a body. They are read and dropped, so a client could send them for ever.
const MOST_DROPPED: u32 = 16 << 10;

/// The most digits of a size: more would not fit.
const MOST_DIGITS: u8 = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Within the size of a chunk, after so many digits.
    Size(u8),
    /// After the size, in white space that old clients put there.
    Blank,
    Extension,
    /// Before the LF after a size.
    SizeEnd,
    Data,
    /// Before the CR after a chunk.
    DataCr,
    /// Before the LF after a chunk.
    DataLf,
    /// At the start of a line after the last chunk.
    Line,
    Trailer,
    /// Before the LF after a trailer.
    TrailerEnd,
    /// Before the last LF.
    LastLf,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Chunks {
    state: State,
    /// The size of the chunk, or the part of it that is still to come.
    left: u64,
    /// The bytes that further chunks may have.
    allowed: u64,
    dropped: u32,
}

impl Chunks {
    /// A body of at most `limit` bytes.
    pub(crate) fn new(limit: u64) -> Self {
        Self {
            state: State::Size(0),
            left: 0,
            allowed: limit,
            dropped: 0,
        }
    }

    /// Takes the next part off `data`: bytes of the body, or its end. Returns `None` when `data` is empty.
    pub(crate) fn next<'d>(
        &mut self,
        data: &mut &'d [u8],
    ) -> Result<Option<Part<'static, 'd>>, Status> {
        while let Some((&byte, rest)) = data.split_first() {
            if self.state == State::Data {
                return Ok(Some(self.take(data)));
            }
            *data = rest;
            self.state = match (self.state, byte) {
                (State::Size(digits), _) if byte.is_ascii_hexdigit() => self.digit(digits, byte)?,
                (State::Size(1..) | State::Blank, b' ' | b'\t') => self.drop_one(State::Blank)?,
                (State::Size(1..) | State::Blank, b';') => self.drop_one(State::Extension)?,
                (State::Size(1..) | State::Extension, b'\r') => State::SizeEnd,
                (State::Extension, _) if is_text(byte) => self.drop_one(State::Extension)?,
                (State::SizeEnd, b'\n') => self.begin()?,
                (State::DataCr, b'\r') => State::DataLf,
                (State::DataLf, b'\n') => State::Size(0),
                (State::Line, b'\r') => State::LastLf,
                // A line that begins with white space would go on with the line before it.
                (State::Line, b' ' | b'\t') => return Err(Status::BadRequest),
                (State::Trailer, b'\r') => State::TrailerEnd,
                (State::Line | State::Trailer, _) if is_text(byte) => {
                    self.drop_one(State::Trailer)?
                }
                (State::TrailerEnd, b'\n') => State::Line,
                (State::LastLf, b'\n') => return Ok(Some(Part::End)),
                _ => return Err(Status::BadRequest),
            };
        }
        Ok(None)
    }

    fn digit(&mut self, digits: u8, digit: u8) -> Result<State, Status> {
        if digits == MOST_DIGITS {
            return Err(Status::BadRequest);
        }
        let value = char::from(digit).to_digit(16).unwrap_or_default();
        self.left = (self.left << 4) | u64::from(value);
        Ok(State::Size(digits + 1))
    }

    fn begin(&mut self) -> Result<State, Status> {
        let allowed = self.allowed.checked_sub(self.left);
        self.allowed = allowed.ok_or(Status::ContentTooLarge)?;
        Ok(match self.left {
            0 => State::Line,
            _ => State::Data,
        })
    }

    /// Takes the bytes of the chunk off `data`.
    fn take<'d>(&mut self, data: &mut &'d [u8]) -> Part<'static, 'd> {
        let bytes = take(data, &mut self.left);
        if self.left == 0 {
            self.state = State::DataCr;
        }
        Part::Body(bytes)
    }

    fn drop_one(&mut self, next: State) -> Result<State, Status> {
        self.dropped += 1;
        match self.dropped <= MOST_DROPPED {
            true => Ok(next),
            false => Err(Status::HeadTooLarge),
        }
    }
}

/// Takes at most `left` bytes off `data`, and off `left`.
pub(crate) fn take<'d>(data: &mut &'d [u8], left: &mut u64) -> &'d [u8] {
    let length = usize::try_from(*left).map_or(data.len(), |left| left.min(data.len()));
    let (bytes, rest) = data.split_at(length);
    *data = rest;
    *left -= length as u64;
    bytes
}

/// Whether a byte may stand in the value of a field.
fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}
