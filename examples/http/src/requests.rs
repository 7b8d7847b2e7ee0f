//! The requests of one connection, as a machine without I/O: bytes in, in any cuts; heads, pieces of bodies and ends out.
//!
//! A head that arrives whole is read where it lies. Only a part of one is kept, until the rest comes.

use crate::chunks::{Chunks, take};
use crate::head::{Framing, Head};
use crate::status::Status;

pub(crate) const MOST_HEAD_BYTES: usize = 16 << 10;

/// A part of a request: a head that borrows from the machine or from the data, or bytes of the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part<'m, 'd> {
    Head(Head<'m>),
    Body(&'d [u8]),
    /// The end of the request, with or without a body.
    End,
}

/// The part of a request that was not received yet. The number tells requests apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// There is no request: the connection is idle, or over.
    Nothing,
    Head(u64),
    Body(u64),
}

// With a tag of its own, which takes fewer instructions to read than one in the unused values of `Chunks`.
#[derive(Debug, PartialEq, Eq)]
#[repr(u8)]
enum State {
    Head,
    Body {
        left: u64,
    },
    Chunked(Chunks),
    /// No further byte counts.
    Over,
}

#[derive(Debug)]
pub(crate) struct Requests {
    state: State,
    /// The beginning of a head, or the whole head that was returned last, if it came in several pieces.
    head: Vec<u8>,
    is_head_whole: bool,
    most_body_bytes: u64,
    number: u64,
}

impl Requests {
    pub(crate) fn new(most_body_bytes: u64) -> Self {
        Self {
            state: State::Head,
            head: Vec::new(),
            is_head_whole: false,
            most_body_bytes,
            number: 0,
        }
    }

    /// Takes the next part off `data`. Returns `None` when more bytes are needed; `data` is empty then. After an error the
    /// requests are over: the place where the next one would begin is unknown.
    pub(crate) fn next<'m, 'd: 'm>(
        &'m mut self,
        data: &mut &'d [u8],
    ) -> Result<Option<Part<'m, 'd>>, Status> {
        let part = match &mut self.state {
            State::Head => return self.next_head(data),
            State::Over => {
                *data = &[];
                return Ok(None);
            }
            State::Body { left: 0 } => Some(Part::End),
            State::Body { .. } if data.is_empty() => None,
            State::Body { left } => Some(Part::Body(take(data, left))),
            State::Chunked(chunks) => match chunks.next(data) {
                Ok(part) => part,
                Err(status) => return self.fail(status),
            },
        };
        if matches!(part, Some(Part::End)) {
            self.state = State::Head;
        }
        Ok(part)
    }

    /// Ignores everything from now on.
    pub(crate) fn stop(&mut self) {
        self.state = State::Over;
    }

    pub(crate) fn is_over(&self) -> bool {
        self.state == State::Over
    }

    pub(crate) fn missing(&self) -> Missing {
        match self.state {
            State::Head if self.is_head_whole || self.head.is_empty() => Missing::Nothing,
            State::Head => Missing::Head(self.number),
            State::Body { left: 0 } | State::Over => Missing::Nothing,
            State::Body { .. } | State::Chunked(_) => Missing::Body(self.number),
        }
    }

    fn next_head<'m, 'd: 'm>(
        &'m mut self,
        data: &mut &'d [u8],
    ) -> Result<Option<Part<'m, 'd>>, Status> {
        if self.is_head_whole {
            self.is_head_whole = false;
            self.head = Vec::new();
        }
        if !self.head.is_empty() {
            return self.next_piece(data);
        }
        // Some clients send an empty line after a body.
        while let [b'\r' | b'\n', rest @ ..] = *data {
            *data = rest;
        }
        if data.is_empty() {
            return Ok(None);
        }
        self.number += 1;
        match Head::parse(data) {
            Ok(Some((_, length))) if length > MOST_HEAD_BYTES => self.fail(too_long(data)),
            Ok(Some((head, length))) => {
                *data = &data[length..];
                self.begin(head)
            }
            Ok(None) if data.len() > MOST_HEAD_BYTES => self.fail(too_long(data)),
            Ok(None) => {
                self.head.extend_from_slice(data);
                *data = &[];
                Ok(None)
            }
            Err(status) => self.fail(status),
        }
    }

    /// Adds a piece to a head. The head is parsed again only when it is whole: parsing each piece would take time
    /// quadratic in the pieces.
    #[cold]
    fn next_piece<'m, 'd: 'm>(
        &'m mut self,
        data: &mut &'d [u8],
    ) -> Result<Option<Part<'m, 'd>>, Status> {
        let end = end_of_head(&self.head, data);
        let (piece, rest) = data.split_at(end.unwrap_or(data.len()));
        *data = rest;
        self.head.extend_from_slice(piece);
        if self.head.len() > MOST_HEAD_BYTES {
            let status = too_long(&self.head);
            return self.fail(status);
        }
        if end.is_none() {
            return Ok(None);
        }
        self.is_head_whole = true;
        // Not by `begin` and `fail`, which would borrow the head that is returned.
        let head = match Head::parse(&self.head) {
            Ok(Some((head, length))) if length == self.head.len() => {
                State::of(&head, self.most_body_bytes).map(|state| (head, state))
            }
            Ok(_) => Err(Status::BadRequest),
            Err(status) => Err(status),
        };
        match head {
            Ok((head, state)) => {
                self.state = state;
                Ok(Some(Part::Head(head)))
            }
            Err(status) => {
                self.state = State::Over;
                Err(status)
            }
        }
    }

    fn begin<'m>(&mut self, head: Head<'m>) -> Result<Option<Part<'m, 'static>>, Status> {
        match State::of(&head, self.most_body_bytes) {
            Ok(state) => self.state = state,
            Err(status) => return self.fail(status),
        }
        Ok(Some(Part::Head(head)))
    }

    fn fail(&mut self, status: Status) -> Result<Option<Part<'static, 'static>>, Status> {
        self.stop();
        Err(status)
    }
}

impl State {
    /// The state after `head`.
    fn of(head: &Head<'_>, most_body_bytes: u64) -> Result<Self, Status> {
        match head.framing {
            Framing::Length(left) if left > most_body_bytes => Err(Status::ContentTooLarge),
            Framing::Length(left) => Ok(Self::Body { left }),
            Framing::Chunked => Ok(Self::Chunked(Chunks::new(most_body_bytes))),
        }
    }
}

/// Returns the length of the part of `data` that ends the head, whose beginning is `head`. A head ends with an empty line.
fn end_of_head(head: &[u8], data: &[u8]) -> Option<usize> {
    let mut last = match head {
        [.., before, byte] => [*before, *byte],
        [byte] => [0, *byte],
        [] => [0, 0],
    };
    for (place, &byte) in data.iter().enumerate() {
        if byte == b'\n' && matches!(last, [_, b'\n'] | [b'\n', b'\r']) {
            return Some(place + 1);
        }
        last = [last[1], byte];
    }
    None
}

fn too_long(head: &[u8]) -> Status {
    match head[..MOST_HEAD_BYTES].contains(&b'\n') {
        true => Status::HeadTooLarge,
        false => Status::TargetTooLong,
    }
}

#[cfg(test)]
mod tests;
