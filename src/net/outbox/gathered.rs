//! Bytes that the current socket wrote in its own callback, held until the callback returns.
//!
//! Nearly every reply is small, is written to the socket's own connection and leaves at once. Such bytes need no queue:
//! they lie here, in one place for all sockets, and are sent from here, without a look at the connection in between.

use crate::net::values::SocketId;

/// The bytes that wait for the end of a callback.
///
/// Invariant: no caller can tell that they are here and not yet in the queue of their connection. Every change of that
/// connection [settles](super::Outbox::settle) them first, and every question for its counts adds them.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// The socket that wrote them; `None` outside of callbacks, and from the moment on in which they were moved.
    owner: Option<SocketId>,
    bytes: Vec<u8>,
    /// The number of bytes below which a write still fits. Invariant: below it the owner would answer `Open` to each
    /// write, as it was open, unfailed and uncorked with nothing queued when the callback began.
    capacity: usize,
}

impl Gathered {
    #[inline]
    pub(super) fn begin(&mut self, owner: SocketId, capacity: usize) {
        debug_assert!(self.bytes.is_empty(), "the last callback was ended");
        self.owner = Some(owner);
        self.capacity = capacity;
    }

    /// Appends `bytes` if `writer` is the owner and they fit, and returns whether they were appended.
    #[inline]
    pub(super) fn put(&mut self, writer: SocketId, bytes: &[u8]) -> bool {
        let fits = bytes.len() < self.capacity && self.owner == Some(writer);
        if fits {
            self.capacity -= bytes.len();
            self.bytes.extend_from_slice(bytes);
        }
        fits
    }

    #[inline]
    pub(super) fn is_of(&self, id: SocketId) -> bool {
        self.owner == Some(id)
    }

    /// The number of bytes of `id` that are here.
    #[inline]
    pub(super) fn length_of(&self, id: SocketId) -> usize {
        if self.is_of(id) { self.bytes.len() } else { 0 }
    }

    /// Refuses every further byte. Those that are here are to be [cleared](Self::clear) once they were sent or queued.
    #[inline]
    pub(super) fn end(&mut self) {
        self.owner = None;
    }

    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn shrink(&mut self) {
        self.bytes.shrink_to_fit();
    }

    /// Forgets the bytes, and keeps the memory for the next callback.
    #[inline]
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
    }
}
