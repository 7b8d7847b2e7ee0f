//! Gathered bytes: the bytes that the current socket wrote in its own callback, held until the callback returns.
//!
//! Nearly every reply is small, is written to the socket's own connection, and can leave at once. Such bytes need no
//! queue: they lie in one buffer for all sockets, and the loop sends them without a look at the connection.

use crate::net::values::SocketId;

use super::KEPT_BYTES;

/// The bytes that the running callback has written to its own socket.
///
/// Invariant: no user can tell whether bytes are here or in the queue of their connection. A request to the
/// connection [moves](super::Outbox::move_to_queue) them to the queue first, and the user's counts include them.
#[derive(Debug)]
pub(super) struct Gathered {
    /// The socket whose callback runs. `None` outside of callbacks, and after the bytes were moved to the queue.
    owner: Option<SocketId>,
    bytes: Vec<u8>,
    /// The next write must be shorter than this. Invariant: the owner would answer `Open` to such a write, because it
    /// was open and had nothing unsent when the callback began.
    capacity: usize,
    /// The limit on `capacity`, for the sake of the bytes of all sockets.
    most: usize,
}

impl Default for Gathered {
    fn default() -> Self {
        Self {
            owner: None,
            bytes: Vec::new(),
            capacity: 0,
            most: usize::MAX,
        }
    }
}

impl Gathered {
    #[inline]
    pub(super) fn begin(&mut self, owner: SocketId, capacity: usize) {
        debug_assert!(self.bytes.is_empty(), "the last callback was ended");
        self.owner = Some(owner);
        self.capacity = capacity.min(self.most);
    }

    /// Lets the owner, and each later one, gather at most `bytes` further bytes.
    #[inline]
    pub(super) fn fit(&mut self, bytes: usize) {
        self.most = bytes.saturating_add(1);
        self.capacity = self.capacity.min(self.most);
    }

    /// Whether fewer bytes may be gathered than a callback ever may.
    #[inline]
    pub(super) fn is_tight(&self) -> bool {
        self.most <= usize::from(u16::MAX)
    }

    /// Appends `bytes` if `writer` is the owner and `bytes` are within the capacity. Otherwise returns `false`.
    #[inline]
    pub(super) fn put(&mut self, writer: SocketId, bytes: &[u8]) -> bool {
        let fits = bytes.len() < self.capacity && self.owner == Some(writer);
        if !fits {
            return false;
        }
        if bytes.len() > self.bytes.capacity() - self.bytes.len() {
            // Not for the growth alone: the append below would have to look at the capacity again.
            return self.put_in_longer(bytes);
        }
        self.capacity -= bytes.len();
        self.bytes.extend_from_slice(bytes);
        true
    }

    /// Appends `bytes`, for which the buffer must grow. Returns `false` if there is no memory: the queue of the connection
    /// may find some.
    #[cold]
    fn put_in_longer(&mut self, bytes: &[u8]) -> bool {
        let has_grown = self.bytes.try_reserve(bytes.len()).is_ok();
        if has_grown {
            self.capacity -= bytes.len();
            self.bytes.extend_from_slice(bytes);
        }
        has_grown
    }

    #[inline]
    pub(super) fn is_of(&self, id: SocketId) -> bool {
        self.owner == Some(id)
    }

    /// The number of bytes that `id` has gathered; zero if no callback of `id` runs.
    #[inline]
    pub(super) fn length_of(&self, id: SocketId) -> usize {
        if self.is_of(id) { self.bytes.len() } else { 0 }
    }

    /// Ends the callback: refuses every further byte. The caller sends or queues the bytes, and then calls
    /// [`clear`](Self::clear).
    #[inline]
    pub(super) fn end(&mut self) {
        self.owner = None;
    }

    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether the buffer is large.
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
