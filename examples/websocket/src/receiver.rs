//! From bytes to messages: the frames of one client, whatever the network has cut. It knows no sockets.

use std::str;

use netloop::text::Utf8Decoder;

use crate::frame::{Header, LONGEST_HEADER, Opcode};
use crate::mask;
use crate::violation::{self, Violation};

/// The memory that an idle connection may keep for its next message.
const KEPT_BYTES: usize = 4 << 10;

/// The limits on the messages of a client, in bytes of payload.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) frame: usize,
    pub(crate) message: usize,
}

/// Something that the client has said, whole.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event<'a> {
    Text(&'a str),
    Binary(&'a [u8]),
    Ping(&'a [u8]),
    Pong,
    /// The client closes; with a code, or without one.
    Close(Option<u16>),
}

/// The frame whose payload is arriving.
struct Frame {
    is_final: bool,
    opcode: Opcode,
    /// The mask for the next byte and those after it.
    mask: [u8; 4],
    /// The number of bytes that have not arrived.
    missing: usize,
}

/// The receiving half of a connection.
pub(crate) struct Receiver {
    limits: Limits,
    /// The beginning of a header that was cut.
    header: Vec<u8>,
    frame: Option<Frame>,
    /// The payload of the control frame, which may come between the fragments of a message.
    control: Vec<u8>,
    /// The payload of the message so far.
    message: Vec<u8>,
    /// [`Opcode::Text`] or [`Opcode::Binary`] from the first frame of a message to its last.
    message_opcode: Option<Opcode>,
    /// The check of a text that has not arrived whole.
    text: Utf8Decoder,
}

impl Receiver {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            header: Vec::new(),
            frame: None,
            control: Vec::new(),
            message: Vec::new(),
            message_opcode: None,
            text: Utf8Decoder::new(),
        }
    }

    /// Whether the client has begun to say something and has not come to its end.
    pub(crate) fn is_within_message(&self) -> bool {
        self.frame.is_some() || self.message_opcode.is_some() || !self.header.is_empty()
    }

    /// Takes the bytes up to the end of the next event from the front of `bytes`, and returns the event. Returns `None`
    /// when all bytes are used. A violation is the last word of a receiver: it cannot go on after it.
    pub(crate) fn next(&mut self, bytes: &mut &[u8]) -> Result<Option<Event<'_>>, Violation> {
        let Some(opcode) = self.advance(bytes)? else {
            self.free_spike();
            return Ok(None);
        };
        Ok(Some(match opcode {
            Opcode::Text => match str::from_utf8(&self.message) {
                Ok(text) => Event::Text(text),
                Err(_) => return Err(Violation::invalid_text()),
            },
            // A message has the opcode of its first frame, whichever frame ended it.
            Opcode::Binary | Opcode::Continuation => Event::Binary(&self.message),
            Opcode::Ping => Event::Ping(&self.control),
            Opcode::Pong => Event::Pong,
            Opcode::Close => Event::Close(close_code(&self.control)?),
        }))
    }

    /// Goes on to the end of a control frame or of a message, and returns its opcode; returns `None` if `bytes` end
    /// before.
    fn advance(&mut self, bytes: &mut &[u8]) -> Result<Option<Opcode>, Violation> {
        loop {
            let mut frame = match self.frame.take() {
                Some(frame) => frame,
                None => match self.read_header(bytes)? {
                    Some(header) => self.begin(header)?,
                    None => return Ok(None),
                },
            };
            let is_control = frame.opcode.is_control();
            let (piece, behind) = bytes.split_at(frame.missing.min(bytes.len()));
            *bytes = behind;
            let payload = match is_control {
                true => &mut self.control,
                false => &mut self.message,
            };
            let start = payload.len();
            payload.extend_from_slice(piece);
            mask::apply(frame.mask, &mut payload[start..]);
            frame.mask.rotate_left(piece.len() % 4);
            frame.missing -= piece.len();

            let is_whole = frame.missing == 0;
            match (is_control, is_whole && frame.is_final) {
                (true, true) => return Ok(Some(frame.opcode)),
                (false, true) => return Ok(self.message_opcode.take()),
                (false, false) if self.message_opcode == Some(Opcode::Text) => {
                    // A bad byte is told when it comes. The whole text is checked at its end anyway.
                    let piece = &self.message[start..];
                    self.text
                        .push_strict(piece)
                        .map_err(|_| Violation::invalid_text())?;
                }
                _ => {}
            }
            if !is_whole {
                self.frame = Some(frame);
                return Ok(None);
            }
        }
    }

    fn read_header(&mut self, bytes: &mut &[u8]) -> Result<Option<Header>, Violation> {
        if self.header.is_empty() {
            if let Some((header, length)) = Header::parse(bytes)? {
                *bytes = &bytes[length..];
                return Ok(Some(header));
            }
        }
        // The header was cut, here or before.
        let known = self.header.len();
        let piece = &bytes[..bytes.len().min(LONGEST_HEADER - known)];
        self.header.extend_from_slice(piece);
        match Header::parse(&self.header)? {
            Some((header, length)) => {
                *bytes = &bytes[length - known..];
                self.header.clear();
                Ok(Some(header))
            }
            None => {
                *bytes = &[];
                Ok(None)
            }
        }
    }

    /// Checks a header against the frames before it and the limits.
    fn begin(&mut self, header: Header) -> Result<Frame, Violation> {
        match (header.opcode, self.message_opcode) {
            (Opcode::Continuation, None) => {
                return Err(Violation::of_protocol("a continuation of nothing"));
            }
            (Opcode::Text | Opcode::Binary, Some(_)) => {
                return Err(Violation::of_protocol("a message within a message"));
            }
            (Opcode::Text | Opcode::Binary, None) => {
                self.message.clear();
                self.text = Utf8Decoder::new();
                self.message_opcode = Some(header.opcode);
            }
            (Opcode::Continuation, Some(_)) => {}
            _ => self.control.clear(),
        }
        let missing = match usize::try_from(header.length) {
            Ok(length) if length <= self.limits.frame => length,
            _ => return Err(Violation::too_big("a frame over the limit")),
        };
        if !header.opcode.is_control() && missing > self.limits.message - self.message.len() {
            return Err(Violation::too_big("a message over the limit"));
        }
        Ok(Frame {
            is_final: header.is_final,
            opcode: header.opcode,
            mask: header.mask,
            missing,
        })
    }

    /// Gives back the memory of a long message that was dealt with.
    fn free_spike(&mut self) {
        if self.message_opcode.is_none() && self.message.capacity() > KEPT_BYTES {
            self.message = Vec::new();
        }
    }
}

/// Reads the payload of a Close frame: nothing, or a code and a text.
fn close_code(payload: &[u8]) -> Result<Option<u16>, Violation> {
    match payload {
        [] => Ok(None),
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            if !violation::may_be_received(code) {
                Err(Violation::of_protocol("a close code that is reserved"))
            } else if str::from_utf8(reason).is_err() {
                Err(Violation::invalid_text())
            } else {
                Ok(Some(code))
            }
        }
        _ => Err(Violation::of_protocol("half a close code")),
    }
}

#[cfg(test)]
#[path = "receiver_tests.rs"]
mod tests;
