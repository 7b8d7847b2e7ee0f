//! One direction of a connection: bytes under way, bytes that have arrived, and what comes behind the last of them.

use std::collections::VecDeque;

/// What a socket receives.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    /// What was sent and not read yet, in order.
    bytes: VecDeque<u8>,
    /// How much of it has arrived. Invariant: at most the length of `bytes`.
    arrived: usize,
    /// The peer's FIN has arrived, behind everything.
    pub(crate) has_end: bool,
}

impl Inbox {
    /// Takes what the peer sends, as being under way.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
    }

    /// The next `count` bytes have arrived.
    pub(crate) fn arrive(&mut self, count: usize) {
        self.arrived = (self.arrived + count).min(self.bytes.len());
    }

    /// How much memory it takes.
    pub(crate) fn held_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    /// How much can be read.
    pub(crate) fn readable(&self) -> usize {
        self.arrived
    }

    /// Reads at most `most` bytes of what has arrived.
    pub(crate) fn read(&mut self, buffer: &mut [u8], most: usize) -> usize {
        let count = buffer.len().min(most).min(self.arrived);
        let (front, back) = self.bytes.as_slices();
        let of_front = count.min(front.len());
        buffer[..of_front].copy_from_slice(&front[..of_front]);
        buffer[of_front..count].copy_from_slice(&back[..count - of_front]);
        self.bytes.drain(..count);
        self.arrived -= count;
        count
    }

    /// What is under way is lost; what has arrived stays readable.
    pub(crate) fn cut(&mut self) {
        self.bytes.truncate(self.arrived);
    }
}

/// What a socket may still send.
#[derive(Debug)]
pub(crate) struct Outlet {
    capacity: usize,
    /// What was sent and the peer has not read, as far as this side knows.
    unread: usize,
    /// A write or a poll found too little room, so that the selector has to tell when there is more (Linux's
    /// SOCK_NOSPACE).
    is_blocked: bool,
    /// When the last thing sent on it arrives: nothing overtakes it.
    pub(crate) busy_until: u64,
}

impl Outlet {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            capacity: capacity.max(1),
            unread: 0,
            is_blocked: false,
            busy_until: 0,
        }
    }

    /// How much a write takes.
    pub(crate) fn room(&self) -> usize {
        self.capacity.saturating_sub(self.unread)
    }

    /// Whether there is enough room to say so: a third, as on Linux, so that not every byte read is an event.
    pub(crate) fn is_writable(&self) -> bool {
        self.room() * 3 >= self.capacity
    }

    /// A poll has looked: if there was too little room, it wants to know when there is more.
    pub(crate) fn was_polled(&mut self) {
        self.is_blocked |= !self.is_writable();
    }

    /// A write of `offered` bytes took `taken`.
    pub(crate) fn took(&mut self, taken: usize, offered: usize) {
        self.unread += taken;
        if taken < offered {
            self.is_blocked = true;
        }
    }

    /// The peer has read `count` bytes. Says whether whoever waits for room has to be told.
    pub(crate) fn freed(&mut self, count: usize) -> bool {
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
    fn only_what_has_arrived_is_read_and_a_cut_loses_the_rest() {
        let mut inbox = Inbox::default();
        inbox.send(b"hello world");
        inbox.arrive(5);
        let mut buffer = [0; 16];
        assert_eq!(inbox.read(&mut buffer, 2), 2);
        assert_eq!(&buffer[..2], b"he");
        inbox.cut();
        assert_eq!(inbox.read(&mut buffer, 16), 3);
        assert_eq!(&buffer[..3], b"llo");
        assert_eq!(inbox.read(&mut buffer, 16), 0);
    }

    #[test]
    fn room_is_told_once_and_only_to_who_waits() {
        let mut outlet = Outlet::new(9);
        outlet.took(6, 6);
        assert!(!outlet.freed(1), "nobody waits");
        outlet.took(4, 5);
        assert_eq!(outlet.room(), 0);
        assert!(!outlet.freed(2), "less than a third");
        assert!(outlet.freed(1));
        assert!(!outlet.freed(1), "it was told");
    }
}
