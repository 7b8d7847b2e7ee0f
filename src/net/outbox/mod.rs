//! The outbox: the bytes of connections between their write and the kernel. Every byte that waits enters it through
//! [`Outbox`], and leaves for the kernel by one of the `take` methods.
//!
//! Bytes wait in one of three places, and no caller depends on which:
//!
//! | written | waits in | leaves |
//! |---|---|---|
//! | short, by a socket in its own callback, with nothing queued | [`Gathered`] | when the callback is over |
//! | short, in any other case with nothing queued | [`Broadcast`] | in the flush phase |
//! | otherwise, such as to a socket without space in the kernel | the queue of the connection | as the kernel takes it |
//!
//! The first two places are common to all sockets: neither an echo nor a broadcast needs a queue (D16 and D17 in
//! `benches/DECISIONS.md`). [`Outbox::move_to_queue`] moves the bytes of one connection to its queue before a request
//! changes that connection. All bytes together, with those of UDP sockets, have a limit. A byte counts until the kernel
//! takes it or it is dropped, so that only new bytes need [free capacity](Outbox::free_capacity).

mod broadcast;
mod capacity;
mod datagrams;
mod gathered;
mod level;
mod payload;
mod span_moves;
#[cfg(test)]
mod tests;
mod unsent;

use std::io::{self, IoSlice};

use crate::net::filter::SpareBuffers;
use crate::net::values::SocketId;
use crate::send_buffer::Pool;

use broadcast::Broadcast;
use gathered::Gathered;
use level::Level;

pub(crate) use payload::{DIRECT_BYTES, Payload};
pub(crate) use span_moves::SpanMoves;
pub(crate) use unsent::Unsent;

#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) offered: usize,
    pub(crate) sent: usize,
    /// The number of the taken bytes that belong to the `tail` of the call.
    pub(crate) of_tail: usize,
}

/// The capacity up to which an empty buffer of gathered bytes or of a broadcast is kept.
const KEPT_BYTES: usize = 4 * 1024;

/// The outbox of a loop, common to all of its sockets.
#[derive(Debug)]
pub(crate) struct Outbox {
    gathered: Gathered,
    broadcast: Broadcast,
    /// Free chunks for the queues of all connections, and the number of the bytes in these queues.
    pool: Pool,
    level: Level,
    /// Buffers that calls to connections with filters borrow, each for the time of one call.
    pub(crate) spare: SpareBuffers,
    /// The number of the bytes in the queues of UDP sockets, which keep the bytes themselves.
    datagrams: usize,
    /// The number of bytes that the kernel has taken since the outbox was made.
    sent: u64,
    /// The bytes of received datagrams, and bytes that filters have received without an event.
    received: u64,
}

/// Putting bytes in.
impl Outbox {
    /// Makes an outbox for at most `limit` unsent bytes of all sockets, and `pooled_bytes` bytes of free chunks.
    pub(crate) fn new(pooled_bytes: usize, limit: Option<usize>) -> Self {
        let mut outbox = Self {
            gathered: Gathered::default(),
            broadcast: Broadcast::default(),
            pool: Pool::with_limit(pooled_bytes),
            level: Level::new(limit),
            spare: SpareBuffers::default(),
            datagrams: 0,
            sent: 0,
            received: 0,
        };
        outbox.note_low_level();
        outbox
    }

    /// Begins a callback of `id`, whose writes gather without a look at the connection while they total fewer than
    /// `capacity` bytes. The caller passes zero if the connection cannot send, or would not answer `Open`.
    #[inline]
    pub(crate) fn begin_callback(&mut self, id: SocketId, capacity: u16) {
        self.gathered.begin(id, usize::from(capacity));
    }

    /// Whether a callback of `id` was begun, and was not ended since. With a capacity of zero, it gathers nothing.
    #[inline]
    pub(crate) fn gathers_for(&self, id: SocketId) -> bool {
        self.gathered.is_of(id)
    }

    /// Gathers `bytes` that `id` writes in its callback. After `false`, the caller tries `put_own_in_longer`.
    #[inline]
    pub(crate) fn put_own(&mut self, id: SocketId, bytes: &[u8]) -> bool {
        self.gathered.put(id, bytes)
    }

    /// Gathers `bytes` that [`put_own`](Self::put_own) has refused, if the reason was that the buffer was too short.
    // Apart from `put_own`, so that the fast path need not save registers for this rare case.
    pub(crate) fn put_own_in_longer(&mut self, id: SocketId, bytes: &[u8]) -> bool {
        self.gathered.put_in_longer(id, bytes)
    }

    /// Appends `bytes` to the connection's span, if there is one, and returns whether the span took them. The caller
    /// need not ask for a flush: a connection with a span waits for one already.
    #[inline]
    pub(crate) fn extend_span(&mut self, unsent: &mut Unsent, bytes: &[u8]) -> bool {
        let could = !unsent.span.is_empty()
            && bytes.len() <= self.free_capacity()
            && self.broadcast.extend(&mut unsent.span, bytes);
        if could {
            unsent.written += bytes.len() as u64;
            self.note_rise();
        }
        could
    }

    /// Begins another message. [`SpanMoves::advance`] lets no span take it in until `extend_span` has done so for one.
    #[inline]
    pub(crate) fn begin_broadcast(&mut self) {
        self.broadcast.begin_message();
    }

    /// Begins a row of connections whose spans take in the message of the running broadcast.
    #[inline]
    pub(crate) fn span_moves(&mut self) -> SpanMoves<'_> {
        SpanMoves::new(self)
    }

    /// Begins a span with `bytes` for a connection that has nothing unsent. The span always stays shorter than
    /// `capacity`. After `true`, the caller asks for a flush. Connections that are sent the same bytes one after the
    /// other share one copy.
    #[inline]
    pub(crate) fn begin_span(&mut self, unsent: &mut Unsent, bytes: &[u8], capacity: u16) -> bool {
        debug_assert!(unsent.is_empty());
        if bytes.len() > self.free_capacity() {
            return false;
        }
        match self.broadcast.begin(bytes, usize::from(capacity)) {
            Some(span) => {
                unsent.span = span;
                unsent.written += bytes.len() as u64;
                self.note_rise();
                true
            }
            None => false,
        }
    }

    /// Queues `payload` without its first `sent` bytes, which `take` has counted. The caller has checked that the
    /// remaining bytes fit into the limit.
    #[inline]
    pub(crate) fn put(&mut self, unsent: &mut Unsent, payload: Payload<'_>, sent: usize) {
        debug_assert!(unsent.span.is_empty(), "the connection was settled");
        unsent.written += (payload.len() - sent) as u64;
        payload.queue(sent, &mut unsent.queue, &mut self.pool);
        self.note_rise();
    }
}

/// Moving bytes to the queue of their connection, and counting them.
impl Outbox {
    /// Moves the bytes of `id` from the common buffers to its queue. Later writes of its callback no longer gather.
    /// `Net` calls this before each request that may change the connection. After `true`, the caller asks for a flush.
    #[inline]
    pub(crate) fn move_to_queue(&mut self, id: SocketId, unsent: &mut Unsent) -> bool {
        let has_gathered = self.gathered.is_of(id) && self.end_callback();
        if has_gathered {
            self.queue_gathered(unsent);
        }
        self.move_span_to_queue(unsent);
        has_gathered
    }

    #[cold]
    fn queue_gathered(&mut self, unsent: &mut Unsent) {
        let bytes = self.gathered.bytes();
        unsent.written += bytes.len() as u64;
        unsent.queue.copy(bytes, &mut self.pool);
        self.gathered.clear();
        self.note_rise();
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

    /// The number of bytes that the running callback of `id` has gathered, and that [`Unsent`] does not count yet.
    #[inline]
    pub(crate) fn own_bytes(&self, id: SocketId) -> usize {
        self.gathered.length_of(id)
    }
}

/// Taking bytes out.
impl Outbox {
    /// Offers the unsent bytes, followed by `tail`, in one call of `write`, up to the limits of a vectored write.
    /// Without bytes `write` is not called; if it fails, nothing was taken. The outbox holds bytes as the user wrote
    /// them: filters encode them within `write`, for which a buffer is lent.
    #[inline]
    pub(crate) fn take(
        &mut self,
        unsent: &mut Unsent,
        tail: &[u8],
        write: impl FnOnce(&[IoSlice<'_>], &mut Vec<u8>) -> io::Result<usize>,
    ) -> io::Result<Taken> {
        self.move_span_to_queue(unsent);
        let before = unsent.queue.len() + tail.len();
        let mut offered = 0;
        let encoded = &mut self.spare.encoded;
        let of_tail = unsent.queue.flush_with(tail, &mut self.pool, |slices| {
            offered = slices.iter().map(|slice| slice.len()).sum();
            write(slices, encoded)
        })?;
        let left = unsent.queue.len() + tail.len() - of_tail;
        let sent = before - left;
        // Counted in `take`, because no `put` follows if a limit refuses the rest of the tail.
        unsent.written += of_tail as u64;
        self.sent += sent as u64;
        self.note_fall();
        Ok(Taken {
            offered,
            sent,
            of_tail,
        })
    }

    /// Fast path of [`take`](Self::take) for a span, whose bytes lie in one piece. Also returns the number of offered
    /// bytes. `None` without a span.
    #[inline(always)]
    pub(crate) fn take_piece(
        &mut self,
        unsent: &mut Unsent,
        write: impl FnOnce(&[u8], &mut Vec<u8>) -> io::Result<usize>,
    ) -> Option<(usize, io::Result<usize>)> {
        if unsent.span.is_empty() {
            return None;
        }
        let span = std::mem::take(&mut unsent.span);
        let bytes = self.broadcast.bytes(span);
        let offered = bytes.len();
        let sent = write(bytes, &mut self.spare.encoded);
        self.sent += *sent.as_ref().unwrap_or(&0) as u64;
        match sent {
            Ok(sent) if sent == offered => {}
            _ => queue_rest(bytes, &sent, unsent, &mut self.pool),
        }
        self.broadcast.release(span);
        self.note_fall();
        Some((offered, sent))
    }

    /// Ends a callback. Returns whether it has gathered bytes, which the caller then [sends](Self::take_own) or queues.
    #[inline]
    pub(crate) fn end_callback(&mut self) -> bool {
        self.gathered.end();
        !self.gathered.bytes().is_empty()
    }

    /// Offers the gathered bytes by `write`. If it does not take all, the caller calls [`take_rest`](Self::take_rest).
    #[inline(always)]
    pub(crate) fn take_own<R>(
        &mut self,
        unsent: &mut Unsent,
        write: impl FnOnce(&[u8]) -> Result<(), R>,
    ) -> Result<(), R> {
        let bytes = self.gathered.bytes();
        write(bytes)?;
        unsent.written += bytes.len() as u64;
        self.sent += bytes.len() as u64;
        self.gathered.clear();
        Ok(())
    }

    /// Calls `write` with the gathered bytes after [`take_own`](Self::take_own) has failed, and queues those that it
    /// does not take. Returns the number of offered bytes, and the result of `write`.
    #[cold]
    pub(crate) fn take_rest(
        &mut self,
        unsent: &mut Unsent,
        write: impl FnOnce(&[u8], &mut Vec<u8>) -> io::Result<usize>,
    ) -> (usize, io::Result<usize>) {
        debug_assert!(unsent.is_empty(), "the connection was settled");
        let bytes = self.gathered.bytes();
        let offered = bytes.len();
        unsent.written += offered as u64;
        let sent = write(bytes, &mut self.spare.encoded);
        self.sent += *sent.as_ref().unwrap_or(&0) as u64;
        if matches!(sent, Ok(sent) if sent == offered) {
            self.gathered.clear();
        } else {
            queue_rest(bytes, &sent, unsent, &mut self.pool);
            self.gathered.clear();
            self.note_rise();
        }
        (offered, sent)
    }

    /// Returns how many bytes were lost for lack of memory since the last call. The caller asks after each call that
    /// may queue, and fails the connection unless it closes anyway.
    #[inline]
    pub(crate) fn take_lost(&mut self) -> usize {
        self.pool.take_lost()
    }

    pub(crate) fn sent_bytes(&self) -> u64 {
        self.sent
    }

    /// Returns the number of bytes that a callback has gathered, and that were neither sent nor queued yet.
    pub(crate) fn gathered_bytes(&self) -> usize {
        self.gathered.bytes().len()
    }

    /// Takes out all unsent bytes in one piece, for a connection that leaves the loop.
    pub(crate) fn take_all(&mut self, unsent: &mut Unsent) -> Vec<u8> {
        self.move_span_to_queue(unsent);
        let bytes = unsent.queue.take_bytes(&mut self.pool);
        self.note_fall();
        bytes
    }

    /// Drops the unsent bytes of a connection, without gathered ones, and returns their number.
    #[inline]
    pub(crate) fn discard(&mut self, unsent: &mut Unsent) -> usize {
        match unsent.is_empty() {
            true => 0,
            false => self.discard_some(unsent),
        }
    }

    #[cold]
    fn discard_some(&mut self, unsent: &mut Unsent) -> usize {
        self.move_span_to_queue(unsent);
        let lost = unsent.queue.discard(&mut self.pool);
        self.note_fall();
        lost
    }

    /// Frees memory that is only kept for later reads and writes.
    pub(crate) fn trim(&mut self) {
        self.pool.trim();
        self.gathered.shrink();
        self.broadcast.shrink();
        self.spare.free();
    }

    /// Whether much memory is kept for later reads and writes.
    pub(crate) fn has_slack(&self) -> bool {
        self.pool.has_slack()
            || self.gathered.has_slack()
            || self.broadcast.has_slack()
            || self.spare.has_slack()
    }

    /// Frees chunks that were not needed since the last `reclaim`, and large buffers that are not in use.
    pub(crate) fn reclaim(&mut self) {
        self.pool.reclaim();
        self.gathered.shrink();
        self.broadcast.shrink();
        self.spare.reclaim();
    }
}

#[cold]
fn queue_rest(bytes: &[u8], sent: &io::Result<usize>, unsent: &mut Unsent, pool: &mut Pool) {
    let rest = &bytes[*sent.as_ref().unwrap_or(&0)..];
    unsent.queue.copy(rest, pool);
}
