//! The outbox: every written byte enters it by a `put`, and leaves it for the kernel by a `take`.
//!
//! Bytes wait in one of three places, and nothing outside of this module depends on which:
//!
//! | written | waits in | leaves |
//! |---|---|---|
//! | by a socket, in its own callback | [`Gathered`] | when the callback is over |
//! | to a socket that nothing is queued for | [`Broadcast`] | in the flush phase |
//! | where the kernel has no space, or anything else is in the way | the queue of the connection | as the kernel takes it |
//!
//! The first two are memory that all sockets share, and hold short writes. Each saves the cost of the queue: an echo
//! takes 849 instructions without the first and 345 with it. A member's round of a broadcast takes 4,450 without the
//! second and 1,350 with it. [`Outbox::settle`] moves both to the queue before anything else is done to the connection.

mod broadcast;
mod gathered;
mod payload;
#[cfg(test)]
mod tests;

use std::io::{self, IoSlice};

use crate::net::values::SocketId;
use crate::send_buffer::{Pool, SendBuffer};

use broadcast::{Broadcast, Span};
use gathered::Gathered;

pub(crate) use payload::{DIRECT_BYTES, Payload};

/// The unsent bytes of one connection, apart from those that its running callback has written.
#[derive(Debug)]
pub(crate) struct Unsent {
    /// The number of bytes that were ever put, but for those that the running callback has gathered.
    written: u64,
    queue: SendBuffer,
    /// Invariant: empty or sealed, or the queue is empty and a write would be answered `Open`.
    span: Span,
}

impl Unsent {
    pub(crate) fn new() -> Self {
        Self {
            written: 0,
            queue: SendBuffer::new(),
            span: Span::default(),
        }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.span.is_empty()
    }

    /// The number of bytes that were ever put, sent or not.
    #[inline]
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.queue.len() + self.span.len()
    }

    /// Refuses every further byte but those of a [`put`](Outbox::put): the connection is closed.
    pub(crate) fn seal(&mut self) {
        self.span.seal();
    }
}

/// The result of one [`take`](Outbox::take).
#[derive(Debug)]
pub(crate) struct Taken {
    /// The number of bytes that the kernel was offered.
    pub(crate) offered: usize,
    /// The number of them that it took.
    pub(crate) sent: usize,
    /// The number of these that were of the tail.
    pub(crate) of_tail: usize,
}

/// The outbox of a loop, which all of its sockets share.
#[derive(Debug)]
pub(crate) struct Outbox {
    gathered: Gathered,
    broadcast: Broadcast,
    /// Chunks for the queues.
    pool: Pool,
}

/// Putting bytes in.
impl Outbox {
    /// An outbox that keeps so many bytes of free chunks.
    pub(crate) fn new(pooled_bytes: usize) -> Self {
        Self {
            gathered: Gathered::default(),
            broadcast: Broadcast::default(),
            pool: Pool::with_limit(pooled_bytes),
        }
    }

    /// Lets the callback of `id` that begins now [put](Self::put_own) less than `capacity` bytes without a look at its
    /// connection. The connection would answer `Open` to each write, and send them when the callback is over.
    #[inline]
    pub(crate) fn begin_callback(&mut self, id: SocketId, capacity: u16) {
        self.gathered.begin(id, usize::from(capacity));
    }

    /// Whether the callback of `id` has begun.
    #[inline]
    pub(crate) fn gathers_for(&self, id: SocketId) -> bool {
        self.gathered.is_of(id)
    }

    /// Puts the bytes that `id` writes in its own callback, and returns whether it could.
    #[inline]
    pub(crate) fn put_own(&mut self, id: SocketId, bytes: &[u8]) -> bool {
        self.gathered.put(id, bytes)
    }

    /// Puts `bytes` behind others that wait for the flush phase, and returns whether it could. Nothing else about the
    /// connection changes, so its registration need not be settled.
    #[inline]
    pub(crate) fn extend_span(&mut self, unsent: &mut Unsent, bytes: &[u8]) -> bool {
        let could = !unsent.span.is_empty() && self.broadcast.extend(&mut unsent.span, bytes);
        if could {
            unsent.written += bytes.len() as u64;
        }
        could
    }

    /// Forgets the message of the last broadcast: another one begins.
    #[inline]
    pub(crate) fn begin_broadcast(&mut self) {
        self.broadcast.begin_message();
    }

    /// Puts the message that was put for another connection since [`begin_broadcast`](Self::begin_broadcast), if both
    /// wait for the same bytes so far. Returns whether it could.
    #[inline]
    pub(crate) fn advance_span(&self, unsent: &mut Unsent) -> bool {
        match self.broadcast.advance(&mut unsent.span) {
            Some(length) => {
                unsent.written += length as u64;
                true
            }
            None => false,
        }
    }

    /// Puts `bytes` for a connection that has nothing queued and takes less than `capacity`, and returns whether it
    /// could. They wait for the flush phase; one copy serves every connection that is sent the same in this turn.
    #[inline]
    pub(crate) fn begin_span(&mut self, unsent: &mut Unsent, bytes: &[u8], capacity: u16) -> bool {
        debug_assert!(unsent.is_empty());
        match self.broadcast.begin(bytes, usize::from(capacity)) {
            Some(span) => {
                unsent.span = span;
                unsent.written += bytes.len() as u64;
                true
            }
            None => false,
        }
    }

    /// Puts `payload` behind everything else, but for its first `sent` bytes, which the kernel has taken already.
    #[inline]
    pub(crate) fn put(&mut self, unsent: &mut Unsent, payload: Payload<'_>, sent: usize) {
        debug_assert!(unsent.span.is_empty(), "the connection was settled");
        unsent.written += payload.len() as u64;
        payload.queue(sent, &mut unsent.queue, &mut self.pool);
    }
}

/// Where bytes are while they wait.
impl Outbox {
    /// Moves the bytes of `id` that wait in shared memory to the queue of its connection, before anything else is done
    /// to the connection. Returns whether its callback had written some of them, which no flush was asked for yet.
    #[inline]
    pub(crate) fn move_to_queue(&mut self, id: SocketId, unsent: &mut Unsent) -> bool {
        let is_own = self.gathered.is_of(id) && self.move_gathered_to_queue(unsent);
        self.move_span_to_queue(unsent);
        is_own
    }

    #[cold]
    fn move_gathered_to_queue(&mut self, unsent: &mut Unsent) -> bool {
        self.gathered.end();
        let bytes = self.gathered.bytes();
        let any = !bytes.is_empty();
        unsent.written += bytes.len() as u64;
        unsent.queue.copy(bytes, &mut self.pool);
        self.gathered.clear();
        any
    }

    #[inline]
    fn move_span_to_queue(&mut self, unsent: &mut Unsent) {
        if !unsent.span.is_empty() {
            self.queue_span(unsent);
        }
    }

    #[cold]
    fn queue_span(&mut self, unsent: &mut Unsent) {
        let span = std::mem::take(&mut unsent.span);
        unsent
            .queue
            .copy(self.broadcast.bytes(span), &mut self.pool);
        self.broadcast.release(span);
    }

    /// The number of bytes that the running callback of `id` has written, and that its connection does not count yet.
    #[inline]
    pub(crate) fn own_bytes(&self, id: SocketId) -> usize {
        self.gathered.length_of(id)
    }
}

/// Taking bytes out.
impl Outbox {
    /// Offers the unsent bytes, and `tail` behind them, to the kernel in one call of `write`, and forgets those that it
    /// took. `write` is not called when there is nothing to offer.
    ///
    /// A transformation of the bytes, such as encryption, belongs here: the outbox holds what was written.
    /// If it fails, all bytes are kept, and none of `tail` was taken.
    #[inline]
    pub(crate) fn take(
        &mut self,
        unsent: &mut Unsent,
        tail: &[u8],
        write: impl FnOnce(&[IoSlice<'_>]) -> io::Result<usize>,
    ) -> io::Result<Taken> {
        self.move_span_to_queue(unsent);
        let before = unsent.queue.len() + tail.len();
        let mut offered = 0;
        let of_tail = unsent.queue.flush_with(tail, &mut self.pool, |slices| {
            offered = slices.iter().map(|slice| slice.len()).sum();
            write(slices)
        })?;
        let left = unsent.queue.len() + tail.len() - of_tail;
        Ok(Taken {
            offered,
            sent: before - left,
            of_tail,
        })
    }

    /// Fast path of [`take`](Self::take), for bytes that lie in shared memory in one piece: `None` if they do not.
    /// Returns how many were offered, and the result of `write`; the bytes that it did not take are queued.
    #[inline(always)]
    pub(crate) fn take_piece(
        &mut self,
        unsent: &mut Unsent,
        write: impl FnOnce(&[u8]) -> io::Result<usize>,
    ) -> Option<(usize, io::Result<usize>)> {
        if unsent.span.is_empty() {
            return None;
        }
        let span = std::mem::take(&mut unsent.span);
        let bytes = self.broadcast.bytes(span);
        let offered = bytes.len();
        let sent = write(bytes);
        match sent {
            Ok(sent) if sent == offered => {}
            _ => queue_rest(bytes, &sent, unsent, &mut self.pool),
        }
        self.broadcast.release(span);
        Some((offered, sent))
    }

    /// Ends the callback that [`begin_callback`](Self::begin_callback) began, and returns whether it has
    /// [put](Self::put_own) bytes, which are to be [taken](Self::take_own) next.
    #[inline]
    pub(crate) fn end_callback(&mut self) -> bool {
        self.gathered.end();
        !self.gathered.bytes().is_empty()
    }

    /// Offers the bytes of the callback that has ended to the kernel by `write`, and forgets them if it takes them all.
    /// Otherwise returns the result of `write`, which [`take_rest`](Self::take_rest) has to see to.
    #[inline(always)]
    pub(crate) fn take_own<R>(
        &mut self,
        unsent: &mut Unsent,
        write: impl FnOnce(&[u8]) -> Result<(), R>,
    ) -> Result<(), R> {
        let bytes = self.gathered.bytes();
        write(bytes)?;
        unsent.written += bytes.len() as u64;
        self.gathered.clear();
        Ok(())
    }

    /// Queues those bytes of the callback that has ended that the kernel does not take by `write`. Returns how many it
    /// was offered, and the result of `write`. Nothing else of the connection may wait.
    #[cold]
    pub(crate) fn take_rest(
        &mut self,
        unsent: &mut Unsent,
        write: impl FnOnce(&[u8]) -> io::Result<usize>,
    ) -> (usize, io::Result<usize>) {
        debug_assert!(unsent.is_empty(), "the connection was settled");
        let bytes = self.gathered.bytes();
        let offered = bytes.len();
        unsent.written += offered as u64;
        let sent = write(bytes);
        queue_rest(bytes, &sent, unsent, &mut self.pool);
        self.gathered.clear();
        (offered, sent)
    }

    /// Takes all unsent bytes out as one piece, for a connection that goes on elsewhere.
    pub(crate) fn take_all(&mut self, unsent: &mut Unsent) -> Vec<u8> {
        self.move_span_to_queue(unsent);
        unsent.queue.take_bytes(&mut self.pool)
    }

    /// Drops all unsent bytes, and returns how many were lost.
    pub(crate) fn discard(&mut self, unsent: &mut Unsent) -> usize {
        self.move_span_to_queue(unsent);
        unsent.queue.discard(&mut self.pool)
    }

    /// Gives back the memory that is only kept for later writes.
    pub(crate) fn trim(&mut self) {
        self.pool.trim();
        // Bytes that lie here belong to a callback or to a flush that is still to come, and stay.
        self.gathered.shrink();
        self.broadcast.shrink();
    }
}

/// Queues the bytes of a piece that the kernel did not take.
#[cold]
fn queue_rest(bytes: &[u8], sent: &io::Result<usize>, unsent: &mut Unsent, pool: &mut Pool) {
    let rest = &bytes[*sent.as_ref().unwrap_or(&0)..];
    unsent.queue.copy(rest, pool);
}
