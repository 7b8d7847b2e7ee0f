//! Gathered bytes: the bytes that a socket has written in its own running callback, until the callback returns or they
//! move to the queue. Nearly every reply is small and can leave at once: it needs no queue, and its write does not look
//! at the connection.

use crate::net::values::SocketId;

use super::KEPT_BYTES;

/// Invariant: no user can tell whether bytes are in this buffer or in the queue of their connection. A request to the
/// connection [moves](super::Outbox::move_to_queue) them to the queue first, and the user's counts include them.
#[derive(Debug)]
pub(super) struct Gathered {
    /// The socket whose callback runs; `None` also after a request in the callback has moved the bytes to the queue.
    owner: Option<SocketId>,
    bytes: Vec<u8>,
    /// The next write must be shorter than this. Invariant: the owner would answer `Open` to such a write. Zero if the
    /// owner could not send at once when the callback began.
    capacity: usize,
    /// A mask over the capacity of a callback. It is zero while the loop's limit leaves fewer bytes than one callback
    /// may gather. Each write then goes through its connection, which compares with that limit. A mask costs one
    /// instruction a message, and the minimum of two numbers would cost three.
    mask: usize,
}

impl Default for Gathered {
    fn default() -> Self {
        Self {
            owner: None,
            bytes: Vec::new(),
            capacity: 0,
            mask: usize::MAX,
        }
    }
}

impl Gathered {
    #[inline]
    pub(super) fn begin(&mut self, owner: SocketId, capacity: usize) {
        debug_assert!(self.bytes.is_empty(), "the last callback was ended");
        self.owner = Some(owner);
        self.capacity = capacity & self.mask;
    }

    /// Lets the owner gather at most `bytes` further bytes. If `bytes` is below the greatest capacity of a callback,
    /// later callbacks gather nothing until `fit` is called with more.
    #[inline]
    pub(super) fn fit(&mut self, bytes: usize) {
        let is_tight = bytes < usize::from(u16::MAX);
        self.mask = if is_tight { 0 } else { usize::MAX };
        self.capacity = self.capacity.min(bytes.saturating_add(1));
    }

    #[inline]
    pub(super) fn is_tight(&self) -> bool {
        self.mask == 0
    }

    /// Appends `bytes` if the owner may gather as many, and the buffer has memory for them.
    #[inline]
    pub(super) fn put(&mut self, writer: SocketId, bytes: &[u8]) -> bool {
        let fits =
            self.allows(writer, bytes) && bytes.len() <= self.bytes.capacity() - self.bytes.len();
        if fits {
            self.capacity -= bytes.len();
            self.bytes.extend_from_slice(bytes);
        }
        fits
    }

    /// As [`put`](Self::put), but lets the buffer grow. Returns `false` also without memory for that: the caller then
    /// tries the queue of the connection.
    pub(super) fn put_in_longer(&mut self, writer: SocketId, bytes: &[u8]) -> bool {
        let has_grown = self.allows(writer, bytes) && self.bytes.try_reserve(bytes.len()).is_ok();
        has_grown && self.put(writer, bytes)
    }

    #[inline]
    fn allows(&self, writer: SocketId, bytes: &[u8]) -> bool {
        bytes.len() < self.capacity && self.owner == Some(writer)
    }

    #[inline]
    pub(super) fn is_of(&self, id: SocketId) -> bool {
        self.owner == Some(id)
    }

    #[inline]
    pub(super) fn length_of(&self, id: SocketId) -> usize {
        if self.is_of(id) { self.bytes.len() } else { 0 }
    }

    /// Refuses every further byte. The caller sends or queues the bytes, and then calls [`clear`](Self::clear).
    #[inline]
    pub(super) fn end(&mut self) {
        self.owner = None;
    }

    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn has_slack(&self) -> bool {
        self.bytes.capacity() > KEPT_BYTES
    }

    /// Frees a large buffer, unless a callback has gathered bytes in it.
    pub(super) fn shrink(&mut self) {
        if self.has_slack() && self.bytes.is_empty() {
            self.bytes = Vec::new();
        }
    }

    /// Forgets the bytes, and keeps the memory for the next callback.
    #[inline]
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
    }
}
