//! The memory of all queues of a run together, as far as the books know it.

use super::checker::LONGEST_WRITE;

/// The memory that the queues of all sockets may take, in bytes. Each counts with its largest size, since its memory
/// may be the pool's when the bytes are sent.
#[derive(Debug, Default)]
pub(crate) struct Held {
    now: usize,
    /// The part of `now` that is of closed sockets: they may have been opened in this very turn.
    of_closed: usize,
    most: usize,
}

impl Held {
    /// A queue takes twice its bytes at most: between any two payloads that were given away begins a chunk, which is no
    /// larger. Beyond that it takes a chunk that is not full, one that is not all sent, and one payload of which a byte
    /// is left.
    fn of(queued: usize) -> usize {
        match queued {
            0 => 0,
            bytes => 2 * bytes + LONGEST_WRITE + (32 << 10),
        }
    }

    /// The most that one of the sockets has queued was `before`.
    pub(crate) fn grow(&mut self, before: usize, after: usize) {
        self.now += Self::of(after) - Self::of(before);
        self.most = self.most.max(self.now);
    }

    /// A socket is closed whose queue was so long at most.
    pub(crate) fn close(&mut self, most_queued: usize) {
        self.of_closed += Self::of(most_queued);
    }

    /// The turn is over. Says how much there ever was at a time.
    pub(crate) fn end_turn(&mut self) -> usize {
        self.now -= std::mem::take(&mut self.of_closed);
        self.most
    }
}
