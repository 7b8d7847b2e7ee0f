//! The fast path of a broadcast: a row of sockets whose spans all take in the same message.

use super::broadcast::SpanMove;
use super::{Outbox, Unsent};

/// A row of sockets whose spans take in the message of a broadcast: their ends move over it, and no byte is copied or
/// compared. The counts of the outbox change only with the drop, which notes the row's bytes. It does so also after a
/// panic of the program's iterator over the sockets.
#[derive(Debug)]
pub(crate) struct SpanMoves<'a> {
    outbox: &'a mut Outbox,
    /// The move of one span's end over the message, which this row's spans repeat. If `None`, no span takes the message
    /// in.
    followed: Option<SpanMove>,
    /// Invariant: `outbox.free_capacity()` less the bytes of this row.
    free_capacity: usize,
}

impl<'a> SpanMoves<'a> {
    #[inline]
    pub(super) fn new(outbox: &'a mut Outbox) -> Self {
        Self {
            followed: outbox.broadcast.last_move(),
            free_capacity: outbox.free_capacity(),
            outbox,
        }
    }

    /// Appends the message of the broadcast to the span of `unsent`, as it was appended to the span that this row
    /// follows. Returns `false` if the two spans ended at different places, or if the span or the loop would pass its
    /// limit.
    #[inline]
    pub(crate) fn advance(&mut self, unsent: &mut Unsent) -> bool {
        let Some(followed) = self.followed else {
            return false;
        };
        let length = followed.len();
        let advances = length <= self.free_capacity && unsent.span.follow(followed);
        if advances {
            self.free_capacity -= length;
            unsent.written += length as u64;
        }
        advances
    }
}

impl Drop for SpanMoves<'_> {
    #[inline]
    fn drop(&mut self) {
        let moved = self.outbox.free_capacity() - self.free_capacity;
        if moved > 0 {
            self.outbox.broadcast.note_moved(moved);
            self.outbox.note_rise();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_ends_at_the_limit_of_the_loop_and_notes_its_bytes() {
        let mut outbox = Outbox::new(0, Some(55));
        let mut members: [Unsent; 4] = std::array::from_fn(|_| Unsent::new());
        for unsent in &mut members {
            assert!(outbox.begin_span(unsent, b"ten bytes.", 1_000));
        }
        let [first, others @ ..] = &mut members;
        outbox.begin_broadcast();
        assert!(outbox.extend_span(first, b"five."));
        let mut moves = outbox.span_moves();
        let moved = others.each_mut().map(|unsent| moves.advance(unsent));
        assert_eq!(moved, [true, true, false], "55 bytes are the limit");
        drop(moves);
        assert_eq!((outbox.waiting(), outbox.free_capacity()), (55, 0));
        assert!(outbox.has_pressure());
        assert_eq!(others.each_ref().map(|unsent| unsent.len()), [15, 15, 10]);
        assert_eq!(others[0].written(), 15);
    }
}
