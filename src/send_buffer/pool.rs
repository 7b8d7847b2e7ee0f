//! Storage that drained send buffers leave for the next ones.
//!
//! It knows how much may be kept and keeps no more. It does not know how much is in use. The storage that a socket has
//! taken is that socket's, and is freed with it unless it comes back.

use std::fmt;

use super::queue::Queue;

/// The capacity of a pooled chunk, 16 KiB: the size of Redis' reply buffer, and of most messages a few. Smaller ones
/// cost more slices for each write, larger ones cost a slow peer with little to send more memory.
pub(super) const CHUNK_BYTES: usize = 16 * 1024;

/// The bytes of chunks that [`Pool::new`] keeps, 4 MiB.
const DEFAULT_LIMIT_BYTES: usize = 4 * 1024 * 1024;

/// Free queues kept for each free chunk that may be kept. A socket with unsent bytes that are not in a chunk needs a
/// queue too, and a queue is far smaller than a chunk. Gives 1024 of them by default.
const QUEUES_PER_CHUNK: usize = 4;

/// A queue that has grown beyond this many segments is freed, so that one burst does not make the pool large for ever.
const QUEUE_SEGMENTS: usize = 128;

/// Free chunks and free queues, shared by all send buffers of one loop.
///
/// The storage that a buffer has drained comes back here and serves the next one, so a loop in its steady state
/// allocates nothing. Beyond its limit the pool frees the storage that it is given, so a burst does not stay in memory.
#[expect(
    clippy::vec_box,
    reason = "a send buffer holds the box, and taking a queue must not allocate one"
)]
pub struct Pool {
    /// Invariant: each is empty and has the capacity of `CHUNK_BYTES`; there are at most `chunk_limit`, those in
    /// `ready` included.
    chunks: Vec<Vec<u8>>,
    /// Queues with an open chunk, for copies. Invariant: as for `bare`.
    ready: Vec<Box<Queue>>,
    /// Queues without a chunk. Invariant: each is empty and has capacity for at most `QUEUE_SEGMENTS`; there are at
    /// most `queue_limit`, those in `ready` included.
    bare: Vec<Box<Queue>>,
    chunk_limit: usize,
    queue_limit: usize,
}

impl Pool {
    /// Makes a pool that keeps at most 4 MiB of free chunks and 1024 free queues. It allocates nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self::with_limit(DEFAULT_LIMIT_BYTES)
    }

    /// Makes a pool that keeps at most `bytes` of free chunks (whole chunks of `CHUNK_BYTES`) and four free queues
    /// for each of these chunks. With less than one chunk it keeps nothing, and every burst of writes allocates.
    #[must_use]
    pub const fn with_limit(bytes: usize) -> Self {
        let chunk_limit = bytes / CHUNK_BYTES;
        Self {
            chunks: Vec::new(),
            ready: Vec::new(),
            bare: Vec::new(),
            chunk_limit,
            queue_limit: chunk_limit * QUEUES_PER_CHUNK,
        }
    }

    /// Frees all free storage, for a loop that has been idle for a while; the next writes allocate again.
    pub fn trim(&mut self) {
        self.chunks = Vec::new();
        self.ready = Vec::new();
        self.bare = Vec::new();
    }

    /// The bytes of memory that the free chunks and queues occupy. Storage that sockets have in use is not counted.
    #[cfg(test)]
    pub(super) fn held_bytes(&self) -> usize {
        let chunks: usize = self.chunks.iter().map(Vec::capacity).sum();
        let queues = self.ready.iter().chain(&self.bare);
        let queues: usize = queues.map(|queue| queue.occupied_bytes()).sum();
        chunks + queues
    }

    /// An empty chunk with the capacity of `CHUNK_BYTES`.
    pub(super) fn take_chunk(&mut self) -> Vec<u8> {
        if let Some(chunk) = self.chunks.pop() {
            return chunk;
        }
        match self.ready.pop() {
            Some(mut queue) => {
                let chunk = queue.take_chunk();
                self.bare.push(queue);
                chunk
            }
            None => Vec::with_capacity(CHUNK_BYTES),
        }
    }

    /// Keeps the chunk for the next taker, or frees it. One without the full capacity is freed.
    pub(super) fn put_chunk(&mut self, mut chunk: Vec<u8>) {
        if chunk.capacity() >= CHUNK_BYTES && self.can_keep_chunk() {
            chunk.clear();
            self.chunks.push(chunk);
        }
    }

    /// An empty queue for copies, with an open chunk if one is at hand.
    #[inline]
    pub(super) fn take_queue(&mut self) -> Box<Queue> {
        match self.ready.pop() {
            Some(queue) => queue,
            None => self.take_bare_queue(),
        }
    }

    /// An empty queue for references, without a chunk: it may never need one, and other queues do.
    #[inline(never)]
    pub(super) fn take_bare_queue(&mut self) -> Box<Queue> {
        let mut queue = self
            .bare
            .pop()
            .unwrap_or_else(|| self.ready.pop().unwrap_or_default());
        self.put_chunk(queue.take_chunk());
        queue
    }

    /// Keeps a queue whose bytes are all sent for the next taker, or frees it. The same goes for its chunk.
    #[inline]
    pub(super) fn put_queue(&mut self, mut queue: Box<Queue>) {
        queue.reset();
        if queue.has_chunk() && self.can_keep_chunk() && self.can_keep(&queue) {
            self.ready.push(queue);
        } else {
            self.put_parts(queue);
        }
    }

    /// Keeps the parts that the pool can keep, of a queue and its chunk that cannot both be kept.
    #[inline(never)]
    fn put_parts(&mut self, mut queue: Box<Queue>) {
        self.put_chunk(queue.take_chunk());
        if self.can_keep(&queue) {
            self.bare.push(queue);
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
