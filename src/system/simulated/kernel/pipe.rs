//! The two ends of one direction of a connection: the receiver's buffer and the sender's window.

use std::collections::VecDeque;

/// The bytes that a socket receives, with the end behind them.
#[derive(Debug, Default)]
pub(super) struct ReceiveBuffer {
    /// The bytes that were sent and not read yet, in order.
    bytes: VecDeque<u8>,
    /// The number of them that have arrived. Invariant: at most the length of `bytes`.
    arrived: usize,
    /// Whether the peer's FIN has arrived, behind all bytes.
    pub(super) has_fin: bool,
}

impl ReceiveBuffer {
    /// Appends bytes that are under way from now on.
    pub(super) fn send(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
    }

    /// Makes the next `count` bytes readable.
    pub(super) fn arrive(&mut self, count: usize) {
        self.arrived = (self.arrived + count).min(self.bytes.len());
    }

    /// The memory that it takes.
    pub(super) fn held_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    /// The number of bytes that can be read.
    pub(super) fn readable(&self) -> usize {
        self.arrived
    }

    /// Reads at most `most` of the bytes that have arrived.
    pub(super) fn read(&mut self, buffer: &mut [u8], most: usize) -> usize {
        let count = buffer.len().min(most).min(self.arrived);
        let (front, back) = self.bytes.as_slices();
        let of_front = count.min(front.len());
        buffer[..of_front].copy_from_slice(&front[..of_front]);
        buffer[of_front..count].copy_from_slice(&back[..count - of_front]);
        self.bytes.drain(..count);
        self.arrived -= count;
        count
    }

    /// Loses the bytes that are under way. The arrived ones stay readable.
    pub(super) fn drop_in_flight(&mut self) {
        self.bytes.truncate(self.arrived);
    }
}

/// The capacity that a socket has left to send into.
#[derive(Debug)]
pub(super) struct SendWindow {
    capacity: usize,
    /// The bytes that were sent and that the peer has not read, as far as this side knows.
    unread: usize,
    /// Whether a write or a poll found too little capacity, so that more of it is an event (Linux's SOCK_NOSPACE).
    is_blocked: bool,
    /// The arrival of the last packet sent, which no later one overtakes.
    pub(super) busy_until: u64,
}

impl SendWindow {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            capacity: capacity.max(1),
            unread: 0,
            is_blocked: false,
            busy_until: 0,
        }
    }

    /// The number of bytes that a write takes.
    pub(super) fn free(&self) -> usize {
        self.capacity.saturating_sub(self.unread)
    }

    /// Whether the free capacity is worth an event: a third, as on Linux, so that not every byte read is one.
    pub(super) fn is_writable(&self) -> bool {
        self.free() * 3 >= self.capacity
    }

    /// Notes that a poll has looked. If there was too little capacity, the selector must report when there is more.
    pub(super) fn on_poll(&mut self) {
        self.is_blocked |= !self.is_writable();
    }

    /// Takes the capacity for a write of `offered` bytes, `taken` of which are sent.
    pub(super) fn take(&mut self, taken: usize, offered: usize) {
        self.unread += taken;
        if taken < offered {
            self.is_blocked = true;
        }
    }

    /// Frees the capacity of `count` bytes that the peer has read. Returns whether a blocked sender must be notified.
    pub(super) fn release(&mut self, count: usize) -> bool {
        self.unread = self.unread.saturating_sub(count);
        if self.is_blocked && self.is_writable() {
            self.is_blocked = false;
            return true;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrived_bytes_are_readable_and_a_reset_loses_the_rest() {
        let mut inbox = ReceiveBuffer::default();
        inbox.send(b"hello world");
        inbox.arrive(5);
        let mut buffer = [0; 16];
        assert_eq!(inbox.read(&mut buffer, 2), 2);
        assert_eq!(&buffer[..2], b"he");
        inbox.drop_in_flight();
        assert_eq!(inbox.read(&mut buffer, 16), 3);
        assert_eq!(&buffer[..3], b"llo");
        assert_eq!(inbox.read(&mut buffer, 16), 0);
    }

    #[test]
    fn free_capacity_is_reported_once_and_only_after_blocking() {
        let mut window = SendWindow::new(9);
        window.take(6, 6);
        assert!(!window.release(1), "no write has blocked");
        window.take(4, 5);
        assert_eq!(window.free(), 0);
        assert!(!window.release(2), "less than a third");
        assert!(window.release(1));
        assert!(!window.release(1), "it was reported");
    }
}
