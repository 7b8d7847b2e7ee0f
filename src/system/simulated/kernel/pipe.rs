//! The two ends of one direction of a connection: the receiver's buffer and the sender's window.

use std::collections::VecDeque;

#[derive(Debug, Default)]
pub(super) struct ReceiveBuffer {
    /// The bytes that the peer has sent and the program has not read: first the arrived ones, then those under way.
    bytes: VecDeque<u8>,
    /// The number of `bytes` that have arrived. Invariant: at most the length of `bytes`.
    arrived: usize,
    /// Whether the peer's FIN has arrived. A FIN arrives after all bytes of the peer.
    pub(super) has_fin: bool,
}

impl ReceiveBuffer {
    /// Appends bytes that the peer sends now. The bytes are under way until [`arrive`](Self::arrive).
    pub(super) fn send(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
    }

    pub(super) fn arrive(&mut self, count: usize) {
        self.arrived = (self.arrived + count).min(self.bytes.len());
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    pub(super) fn readable(&self) -> usize {
        self.arrived
    }

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

    /// Drops the bytes under way. The arrived bytes stay readable.
    pub(super) fn drop_in_flight(&mut self) {
        self.bytes.truncate(self.arrived);
    }
}

/// The sender's view of the receiver's buffer: its capacity, and the part that is taken.
#[derive(Debug)]
pub(super) struct SendWindow {
    capacity: usize,
    /// The number of sent bytes that the peer has not read, as far as this side knows.
    unread: usize,
    /// Whether a write or a poll found too little free capacity. An event must then report more (Linux's SOCK_NOSPACE).
    is_blocked: bool,
    /// The time, in nanoseconds, at which the last sent bytes, SYN-ACK or FIN arrive. No later byte overtakes them.
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

    pub(super) fn free(&self) -> usize {
        self.capacity.saturating_sub(self.unread)
    }

    /// Whether the socket is writable: a third of the capacity is free. As on Linux, less free capacity is not
    /// reported, because each byte that the peer reads would then cause an event.
    pub(super) fn is_writable(&self) -> bool {
        self.free() * 3 >= self.capacity
    }

    /// Notes that a poll looks at the socket now. A socket that is not writable then needs an event once it is.
    pub(super) fn on_poll(&mut self) {
        self.is_blocked |= !self.is_writable();
    }

    pub(super) fn take(&mut self, taken: usize, offered: usize) {
        self.unread += taken;
        if taken < offered {
            self.is_blocked = true;
        }
    }

    /// Frees the capacity of `count` bytes that the peer has read. Returns whether the selector must report the socket.
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
