//! The segments of one socket's unsent bytes, in order, and the vectored write that offers them to the kernel.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::mem;
use std::rc::Rc;

use super::pool::{CHUNK_BYTES, Pool};

/// The limit on the number of slices in one write. The kernel's own limit, which libuv and std use, is 1024 on Linux,
/// and at least 16 by POSIX. For 64 slices, the fixed cost of a call is already negligible.
pub(super) const GATHER_SLICES: usize = 64;

/// The limit on the bytes of one write: during a longer write the other sockets of the loop would wait too long. macOS
/// and the BSDs refuse more than `INT_MAX` with `EINVAL`, and Linux writes at most 0x7ffff000 bytes.
pub(super) const GATHER_BYTES: usize = 1024 * 1024;

/// The number of segments up to which a write gathers its slices in a small array, which is initialized faster.
const FEW_SEGMENTS: usize = 6;

/// The bytes that are not fully sent: the segments, then the open chunk. The open chunk stays in the queue when the
/// queue returns to the pool. So a small write that leaves at once changes only two lengths.
#[derive(Default)]
pub(super) struct Queue {
    /// The segments before the open chunk. Invariant: each segment has unsent bytes.
    segments: VecDeque<Segment>,
    /// The chunk that copied bytes are appended to; without capacity if no chunk is open. Invariant: an open chunk has
    /// unsent bytes, unless the whole queue is empty.
    open: Vec<u8>,
    /// The number of bytes of `open` that are sent. Invariant: zero while there are segments.
    open_start: usize,
    /// Invariant: the sum of the unsent bytes of the segments and of the open chunk.
    length: usize,
}

impl Queue {
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.length
    }

    pub(super) fn pieces(&self) -> usize {
        self.segments.len() + usize::from(!self.open_unsent().is_empty())
    }

    #[cfg(test)]
    pub(super) fn occupied_bytes(&self) -> usize {
        let chunks: usize = self.segments.iter().map(Segment::chunk_bytes).sum();
        size_of::<Self>()
            + self.ring_capacity() * size_of::<Segment>()
            + self.open.capacity()
            + chunks
    }

    #[inline]
    pub(super) fn ring_capacity(&self) -> usize {
        self.segments.capacity()
    }

    /// Returns the number of bytes that can be appended without another chunk; zero if no chunk is open.
    pub(super) fn spare_capacity(&self) -> usize {
        self.open.capacity() - self.open.len()
    }

    /// Whether there is an open chunk, which may be empty.
    #[inline]
    pub(super) fn has_chunk(&self) -> bool {
        self.open.capacity() > 0
    }

    /// Appends a copy of `bytes`. Returns `false`, and appends nothing, if there is no memory.
    #[inline]
    pub(super) fn append(&mut self, bytes: &[u8], pool: &mut Pool) -> bool {
        if bytes.len() <= self.spare_capacity() {
            self.open.extend_from_slice(bytes);
        } else if !self.spill(bytes, pool) {
            return false;
        }
        self.length += bytes.len();
        true
    }

    /// Appends a segment after the open chunk, which becomes a segment itself. Returns `segment` if there is no memory.
    pub(super) fn push(&mut self, segment: Segment) -> Result<(), Segment> {
        if self.segments.try_reserve(2).is_err() {
            return Err(segment);
        }
        self.length += segment.unsent().len();
        self.close();
        self.segments.push_back(segment);
        Ok(())
    }

    /// Offers the unsent bytes, and `tail` after them, in one write. Returns the number of bytes that `write` took.
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

    /// Removes the first `count` unsent bytes, which were sent or dropped. `count` is at most [`len`](Self::len).
    #[inline]
    pub(super) fn consume(&mut self, mut count: usize, pool: &mut Pool) {
        self.length -= count;
        if !self.segments.is_empty() {
            count = self.consume_segments(count, pool);
        }
        self.open_start += count;
    }

    /// Resets a queue without unsent bytes. The next copied bytes then fill the open chunk from its start.
    #[inline]
    pub(super) fn reset(&mut self) {
        self.open.clear();
        self.open_start = 0;
    }

    /// Takes the open chunk out of an empty queue.
    pub(super) fn take_chunk(&mut self) -> Vec<u8> {
        mem::take(&mut self.open)
    }

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

    /// Removes the first `count` bytes as far as they lie in segments. Returns the number that lies in the open chunk.
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

    /// Appends `bytes`, which do not all fit into the open chunk. Not inlined: it would make `append` slow.
    #[inline(never)]
    fn spill(&mut self, bytes: &[u8], pool: &mut Pool) -> bool {
        let further = bytes.len() - self.spare_capacity();
        let chunks = further.div_ceil(CHUNK_BYTES);
        // The chunks are reserved last: they stay in the pool, and may exceed its limit until they are used.
        if self.segments.try_reserve(chunks).is_err() || pool.reserve_chunks(chunks).is_err() {
            return false;
        }
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
        true
    }

    /// Makes the open chunk the last segment.
    fn close(&mut self) {
        if self.open.is_empty() {
            return;
        }
        let mut chunk = mem::take(&mut self.open);
        if self.segments.len() >= GATHER_SLICES && chunk.len() < chunk.capacity() / 2 {
            // A queue of so many segments stays for a while, and its limit does not count unused capacity. A nearly
            // empty chunk is therefore shrunk: many of them would take far more memory than the limit.
            let mut fitting = Vec::new();
            if fitting.try_reserve_exact(chunk.len()).is_ok() {
                fitting.append(&mut chunk);
                chunk = fitting;
            }
        }
        self.segments.push_back(Segment {
            storage: Storage::Chunk(chunk),
            start: mem::take(&mut self.open_start),
        });
    }

    /// Not inlined: otherwise every flush would need a kibibyte of stack for the array.
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

/// Bytes in one piece of memory. The first of them may have been sent already.
pub(super) struct Segment {
    storage: Storage,
    /// The index of the first unsent byte. Invariant: less than the length of `storage`.
    start: usize,
}

impl Segment {
    pub(super) fn owned(bytes: Vec<u8>, start: usize) -> Self {
        Self {
            storage: Storage::Owned(bytes),
            start,
        }
    }

    pub(super) fn shared(bytes: Rc<[u8]>, start: usize) -> Self {
        Self {
            storage: Storage::Shared(bytes),
            start,
        }
    }

    pub(super) fn from_static(bytes: &'static [u8]) -> Self {
        Self {
            storage: Storage::Static(bytes),
            start: 0,
        }
    }

    #[inline]
    pub(super) fn unsent(&self) -> &[u8] {
        let bytes: &[u8] = match &self.storage {
            Storage::Chunk(bytes) | Storage::Owned(bytes) => bytes,
            Storage::Shared(bytes) => bytes,
            Storage::Static(bytes) => bytes,
        };
        &bytes[self.start..]
    }

    #[cfg(test)]
    fn chunk_bytes(&self) -> usize {
        match &self.storage {
            Storage::Chunk(chunk) => chunk.capacity(),
            Storage::Owned(_) | Storage::Shared(_) | Storage::Static(_) => 0,
        }
    }
}

enum Storage {
    /// Copied bytes, in a chunk that returns to the pool, or is freed if it was shrunk.
    Chunk(Vec<u8>),
    /// A vector that the caller has given away. The vector is freed when its last byte is sent or dropped.
    Owned(Vec<u8>),
    /// A shared reference: other sockets may refer to the same bytes.
    Shared(Rc<[u8]>),
    Static(&'static [u8]),
}

/// Offers a single slice, without an array of slices. `bytes` must not be empty.
#[inline(always)]
pub(super) fn offer_one(
    bytes: &[u8],
    write: impl FnOnce(&[IoSlice<'_>]) -> io::Result<usize>,
) -> io::Result<usize> {
    let bytes = &bytes[..bytes.len().min(GATHER_BYTES)];
    checked(write(&[IoSlice::new(bytes)])?, bytes.len())
}

/// Returns `taken`, or an error if `taken` exceeds `offered`. Without this error the queue would drop unsent bytes.
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
