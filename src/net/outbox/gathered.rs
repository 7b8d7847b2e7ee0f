//! What the socket whose `on_data` runs has written in it, until that is done.
//!
//! Nearly every reply is small, is written to one's own socket and leaves at once. Such bytes need no queue: they are
//! put down here, in one place for all sockets, and sent from here, and their connection is not looked up for either.

use crate::net::values::SocketId;

/// The bytes that wait for the end of a callback.
///
/// Invariant: nobody can tell that they are here and not yet in their connection's queue. Whoever is about to change
/// that connection moves them there first ([`Net::with_connection`](super::Net::with_connection)), and whoever asks for
/// its counts adds them.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    /// Whose they are; `None` outside of callbacks, and from the moment on in which they were moved.
    owner: Option<SocketId>,
    bytes: Vec<u8>,
    /// How many bytes may still be put down. Invariant: below it the owner would answer `Open` to each write, as it
    /// was open, unfailed and uncorked with nothing queued when the callback began.
    room: usize,
}

impl Gathered {
    /// A callback of `owner` is about to begin, who takes less than `room` bytes without any question.
    #[inline]
    pub(crate) fn begin(&mut self, owner: SocketId, room: usize) {
        debug_assert!(self.bytes.is_empty(), "the last callback was finished");
        self.owner = Some(owner);
        self.room = room;
    }

    /// Puts `bytes` down if they are their writer's to put down here, and says whether they were.
    #[inline]
    pub(crate) fn take(&mut self, writer: SocketId, bytes: &[u8]) -> bool {
        let fits = bytes.len() < self.room && self.owner == Some(writer);
        if fits {
            self.room -= bytes.len();
            self.bytes.extend_from_slice(bytes);
        }
        fits
    }

    #[inline]
    pub(crate) fn is_of(&self, id: SocketId) -> bool {
        self.owner == Some(id)
    }

    /// How many bytes of `id` are here.
    pub(crate) fn length_of(&self, id: SocketId) -> usize {
        if self.is_of(id) { self.bytes.len() } else { 0 }
    }

    /// Nothing more is put down: gives out what was, with its owner. It is to be [cleared](Self::clear) then.
    #[inline]
    pub(crate) fn end(&mut self) -> Option<(SocketId, &[u8])> {
        let owner = self.owner.take()?;
        (!self.bytes.is_empty()).then_some((owner, self.bytes.as_slice()))
    }

    pub(crate) fn shrink(&mut self) {
        self.bytes.shrink_to_fit();
    }

    /// Forgets what was sent or queued, and keeps the memory for the next callback.
    #[inline]
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
    }
}
