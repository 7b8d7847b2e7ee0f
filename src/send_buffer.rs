//! The unsent bytes of one socket.
//!
//! A [`SendBuffer`] keeps the bytes in order, and offers them to the kernel in one vectored write. Most writes are
//! small and leave at once: copy 64 bytes, flush, empty. The [`Pool`] spares the allocations of this sequence, and the
//! buffer of an idle socket is one machine word.

mod pool;
mod queue;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io::{self, IoSlice};
use std::rc::Rc;

pub use pool::Pool;
use queue::{Queue, Segment, offer_one};

/// The length from which on a payload that can be kept by reference is never copied. A shorter one costs less in a
/// chunk than as an extra slice of the vectored write.
pub(crate) const KEEP_BYTES: usize = 1024;

/// The length below which a payload is always copied. A reference takes about this much memory itself, which the limit
/// of a queue does not count. A queue of single bytes by reference could take many times its limit.
const TINY_BYTES: usize = 64;

/// The unsent bytes of one socket, first in, first out.
///
/// Bytes enter by [`copy`](Self::copy), [`own`](Self::own), [`share`](Self::share) or
/// [`share_static`](Self::share_static). They leave by [`flush`](Self::flush) or [`flush_with`](Self::flush_with) when
/// the kernel has taken them, or by [`take_bytes`](Self::take_bytes) or [`discard`](Self::discard). Storage comes from
/// a [`Pool`] that all sockets of a loop share. Pass the same pool to every call: it counts the bytes of its buffers. A
/// buffer has no limit of its own: the caller compares [`len`](Self::len) with its limit before it appends.
///
/// If there is no memory for appended bytes, all bytes of that call are lost, and the bytes before them stay. So the
/// caller asks [`Pool::take_lost`] after each call. Without memory for the box of a new queue the process ends: Rust
/// has no stable call that makes a box and can fail.
#[derive(Default)]
pub struct SendBuffer {
    /// Invariant: `Some` exactly while the buffer has unsent bytes.
    queue: Option<Box<Queue>>,
}

impl SendBuffer {
    /// Makes an empty buffer, which allocates nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { queue: None }
    }

    /// Returns the number of unsent bytes.
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

    /// Appends a copy of `bytes`. Small writes coalesce in the last chunk, and long writes continue in further chunks.
    #[inline]
    pub fn copy(&mut self, bytes: &[u8], pool: &mut Pool) {
        if bytes.is_empty() {
            return;
        }
        let queue = self.queue.get_or_insert_with(|| pool.take_queue());
        match queue.append(bytes, pool) {
            true => pool.queued_bytes += bytes.len(),
            false => self.lose(bytes.len(), pool),
        }
    }

    #[cold]
    fn lose(&mut self, count: usize, pool: &mut Pool) {
        pool.note_lost(count);
        // `consume` returns the queue to the pool if the queue is empty.
        self.consume(0, pool);
    }

    /// Appends `bytes[from..]`, of which the kernel has taken the first `from` bytes, and keeps the vector until the
    /// last byte is taken. If fewer than 1 KiB are left to send, copies these bytes and frees the vector at once.
    pub fn own(&mut self, bytes: Vec<u8>, from: usize, pool: &mut Pool) {
        let unsent = bytes.get(from..).unwrap_or_default();
        if unsent.len() < KEEP_BYTES {
            self.copy(unsent, pool);
        } else {
            self.push(Segment::owned(bytes, from), pool);
        }
    }

    /// Appends `bytes[from..]`, and holds the reference `bytes` until the kernel has taken the last byte. So the bytes
    /// of one broadcast lie in memory once, whatever the number of sockets. Copies a short remainder instead: always
    /// below 64 bytes, and below 1 KiB if the remainder fits into the last chunk.
    pub fn share(&mut self, bytes: Rc<[u8]>, from: usize, pool: &mut Pool) {
        let unsent = bytes.get(from..).unwrap_or_default();
        if self.is_better_copied(unsent.len()) {
            self.copy(unsent, pool);
        } else {
            self.push(Segment::shared(bytes, from), pool);
        }
    }

    /// Appends static bytes without a copy. Copies a short payload as [`share`](Self::share) does.
    pub fn share_static(&mut self, bytes: &'static [u8], pool: &mut Pool) {
        if self.is_better_copied(bytes.len()) {
            self.copy(bytes, pool);
        } else {
            self.push(Segment::from_static(bytes), pool);
        }
    }

    /// Offers the head of the queue to `write` in one call, removes the bytes that `write` took, and returns their
    /// number.
    ///
    /// `write` sees 1 to [`GATHER_SLICES`](queue::GATHER_SLICES) slices, none of them empty, of at most
    /// [`GATHER_BYTES`](queue::GATHER_BYTES) together. If there is nothing to send, `write` is not called, and the
    /// result is `Ok(0)`. Otherwise `Ok(0)` means that the kernel took nothing: treat it like `WouldBlock`, or the loop
    /// spins.
    ///
    /// # Errors
    ///
    /// Any error that `write` returns (`WouldBlock` and `Interrupted` too), and an error of kind `Other` if `write`
    /// claims more bytes than it was offered. The queue is then unchanged, and the call can be repeated.
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

    /// Flushes as [`flush`](Self::flush) does, but offers `tail` in the same call, after the queued bytes. So a large
    /// payload goes straight to the kernel, and the caller appends only its rest.
    ///
    /// Returns the number of bytes of `tail` that were taken, which is zero while a queued byte is left. `write` is not
    /// called if the queue and `tail` are both empty.
    ///
    /// # Errors
    ///
    /// The errors of [`flush`](Self::flush). After an error, no byte of `tail` was taken.
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

    /// Takes all unsent bytes out, as one vector, for a socket that is handed to another owner.
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

    /// Drops all unsent bytes, returns their storage to the pool, and returns the number of bytes that were lost.
    pub fn discard(&mut self, pool: &mut Pool) -> usize {
        let lost = self.len();
        self.consume(lost, pool);
        lost
    }

    fn is_better_copied(&self, length: usize) -> bool {
        length < TINY_BYTES
            || length < KEEP_BYTES
                && self
                    .queue
                    .as_deref()
                    .is_some_and(|queue| queue.spare_capacity() >= length)
    }

    fn push(&mut self, segment: Segment, pool: &mut Pool) {
        let length = segment.unsent().len();
        let queue = self.queue.get_or_insert_with(|| pool.take_bare_queue());
        match queue.push(segment) {
            Ok(()) => pool.queued_bytes += length,
            Err(_) => self.lose(length, pool),
        }
    }

    /// Removes the first `count` bytes, at most [`len`](Self::len), and returns emptied storage to the pool.
    #[inline]
    fn consume(&mut self, count: usize, pool: &mut Pool) {
        if let Some(mut queue) = self.queue.take() {
            pool.queued_bytes -= count;
            queue.consume(count, pool);
            if queue.len() == 0 {
                pool.put_queue(queue);
            } else {
                self.queue = Some(queue);
            }
        }
    }
}

/// Prints sizes and no payload, which may be long, and secret.
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
