//! Unread bytes: received bytes that a handler gave back, or left when it was replaced. Bytes that a filter had decoded
//! at the end of its handshake are unread, too. The socket's handler gets them before the next read.

use std::collections::TryReserveError;
use std::io;

use crate::net::error::Syscall;
use crate::reactor::Registration;

use super::Connection;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Before all others, as by Node's `unshift`. A handler that gives back piece by piece must begin with the last.
    First,
    /// Behind the [fresh](UnreadBytes::fresh) bytes, and before all others. So the bytes of several handlers that are
    /// replaced in a row keep their order.
    BehindFresh,
    /// Behind all unread bytes. For bytes that no handler has had.
    Last,
}

#[derive(Debug, Default)]
pub(super) struct UnreadBytes {
    bytes: Vec<u8>,
    /// The number of bytes at the front that were put since the last delivery, and were part of that delivery.
    fresh: usize,
    /// The number of bytes at the end that no handler has had: a filter had decoded them in its handshake.
    untold: usize,
}

impl UnreadBytes {
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Inserts `bytes` at `place`. Inserts nothing if there is no memory.
    fn put(&mut self, bytes: &[u8], place: Place) -> Result<(), TryReserveError> {
        let at = match place {
            Place::First => 0,
            Place::BehindFresh => self.fresh,
            Place::Last => self.bytes.len(),
        };
        self.bytes.try_reserve(bytes.len())?;
        // Not `splice`, which may allocate a further vector for the bytes after `at`.
        self.bytes.extend_from_slice(bytes);
        self.bytes[at..].rotate_right(bytes.len());
        match place {
            Place::First | Place::BehindFresh => self.fresh += bytes.len(),
            Place::Last => self.untold += bytes.len(),
        }
        Ok(())
    }

    /// Moves bytes from the front to `buffer`. The `bool` is `true` if no handler has had the last moved byte before.
    pub(super) fn take(&mut self, buffer: &mut [u8]) -> (usize, bool) {
        let length = self.bytes.len().min(buffer.len());
        buffer[..length].copy_from_slice(&self.bytes[..length]);
        self.bytes.drain(..length);
        self.fresh = 0;
        let is_told_first = self.bytes.len() < self.untold;
        self.untold = self.untold.min(self.bytes.len());
        if self.bytes.is_empty() {
            // An idle connection holds no buffer.
            self.bytes = Vec::new();
        }
        (length, is_told_first)
    }
}

impl Connection {
    /// Keeps `bytes` of a replaced handler for the next delivery. Returns `false`, and keeps nothing, if the connection
    /// is not open, the peer has ended, or there is no memory.
    pub(crate) fn keep_unread(
        &mut self,
        bytes: &[u8],
        registration: &mut Registration<'_>,
    ) -> bool {
        self.keep(bytes, Place::BehindFresh, registration)
    }

    /// Keeps `bytes` that the handler gives back, otherwise as [`keep_unread`](Self::keep_unread).
    pub(crate) fn give_back(&mut self, bytes: &[u8], registration: &mut Registration<'_>) -> bool {
        self.keep(bytes, Place::First, registration)
    }

    /// Keeps `bytes` that a filter had decoded in its handshake, otherwise as [`keep_unread`](Self::keep_unread).
    pub(super) fn keep_decoded(&mut self, bytes: &[u8], registration: &mut Registration<'_>) {
        self.keep(bytes, Place::Last, registration);
    }

    /// If there is no memory for the bytes, fails the connection, because the next delivery would leave a gap.
    fn keep(&mut self, bytes: &[u8], place: Place, registration: &mut Registration<'_>) -> bool {
        if !self.stage.is_open() || self.inbound.has_ended() {
            return false;
        }
        if !bytes.is_empty() {
            if self.cold_mut().unread.put(bytes, place).is_err() {
                self.fail_io(
                    Syscall::Read,
                    io::ErrorKind::OutOfMemory.into(),
                    registration,
                );
                return false;
            }
            if self.delivers_unread() {
                registration.activate();
            }
        }
        true
    }

    pub(super) fn has_unread(&self) -> bool {
        self.cold
            .as_ref()
            .is_some_and(|cold| !cold.unread.is_empty())
    }

    pub(crate) fn delivers_unread(&self) -> bool {
        self.has_unread() && self.stage.is_open() && !self.inbound.is_paused()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_in_the_order_in_which_they_were_put() {
        let mut unread = UnreadBytes::default();
        unread.put(b"one, ", Place::BehindFresh).unwrap();
        unread.put(b"two, three", Place::BehindFresh).unwrap();
        let mut buffer = [0; 7];
        assert_eq!(unread.take(&mut buffer), (7, false));
        assert_eq!(&buffer, b"one, tw");
        assert_eq!(unread.take(&mut buffer), (7, false));
        assert_eq!(&buffer, b"o, thre");
        assert_eq!(unread.take(&mut buffer), (1, false));
        assert!(unread.is_empty());
        assert_eq!(unread.bytes.capacity(), 0, "an idle connection holds none");
    }

    #[test]
    fn bytes_put_back_come_before_those_behind_them() {
        let mut unread = UnreadBytes::default();
        unread.put(b"abcdef", Place::BehindFresh).unwrap();
        let mut buffer = [0; 4];
        unread.take(&mut buffer);
        unread.put(b"c", Place::BehindFresh).unwrap();
        unread.put(b"d", Place::BehindFresh).unwrap();
        let mut rest = [0; 4];
        assert_eq!(unread.take(&mut rest), (4, false));
        assert_eq!(&rest, b"cdef");
    }

    #[test]
    fn bytes_given_back_come_before_all_others() {
        let mut unread = UnreadBytes::default();
        unread.put(b"f", Place::BehindFresh).unwrap();
        unread.put(b"de", Place::First).unwrap();
        unread.put(b"abc", Place::First).unwrap();
        unread.put(b"g", Place::BehindFresh).unwrap();
        let mut buffer = [0; 5];
        unread.take(&mut buffer);
        assert_eq!(&buffer, b"abcde");
        unread.put(b"E", Place::First).unwrap();
        let mut rest = [0; 3];
        unread.take(&mut rest);
        assert_eq!(&rest, b"Efg");
    }

    #[test]
    fn decoded_bytes_come_last_and_are_told_first_once() {
        let mut unread = UnreadBytes::default();
        unread.put(b"def", Place::Last).unwrap();
        unread.put(b"bc", Place::BehindFresh).unwrap();
        unread.put(b"a", Place::First).unwrap();
        let mut buffer = [0; 3];
        assert_eq!(unread.take(&mut buffer), (3, false));
        assert_eq!(&buffer, b"abc");
        let mut two = [0; 2];
        assert_eq!(unread.take(&mut two), (2, true));
        assert_eq!(&two, b"de");
        unread.put(b"e", Place::First).unwrap();
        let mut one = [0; 1];
        assert_eq!(unread.take(&mut one), (1, false), "given back");
        assert_eq!(unread.take(&mut one), (1, true));
        unread.put(b"f", Place::First).unwrap();
        assert_eq!(unread.take(&mut one), (1, false), "given back");
    }
}
