//! The unsent bytes of one socket.
//!
//! It knows their order, keeps them with as little copying and allocating as possible, and offers them to the kernel in
//! one vectored write. It does not know sockets, readiness, watermarks or limits: the write itself is a closure, and
//! the caller that pushes decides when enough is queued.
//!
//! Most writes are small and leave at once, so the case that counts is "copy 64 bytes, flush, empty again". The
//! [`Pool`] makes it free of allocations, and an idle socket owns nothing but one word.

mod pool;
mod queue;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io::{self, IoSlice};
use std::rc::Rc;

pub use pool::Pool;
use queue::{Queue, Segment, offer_one};

/// From this length on a payload is kept by reference. Below it a copy into a chunk that is open anyway costs less than
/// a slice of its own in the vectored write.
pub(crate) const KEEP_BYTES: usize = 1024;

/// Below this length a payload is always copied. An entry that refers to it is about as long as the payload. A million
/// such entries would cost a slow peer's queue many times the bytes it counts.
const TINY_BYTES: usize = 64;

/// The unsent bytes of one socket, first in, first out.
///
/// Bytes enter by [`copy`](Self::copy), [`own`](Self::own), [`share`](Self::share) or
/// [`share_static`](Self::share_static), and leave by [`flush`](Self::flush) when the kernel has taken them. Storage
/// comes from a [`Pool`] that all sockets of a loop share; an empty buffer has given everything back. Always pass the
/// same pool: another one would work, but it would be given memory that the first one lacks.
///
/// Nothing here is bounded. The caller compares [`len`](Self::len) with its limit before it pushes.
#[derive(Default)]
pub struct SendBuffer {
    /// Invariant: present exactly while there are unsent bytes.
    queue: Option<Box<Queue>>,
}

impl SendBuffer {
    /// Makes an empty buffer, which allocates nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { queue: None }
    }

    /// Returns how many bytes were pushed that the kernel has not taken yet: exact, not an estimate.
    #[must_use]
    #[inline]
    pub fn len(&self) -> usize {
        self.queue.as_deref().map_or(0, Queue::len)
    }

    /// Whether there is nothing to send.
    #[must_use]
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.queue.is_none()
    }

    /// Appends a copy of `bytes`. Small writes coalesce in the last chunk, long ones spill into further chunks.
    #[inline]
    pub fn copy(&mut self, bytes: &[u8], pool: &mut Pool) {
        if bytes.is_empty() {
            return;
        }
        self.queue
            .get_or_insert_with(|| pool.take_queue())
            .append(bytes, pool);
    }

    /// Appends `bytes[from..]` and keeps the vector until the kernel has taken its last byte. Nothing is copied, unless
    /// fewer than 1 KiB are left to send: then they are copied and the vector is freed now.
    ///
    /// `from` is the number of bytes that an earlier direct write already sent; at or beyond the end there is nothing
    /// to append.
    pub fn own(&mut self, bytes: Vec<u8>, from: usize, pool: &mut Pool) {
        let unsent = bytes.get(from..).unwrap_or_default();
        if unsent.len() < KEEP_BYTES {
            self.copy(unsent, pool);
        } else {
            self.push(Segment::owned(bytes, from), pool);
        }
    }

    /// Appends `bytes[from..]` and holds a reference until the kernel has taken its last byte. So one broadcast lies in
    /// memory once, however many sockets still have to send it.
    ///
    /// A short remainder is copied where that is the cheaper way: under 64 bytes always, under 1 KiB if it fits into
    /// the last chunk.
    pub fn share(&mut self, bytes: Rc<[u8]>, from: usize, pool: &mut Pool) {
        let unsent = bytes.get(from..).unwrap_or_default();
        if self.is_better_copied(unsent.len()) {
            self.copy(unsent, pool);
        } else {
            self.push(Segment::shared(bytes, from), pool);
        }
    }

    /// Appends bytes that live for ever, without copying them. Short ones are copied as [`share`](Self::share) does.
    pub fn share_static(&mut self, bytes: &'static [u8], pool: &mut Pool) {
        if self.is_better_copied(bytes.len()) {
            self.copy(bytes, pool);
        } else {
            self.push(Segment::from_static(bytes), pool);
        }
    }

    /// Offers the head of the queue to `write` in one call and forgets the bytes that it took. Returns their number.
    ///
    /// `write` sees 1 to [`GATHER_SLICES`](queue::GATHER_SLICES) slices, none of them empty, of at most
    /// [`GATHER_BYTES`](queue::GATHER_BYTES) together. It is not called when there is nothing to send; that gives
    /// `Ok(0)`. An `Ok(0)` while [`len`](Self::len) is not zero means that the kernel took nothing: treat it like
    /// `WouldBlock`, or the loop spins.
    ///
    /// # Errors
    ///
    /// Any error that `write` returns (`WouldBlock` and `Interrupted` too), and an error of kind `Other` if it claims
    /// more bytes than it was offered. The queue is then unchanged, and the call can be repeated.
    #[inline]
    pub fn flush(
        &mut self,
        pool: &mut Pool,
        write: impl FnOnce(&[IoSlice<'_>]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let Some(queue) = self.queue.as_deref() else {
            return Ok(0);
        };
        let taken = queue.offer(&[], write)?;
        self.consume(taken, pool);
        Ok(taken)
    }

    /// Offers `tail` too, behind everything that is queued although it is not queued itself; else it does as
    /// [`flush`](Self::flush). So a large payload goes straight to the kernel, and only the rest of it needs to be
    /// kept.
    ///
    /// Returns how many bytes of `tail` were taken. The queue goes first, so this is zero while any of it is left; push
    /// `tail` from the returned offset on. `write` is not called when queue and tail are both empty.
    ///
    /// # Errors
    ///
    /// As [`flush`](Self::flush); then no byte of `tail` was taken.
    #[inline]
    pub fn flush_with(
        &mut self,
        tail: &[u8],
        pool: &mut Pool,
        write: impl FnOnce(&[IoSlice<'_>]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let Some(queue) = self.queue.as_deref() else {
            if tail.is_empty() {
                return Ok(0);
            }
            return offer_one(tail, write);
        };
        let taken = queue.offer(tail, write)?;
        let taken_of_queue = taken.min(queue.len());
        self.consume(taken_of_queue, pool);
        Ok(taken - taken_of_queue)
    }

    /// Takes all unsent bytes out, as one piece: for a socket that goes on elsewhere.
    pub fn take_bytes(&mut self, pool: &mut Pool) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.len());
        while !self.is_empty() {
            let taken = self.flush(pool, |slices| {
                for slice in slices {
                    bytes.extend_from_slice(slice);
                }
                Ok(slices.iter().map(|slice| slice.len()).sum())
            });
            debug_assert!(taken.is_ok_and(|taken| taken > 0), "all is taken");
        }
        bytes
    }

    /// Drops all unsent bytes, gives the storage back, and returns how many bytes were lost.
    pub fn discard(&mut self, pool: &mut Pool) -> usize {
        let lost = self.len();
        self.consume(lost, pool);
        lost
    }

    /// Whether a payload of this length, which could be kept by reference, costs less when it is copied.
    fn is_better_copied(&self, length: usize) -> bool {
        length < TINY_BYTES
            || length < KEEP_BYTES
                && self
                    .queue
                    .as_deref()
                    .is_some_and(|queue| queue.spare_capacity() >= length)
    }

    fn push(&mut self, segment: Segment, pool: &mut Pool) {
        self.queue
            .get_or_insert_with(|| pool.take_bare_queue())
            .push(segment);
    }

    /// Forgets the first `count` bytes, of at most `length`, and the storage that only they were in.
    #[inline]
    fn consume(&mut self, count: usize, pool: &mut Pool) {
        if let Some(mut queue) = self.queue.take() {
            queue.consume(count, pool);
            if queue.len() == 0 {
                pool.put_queue(queue);
            } else {
                self.queue = Some(queue);
            }
        }
    }
}

/// Shows sizes, never payload: that would be long, and it may be secret.
impl fmt::Debug for SendBuffer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pieces = self.queue.as_deref().map_or(0, Queue::pieces);
        formatter
            .debug_struct("SendBuffer")
            .field("unsent_bytes", &self.len())
            .field("pieces", &pieces)
            .finish()
    }
}
