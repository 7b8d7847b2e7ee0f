//! Replies as bytes, in either version of the protocol.

use std::fmt;
use std::rc::Rc;

use netloop::{Flow, Socket};

use super::integer::write_integer;

/// From this length on a value is sent by reference, and replies go to the socket before they are more. The loop offers a
/// write of this length to the kernel at once, and needs no copy of it.
const DIRECT_BYTES: usize = 16 << 10;

/// The version of the protocol, which a client chooses with HELLO.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Version {
    #[default]
    Two,
    Three,
}

impl Version {
    pub(crate) fn number(self) -> usize {
        match self {
            Self::Two => 2,
            Self::Three => 3,
        }
    }
}

/// The replies of a callback, which leave in one write: one buffer for all connections, which a callback empties.
#[derive(Debug, Default)]
pub(crate) struct Replies {
    bytes: Vec<u8>,
    version: Version,
    is_full: bool,
}

/// Sending.
impl Replies {
    /// Begins the replies to one connection.
    #[inline]
    pub(crate) fn begin(&mut self, version: Version) {
        debug_assert!(self.bytes.is_empty(), "the last callback sent its replies");
        self.version = version;
        self.is_full = false;
    }

    pub(crate) fn set_version(&mut self, version: Version) {
        self.version = version;
    }

    /// Returns the replies that are not sent yet.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Sends the replies so far, if they are many, and returns whether the peer should read before it gets more.
    #[inline]
    pub(crate) fn send_many(&mut self, socket: &mut Socket<'_>) -> bool {
        if self.bytes.len() >= DIRECT_BYTES {
            self.send(socket);
        }
        self.is_full
    }

    /// Sends the replies so far, and returns whether the peer should read before it gets more.
    #[inline]
    pub(crate) fn send(&mut self, socket: &mut Socket<'_>) -> bool {
        if !self.bytes.is_empty() {
            self.is_full |= socket.write(&self.bytes) == Flow::Full;
            self.bytes.clear();
            if self.bytes.capacity() > 4 * DIRECT_BYTES {
                self.bytes.shrink_to(DIRECT_BYTES);
            }
        }
        self.is_full
    }
}

/// Writing.
impl Replies {
    /// A status, such as `OK`.
    #[inline]
    pub(crate) fn status(&mut self, text: &str) {
        self.bytes.push(b'+');
        self.bytes.extend_from_slice(text.as_bytes());
        self.end_line();
    }

    /// An error. Its first word is a code, such as `ERR`.
    pub(crate) fn error(&mut self, error: impl fmt::Display) {
        self.bytes.push(b'-');
        let text = error.to_string();
        // An argument in the text must not end the line.
        let text = text.trim_end_matches(['\r', '\n']);
        let text = text.bytes().map(|byte| match byte {
            b'\r' | b'\n' => b' ',
            byte => byte,
        });
        self.bytes.extend(text);
        self.end_line();
    }

    #[inline]
    pub(crate) fn integer(&mut self, number: i64) {
        self.bytes.push(b':');
        write_integer(&mut self.bytes, number);
        self.end_line();
    }

    /// A number of things.
    #[inline]
    pub(crate) fn count(&mut self, number: usize) {
        self.head(b':', number);
    }

    /// A string.
    #[inline]
    pub(crate) fn bulk(&mut self, bytes: &[u8]) {
        self.head(b'$', bytes.len());
        self.bytes.extend_from_slice(bytes);
        self.end_line();
    }

    /// A value. The socket gets a long one by reference, and the replies before it at once.
    #[inline]
    pub(crate) fn value(&mut self, value: &Rc<[u8]>, socket: &mut Socket<'_>) {
        if value.len() < DIRECT_BYTES {
            return self.bulk(value);
        }
        self.head(b'$', value.len());
        self.send(socket);
        self.is_full |= socket.write_shared(Rc::clone(value)) == Flow::Full;
        self.end_line();
    }

    pub(crate) fn null(&mut self) {
        self.bytes.extend_from_slice(match self.version {
            Version::Two => b"$-1\r\n",
            Version::Three => b"_\r\n",
        });
    }

    /// The head of an array, which `length` replies follow.
    pub(crate) fn array(&mut self, length: usize) {
        self.head(b'*', length);
    }

    /// The head of a map, which `length` pairs of replies follow.
    pub(crate) fn map(&mut self, length: usize) {
        match self.version {
            Version::Two => self.head(b'*', 2 * length),
            Version::Three => self.head(b'%', length),
        }
    }

    /// The head of an array that answers no command.
    pub(crate) fn push(&mut self, length: usize) {
        match self.version {
            Version::Two => self.head(b'*', length),
            Version::Three => self.head(b'>', length),
        }
    }

    #[inline]
    fn head(&mut self, kind: u8, length: usize) {
        self.bytes.push(kind);
        write_integer(&mut self.bytes, i64::try_from(length).unwrap_or(i64::MAX));
        self.end_line();
    }

    #[inline]
    fn end_line(&mut self) {
        self.bytes.extend_from_slice(b"\r\n");
    }
}
