//! The segments of one socket's unsent bytes, in order, and how they are offered to a vectored write.
//!
//! It knows the four ways in which bytes can be held. `SendBuffer` decides which one is used.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::mem;
use std::rc::Rc;

use super::pool::Pool;

/// The most slices that one write is offered. The kernel's own limit is 1024 on Linux and 16 by POSIX' minimum; libuv
/// and std clamp to the kernel's. With 64 the call's overhead vanishes and the array on the stack stays at 1 KiB.
pub(super) const GATHER_SLICES: usize = 64;

/// The most bytes that one write is offered, 1 MiB. A longer write would keep the loop from its other sockets. The
/// systems' own limits are far above: macOS and the BSDs refuse more than `INT_MAX` with `EINVAL`, Linux cuts off at
/// 0x7ffff000.
pub(super) const GATHER_BYTES: usize = 1024 * 1024;

/// The most segments that are gathered in a small array: to fill one of `GATHER_SLICES` costs more than a head and a
/// body are worth.
const FEW_SEGMENTS: usize = 6;

/// The bytes that are not fully sent: the segments, then the open chunk.
///
/// The open chunk is not one of the segments, and stays with the queue through the pool. So a small write that leaves
/// at once only moves two lengths.
#[derive(Default)]
pub(super) struct Queue {
    /// Invariant: none is without unsent bytes.
    segments: VecDeque<Segment>,
    /// The chunk that copies go to. Invariant: without capacity, or with unsent bytes, or the queue is empty.
    open: Vec<u8>,
    /// The number of sent bytes of the open chunk. Invariant: zero while there are segments.
    open_start: usize,
    /// Invariant: the sum of the unsent bytes of the segments and of the open chunk.
    length: usize,
}

impl Queue {
    /// The number of unsent bytes.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.length
    }

    /// The number of pieces of memory that hold unsent bytes.
    pub(super) fn pieces(&self) -> usize {
        self.segments.len() + usize::from(!self.open_unsent().is_empty())
    }

    /// The memory of the queue and of its chunks, without memory that callers own or share.
    #[cfg(test)]
    pub(super) fn occupied_bytes(&self) -> usize {
        let chunks: usize = self.segments.iter().map(Segment::chunk_bytes).sum();
        size_of::<Self>()
            + self.ring_capacity() * size_of::<Segment>()
            + self.open.capacity()
            + chunks
    }

    /// The number of segments that fit without an allocation.
    #[inline]
    pub(super) fn ring_capacity(&self) -> usize {
        self.segments.capacity()
    }

    /// The number of bytes that can be appended without another chunk; zero if no chunk is open.
    pub(super) fn spare_capacity(&self) -> usize {
        self.open.capacity() - self.open.len()
    }

    /// Whether there is an open chunk, be it empty.
    #[inline]
    pub(super) fn has_chunk(&self) -> bool {
        self.open.capacity() > 0
    }

    /// Copies `bytes` behind everything else: into the open chunk as far as they fit, then into further ones.
    #[inline]
    pub(super) fn append(&mut self, bytes: &[u8], pool: &mut Pool) {
        self.length += bytes.len();
        if bytes.len() <= self.spare_capacity() {
            self.open.extend_from_slice(bytes);
        } else {
            self.spill(bytes, pool);
        }
    }

    /// Puts a segment behind everything else.
    pub(super) fn push(&mut self, segment: Segment) {
        self.length += segment.unsent().len();
        self.close();
        self.segments.push_back(segment);
    }

    /// Offers as much as one write may carry, with `tail` last, and returns how much of it was taken.
    #[inline]
    pub(super) fn offer(
        &self,
        tail: &[u8],
        write: impl FnOnce(&[IoSlice<'_>]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        match self.segments.len() {
            0 if tail.is_empty() => offer_one(self.open_unsent(), write),
            0..=FEW_SEGMENTS => self.offer_many::<{ FEW_SEGMENTS + 2 }>(tail, write),
            _ => self.offer_many::<GATHER_SLICES>(tail, write),
        }
    }

    /// Forgets the first `count` bytes, which are unsent.
    #[inline]
    pub(super) fn consume(&mut self, mut count: usize, pool: &mut Pool) {
        self.length -= count;
        if !self.segments.is_empty() {
            count = self.consume_segments(count, pool);
        }
        self.open_start += count;
    }

    /// Makes a queue whose bytes are all sent ready for others.
    #[inline]
    pub(super) fn reset(&mut self) {
        self.open.clear();
        self.open_start = 0;
    }

    /// Takes the open chunk out of a queue that is empty.
    pub(super) fn take_chunk(&mut self) -> Vec<u8> {
        mem::take(&mut self.open)
    }

    /// Checks the invariants, and returns the sum of the unsent bytes.
    #[cfg(test)]
    pub(super) fn check(&self) -> usize {
        for (index, segment) in self.segments.iter().enumerate() {
            assert!(!segment.unsent().is_empty(), "segment {index} is sent");
            let is_chunk = segment.chunk_bytes() > 0;
            assert!(index == 0 || !is_chunk || segment.start == 0, "{index}");
        }
        let open = self.open_unsent().len();
        assert!(open > 0 || !self.has_chunk(), "the open chunk is sent");
        assert!(self.open_start == 0 || self.segments.is_empty());
        self.segments
            .iter()
            .map(|segment| segment.unsent().len())
            .sum::<usize>()
            + open
    }

    #[inline]
    fn open_unsent(&self) -> &[u8] {
        &self.open[self.open_start..]
    }

    /// Forgets the first `count` bytes as far as they lie in segments, and returns how many are yet to be forgotten.
    /// The chunks of the segments that end here go back to the pool.
    #[inline(never)]
    fn consume_segments(&mut self, mut count: usize, pool: &mut Pool) -> usize {
        while let Some(first) = self.segments.front_mut() {
            let unsent = first.unsent().len();
            if count < unsent {
                first.start += count;
                return 0;
            }
            count -= unsent;
            if let Some(Segment {
                storage: Storage::Chunk(chunk),
                ..
            }) = self.segments.pop_front()
            {
                pool.put_chunk(chunk);
            }
        }
        count
    }

    /// Appends the bytes that do not fit into the open chunk. Not inlined: it is rare, and would make `append` slow.
    #[inline(never)]
    fn spill(&mut self, bytes: &[u8], pool: &mut Pool) {
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.spare_capacity() == 0 {
                self.close();
                self.open = pool.take_chunk();
            }
            let (fitting, further) = rest.split_at(rest.len().min(self.spare_capacity()));
            self.open.extend_from_slice(fitting);
            rest = further;
        }
    }

    /// Makes the open chunk the last segment, so that another can follow it.
    fn close(&mut self) {
        if self.open.is_empty() {
            return;
        }
        let mut chunk = mem::take(&mut self.open);
        if self.segments.len() >= GATHER_SLICES && chunk.len() < chunk.capacity() / 2 {
            // Several writes behind, this chunk will stay for a while. If every one of them held a few bytes between
            // two references, a slow peer would cost many times the bytes that its limit counts.
            chunk.shrink_to_fit();
        }
        self.segments.push_back(Segment {
            storage: Storage::Chunk(chunk),
            start: mem::take(&mut self.open_start),
        });
    }

    /// Gathers as much as one write may carry. Not inlined: with its array, every flush would need a kibibyte of stack.
    #[inline(never)]
    fn offer_many<const SLICES: usize>(
        &self,
        tail: &[u8],
        write: impl FnOnce(&[IoSlice<'_>]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let mut count = 0;
        let mut offered = 0;
        let parts = self
            .segments
            .iter()
            .map(Segment::unsent)
            .chain([self.open_unsent(), tail])
            .filter(|part| !part.is_empty());
        for (slice, part) in slices.iter_mut().zip(parts) {
            let part = &part[..part.len().min(GATHER_BYTES - offered)];
            *slice = IoSlice::new(part);
            offered += part.len();
            count += 1;
            if offered == GATHER_BYTES {
                break;
            }
        }
        checked(write(&slices[..count])?, offered)
    }
}

/// Bytes that lie together in memory, and the number of them that are sent.
pub(super) struct Segment {
    storage: Storage,
    /// The index of the first unsent byte. Invariant: less than the storage's length.
    start: usize,
}

impl Segment {
    /// The caller's own vector, from `start` on.
    pub(super) fn owned(bytes: Vec<u8>, start: usize) -> Self {
        Self {
            storage: Storage::Owned(bytes),
            start,
        }
    }

    /// A reference to bytes that other sockets may refer to too, from `start` on.
    pub(super) fn shared(bytes: Rc<[u8]>, start: usize) -> Self {
        Self {
            storage: Storage::Shared(bytes),
            start,
        }
    }

    /// Bytes that are never freed.
    pub(super) fn from_static(bytes: &'static [u8]) -> Self {
        Self {
            storage: Storage::Static(bytes),
            start: 0,
        }
    }

    /// The bytes that the kernel has not taken.
    #[inline]
    pub(super) fn unsent(&self) -> &[u8] {
        let bytes: &[u8] = match &self.storage {
            Storage::Chunk(bytes) | Storage::Owned(bytes) => bytes,
            Storage::Shared(bytes) => bytes,
            Storage::Static(bytes) => bytes,
        };
        &bytes[self.start..]
    }

    /// The memory of the chunk; zero for bytes that came from the caller.
    #[cfg(test)]
    fn chunk_bytes(&self) -> usize {
        match &self.storage {
            Storage::Chunk(chunk) => chunk.capacity(),
            Storage::Owned(_) | Storage::Shared(_) | Storage::Static(_) => 0,
        }
    }
}

enum Storage {
    /// Copied bytes, in a chunk that goes back to the pool.
    Chunk(Vec<u8>),
    /// A vector that the caller gave away; freed when it is sent.
    Owned(Vec<u8>),
    /// One of many references to the same bytes.
    Shared(Rc<[u8]>),
    /// Bytes of the program itself.
    Static(&'static [u8]),
}

/// Offers a single slice, without any array. `bytes` must not be empty.
#[inline(always)]
pub(super) fn offer_one(
    bytes: &[u8],
    write: impl FnOnce(&[IoSlice<'_>]) -> io::Result<usize>,
) -> io::Result<usize> {
    let bytes = &bytes[..bytes.len().min(GATHER_BYTES)];
    checked(write(&[IoSlice::new(bytes)])?, bytes.len())
}

/// A write that claims more than it was given would make the queue forget bytes that were never sent.
#[inline]
fn checked(taken: usize, offered: usize) -> io::Result<usize> {
    if taken > offered {
        return Err(overclaimed());
    }
    Ok(taken)
}

#[cold]
fn overclaimed() -> io::Error {
    io::Error::other("a write reported more bytes than it was given")
}
