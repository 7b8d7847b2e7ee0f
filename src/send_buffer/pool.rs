//! Storage that send buffers return once the bytes in it are sent, for other buffers. A [`Pool`] limits the storage
//! that it keeps, and does not count the storage in use. Dropping a send buffer frees its storage.

use std::collections::TryReserveError;
use std::fmt;
use std::mem;

use super::queue::Queue;

/// The capacity of a pooled chunk, 16 KiB: as large as Redis' reply buffer. Smaller chunks would need more slices for
/// each write. Larger chunks would waste memory on a slow peer with few queued bytes.
pub(super) const CHUNK_BYTES: usize = 16 * 1024;

/// The limit on the bytes of free chunks that a pool of [`Pool::new`] keeps, 4 MiB.
const DEFAULT_LIMIT_BYTES: usize = 4 * 1024 * 1024;

/// The number of free queues that the pool may keep for each chunk. More than one, because a queue is far smaller, and
/// a buffer that keeps its bytes by reference needs no chunk.
const QUEUES_PER_CHUNK: usize = 4;

/// The greatest capacity of a queue that the pool keeps, in segments. A queue that a spike has made larger is freed.
const QUEUE_SEGMENTS: usize = 128;

/// Free chunks and free queues, shared by all send buffers of one loop. A buffer that has sent its last byte returns
/// its storage here, so a loop in a steady state allocates nothing. Beyond its limits the pool frees returned storage.
#[expect(
    clippy::vec_box,
    reason = "a send buffer holds the box, and taking a queue must not allocate one"
)]
pub struct Pool {
    /// Free chunks. Invariant: each is empty and has the capacity of `CHUNK_BYTES`. `chunks` and `ready` together have
    /// at most `chunk_limit` chunks, apart from those that [`reserve_chunks`](Self::reserve_chunks) has just added.
    chunks: Vec<Vec<u8>>,
    /// Free queues with a chunk to copy bytes into. Invariant: as for `bare`.
    ready: Vec<Box<Queue>>,
    /// Free queues without a chunk, for references. Invariant: each is empty, with capacity for at most
    /// `QUEUE_SEGMENTS` segments. `bare` and `ready` together have at most `queue_limit` queues.
    bare: Vec<Box<Queue>>,
    chunk_limit: usize,
    queue_limit: usize,
    /// A number of free chunks and queues that were not needed since the last [`reclaim`](Self::reclaim). Invariant: at
    /// most the smallest number that was free since then.
    unused: usize,
    /// Invariant: the sum of the lengths of all buffers that use this pool. A buffer that was dropped and not
    /// [discarded](super::SendBuffer::discard) still counts.
    pub(super) queued_bytes: usize,
    /// The number of bytes that were lost because there was no memory, until [`take_lost`](Self::take_lost).
    lost: usize,
}

/// The number of unneeded chunks and queues that [`Pool::reclaim`] leaves.
const KEPT: usize = 1;

impl Pool {
    /// Makes an empty pool that will keep at most 4 MiB of free chunks and 1024 free queues.
    #[must_use]
    pub const fn new() -> Self {
        Self::with_limit(DEFAULT_LIMIT_BYTES)
    }

    /// Makes an empty pool that will keep at most `bytes` of free chunks, rounded down to whole chunks of 16 KiB. For
    /// each of these chunks it will keep at most four free queues. Below one chunk the pool keeps nothing, and every
    /// empty buffer that queues bytes allocates.
    #[must_use]
    pub const fn with_limit(bytes: usize) -> Self {
        let chunk_limit = bytes / CHUNK_BYTES;
        Self {
            chunks: Vec::new(),
            ready: Vec::new(),
            bare: Vec::new(),
            chunk_limit,
            queue_limit: chunk_limit * QUEUES_PER_CHUNK,
            unused: 0,
            queued_bytes: 0,
            lost: 0,
        }
    }

    /// Returns the number of unsent bytes in all buffers of this pool together. A buffer that is dropped with unsent
    /// bytes, and not [discarded](super::SendBuffer::discard), stays counted.
    #[must_use]
    #[inline]
    pub const fn queued_bytes(&self) -> usize {
        self.queued_bytes
    }

    /// Returns the number of bytes that send buffers have lost because there was no memory, and sets it to zero.
    #[inline]
    pub fn take_lost(&mut self) -> usize {
        mem::take(&mut self.lost)
    }

    #[cold]
    pub(super) fn note_lost(&mut self, count: usize) {
        self.lost += count;
    }

    /// Ensures that the next `count` calls of [`take_chunk`](Self::take_chunk) allocate nothing.
    pub(super) fn reserve_chunks(&mut self, count: usize) -> Result<(), TryReserveError> {
        let before = self.chunks.len();
        let more = count.saturating_sub(before + self.ready.len());
        let reserved = self.bare.try_reserve(count);
        let mut reserved = reserved.and_then(|()| self.chunks.try_reserve(more));
        for _ in 0..more {
            let mut chunk = Vec::new();
            reserved = reserved.and_then(|()| chunk.try_reserve_exact(CHUNK_BYTES));
            if reserved.is_err() {
                self.chunks.truncate(before);
                break;
            }
            self.chunks.push(chunk);
        }
        reserved
    }

    /// Frees all storage that the pool keeps, for a loop that has been idle for a while.
    pub fn trim(&mut self) {
        self.chunks = Vec::new();
        self.ready = Vec::new();
        self.bare = Vec::new();
    }

    /// Whether [`reclaim`](Self::reclaim) can free anything.
    #[must_use]
    pub(crate) fn has_slack(&self) -> bool {
        self.free() > KEPT
    }

    /// Frees all but one of the chunks and queues that were not needed since the last call. So a pool in use keeps the
    /// storage for its load. After two calls without a use in between, at most one is left.
    pub(crate) fn reclaim(&mut self) {
        for _ in KEPT..self.unused {
            let _ = self.chunks.pop().is_some()
                || self.bare.pop().is_some()
                || self.ready.pop().is_some();
        }
        if self.chunks.is_empty() {
            self.chunks = Vec::new();
        }
        fit(&mut self.ready);
        fit(&mut self.bare);
        self.unused = self.free();
    }

    fn free(&self) -> usize {
        self.chunks.len() + self.ready.len() + self.bare.len()
    }

    #[inline]
    fn note_taken(&mut self) {
        self.unused = self.unused.min(self.free());
    }

    #[cfg(test)]
    pub(super) fn held_bytes(&self) -> usize {
        let chunks: usize = self.chunks.iter().map(Vec::capacity).sum();
        let queues = self.ready.iter().chain(&self.bare);
        let queues: usize = queues.map(|queue| queue.occupied_bytes()).sum();
        chunks + queues
    }

    pub(super) fn take_chunk(&mut self) -> Vec<u8> {
        if let Some(chunk) = self.chunks.pop() {
            self.note_taken();
            return chunk;
        }
        match self.ready.pop() {
            Some(mut queue) => {
                let chunk = queue.take_chunk();
                self.bare.push(queue);
                self.unused = 0;
                chunk
            }
            None => {
                self.unused = 0;
                Vec::with_capacity(CHUNK_BYTES)
            }
        }
    }

    /// Keeps `chunk` for a later [`take_chunk`](Self::take_chunk), or frees it. A shrunk chunk is freed.
    pub(super) fn put_chunk(&mut self, mut chunk: Vec<u8>) {
        if chunk.capacity() >= CHUNK_BYTES && self.can_keep_chunk() {
            chunk.clear();
            put(chunk, &mut self.chunks);
        }
    }

    /// Returns an empty queue for copied bytes, with a chunk if the pool has such a queue.
    #[inline]
    pub(super) fn take_queue(&mut self) -> Box<Queue> {
        match self.ready.pop() {
            Some(queue) => {
                self.note_taken();
                queue
            }
            None => self.take_bare_queue(),
        }
    }

    /// Returns an empty queue without a chunk, for references. A chunk that the queue had stays in the pool.
    #[inline(never)]
    pub(super) fn take_bare_queue(&mut self) -> Box<Queue> {
        let mut queue = self
            .bare
            .pop()
            .unwrap_or_else(|| self.ready.pop().unwrap_or_default());
        self.note_taken();
        self.put_chunk(queue.take_chunk());
        queue
    }

    /// Keeps a queue without unsent bytes for the next buffer. Beyond the limits, frees the queue, its chunk or both.
    #[inline]
    pub(super) fn put_queue(&mut self, mut queue: Box<Queue>) {
        queue.reset();
        if queue.has_chunk() && self.can_keep_chunk() && self.can_keep(&queue) {
            put(queue, &mut self.ready);
        } else {
            self.put_parts(queue);
        }
    }

    #[inline(never)]
    fn put_parts(&mut self, mut queue: Box<Queue>) {
        self.put_chunk(queue.take_chunk());
        if self.can_keep(&queue) {
            put(queue, &mut self.bare);
        }
    }

    #[inline]
    fn can_keep(&self, queue: &Queue) -> bool {
        self.ready.len() + self.bare.len() < self.queue_limit
            && queue.ring_capacity() <= QUEUE_SEGMENTS
    }

    #[inline]
    fn can_keep_chunk(&self) -> bool {
        self.chunks.len() + self.ready.len() < self.chunk_limit
    }
}

/// Keeps `storage` in a list of free storage; frees it if there is no memory for a longer list.
#[inline]
fn put<T>(storage: T, free: &mut Vec<T>) {
    if free.try_reserve(1).is_ok() {
        free.push(storage);
    }
}

/// Frees the spare capacity of a list, if it is more than half and there is memory for the smaller list.
#[expect(clippy::vec_box, reason = "as in `Pool`")]
fn fit(queues: &mut Vec<Box<Queue>>) {
    let mut fitting = Vec::new();
    if queues.capacity() > 2 * queues.len() && fitting.try_reserve_exact(queues.len()).is_ok() {
        fitting.append(queues);
        *queues = fitting;
    }
}

impl Default for Pool {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Pool")
            .field("free_chunks", &(self.chunks.len() + self.ready.len()))
            .field("free_queues", &(self.ready.len() + self.bare.len()))
            .finish()
    }
}
