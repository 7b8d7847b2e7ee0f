//! Unread bytes: bytes that the kernel delivered and that the handler did not use before it was replaced. The new
//! handler gets these bytes before the next read.

use std::collections::TryReserveError;
use std::io;

use crate::net::error::Syscall;
use crate::reactor::Registration;

use super::Connection;

/// The unread bytes of one connection.
#[derive(Debug, Default)]
pub(super) struct UnreadBytes {
    bytes: Vec<u8>,
    /// The number of bytes at the front that were put since the last delivery. These bytes were part of that delivery,
    /// and the bytes after them were received later.
    fresh: usize,
}

impl UnreadBytes {
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Inserts `bytes` after the bytes that were put since the last delivery, and before all others: see `fresh`. Inserts
    /// nothing if there is no memory.
    fn put(&mut self, bytes: &[u8]) -> Result<(), TryReserveError> {
        let at = self.fresh;
        self.bytes.try_reserve(bytes.len())?;
        // `splice` might copy the bytes after `at` into a vector of its own.
        self.bytes.extend_from_slice(bytes);
        self.bytes[at..].rotate_right(bytes.len());
        self.fresh += bytes.len();
        Ok(())
    }

    /// Moves bytes from the front to `buffer`, as many as fit, and returns their number.
    pub(super) fn take(&mut self, buffer: &mut [u8]) -> usize {
        let length = self.bytes.len().min(buffer.len());
        buffer[..length].copy_from_slice(&self.bytes[..length]);
        self.bytes.drain(..length);
        self.fresh = 0;
        if self.bytes.is_empty() {
            // An idle connection holds no buffer.
            self.bytes = Vec::new();
        }
        length
    }
}

impl Connection {
    /// Keeps `bytes` for the next delivery. Returns `false`, and keeps nothing, if the connection is not open or the
    /// peer has ended. Without memory for the bytes, fails the connection, because its next read would leave a gap.
    pub(crate) fn keep_unread(
        &mut self,
        bytes: &[u8],
        registration: &mut Registration<'_>,
    ) -> bool {
        if !self.stage.is_open() || self.inbound.has_ended() {
            return false;
        }
        if !bytes.is_empty() {
            if self.cold_mut().unread.put(bytes).is_err() {
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

    /// Whether there are unread bytes and they may be delivered now: the connection is open and not paused.
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
        unread.put(b"one, ").unwrap();
        unread.put(b"two, three").unwrap();
        let mut buffer = [0; 7];
        assert_eq!(unread.take(&mut buffer), 7);
        assert_eq!(&buffer, b"one, tw");
        assert_eq!(unread.take(&mut buffer), 7);
        assert_eq!(&buffer, b"o, thre");
        assert_eq!(unread.take(&mut buffer), 1);
        assert!(unread.is_empty());
        assert_eq!(unread.bytes.capacity(), 0, "an idle connection holds none");
    }

    #[test]
    fn bytes_put_back_come_before_those_behind_them() {
        let mut unread = UnreadBytes::default();
        unread.put(b"abcdef").unwrap();
        let mut buffer = [0; 4];
        unread.take(&mut buffer);
        unread.put(b"c").unwrap();
        unread.put(b"d").unwrap();
        let mut rest = [0; 4];
        assert_eq!(unread.take(&mut rest), 4);
        assert_eq!(&rest, b"cdef");
    }
}
