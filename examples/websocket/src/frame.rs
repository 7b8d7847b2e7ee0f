//! Frames (RFC 6455, 5.2): the header that a client sends, and the one that the server sends.

use netloop::{Flow, Socket};

use crate::violation::Violation;

/// The longest header of a client: two bytes, a length of eight, and the mask.
pub(crate) const LONGEST_HEADER: usize = 14;

/// The longest payload of a control frame.
const MOST_CONTROL_BYTES: u64 = 125;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opcode {
    Continuation = 0,
    Text = 1,
    Binary = 2,
    Close = 8,
    Ping = 9,
    Pong = 10,
}

impl Opcode {
    fn from_bits(bits: u8) -> Option<Self> {
        Some(match bits {
            0 => Self::Continuation,
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            _ => return None,
        })
    }

    pub(crate) fn is_control(self) -> bool {
        self as u8 >= 8
    }
}

/// The header of a frame of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) is_final: bool,
    pub(crate) opcode: Opcode,
    pub(crate) length: u64,
    pub(crate) mask: [u8; 4],
}

impl Header {
    /// Reads the header at the beginning of `bytes`. Returns the header with its own length, or `None` if more bytes are
    /// needed. The first two bytes are judged as soon as they are there.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, Violation> {
        let &[first, second, ref behind @ ..] = bytes else {
            return Ok(None);
        };
        if first & 0x70 != 0 {
            return Err(Violation::of_protocol(
                "a reserved bit without an extension",
            ));
        }
        let Some(opcode) = Opcode::from_bits(first & 0x0f) else {
            return Err(Violation::of_protocol("an unknown opcode"));
        };
        if second & 0x80 == 0 {
            return Err(Violation::of_protocol("a frame of a client without a mask"));
        }
        let is_final = first & 0x80 != 0;
        let short = u64::from(second & 0x7f);
        if opcode.is_control() && (!is_final || short > MOST_CONTROL_BYTES) {
            return Err(Violation::of_protocol(
                "a control frame in parts, or too long",
            ));
        }
        let (width, least) = match short {
            126 => (2, 126),
            127 => (8, 1 << 16),
            _ => (0, 0),
        };
        let Some((long, behind)) = behind.split_at_checked(width) else {
            return Ok(None);
        };
        let length = match width {
            0 => short,
            _ => long
                .iter()
                .fold(0, |length, byte| length << 8 | u64::from(*byte)),
        };
        if length < least || length >> 63 != 0 {
            return Err(Violation::of_protocol(
                "a length that is not in its shortest form",
            ));
        }
        let Some((&mask, _)) = behind.split_first_chunk() else {
            return Ok(None);
        };
        let header = Self {
            is_final,
            opcode,
            length,
            mask,
        };
        Ok(Some((header, 2 + width + 4)))
    }
}

/// Returns the header of a frame of the server, which is whole and has no mask, and the length of the header.
fn header(opcode: Opcode, payload: usize) -> ([u8; 10], usize) {
    let mut bytes = [0; 10];
    bytes[0] = 0x80 | opcode as u8;
    let length = match (u8::try_from(payload), u16::try_from(payload)) {
        (Ok(payload @ ..=125), _) => {
            bytes[1] = payload;
            2
        }
        (_, Ok(payload)) => {
            bytes[1] = 126;
            bytes[2..4].copy_from_slice(&payload.to_be_bytes());
            4
        }
        _ => {
            bytes[1] = 127;
            bytes[2..].copy_from_slice(&(payload as u64).to_be_bytes());
            10
        }
    };
    (bytes, length)
}

/// Sends a frame. The two writes are gathered, or leave in one system call.
pub(crate) fn send(socket: &mut Socket<'_>, opcode: Opcode, payload: &[u8]) -> Flow {
    let (header, length) = header(opcode, payload.len());
    match (socket.write(&header[..length]), payload) {
        (flow, []) => flow,
        // A socket that has refused the header refuses the payload too.
        (_, payload) => socket.write(payload),
    }
}

/// Returns a whole frame, for a broadcast.
pub(crate) fn encode(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let (header, length) = header(opcode, payload.len());
    [&header[..length], payload].concat()
}
