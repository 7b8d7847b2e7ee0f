//! The bytes of UDP sockets, which keep their datagrams themselves, and received bytes that no connection counts.

use super::Outbox;

impl Outbox {
    /// Counts the bytes of a datagram that the kernel has taken.
    #[inline]
    pub(crate) fn count_datagram(&mut self, bytes: usize) {
        self.sent += bytes as u64;
    }

    #[inline]
    pub(crate) fn count_received_datagram(&mut self, bytes: usize) {
        self.received += bytes as u64;
    }

    /// Counts bytes on the wire that filters have received without an event: the bytes decode to nothing, or the
    /// connection is paused. If nothing else happens in a turn, only this count shows that the turn makes progress.
    pub(crate) fn count_received(&mut self, bytes: u64) {
        self.received += bytes;
    }

    /// Returns the number of bytes that the kernel has taken, plus the received bytes that are counted here.
    pub(crate) fn moved_bytes(&self) -> u64 {
        self.sent + self.received
    }

    /// Counts the bytes of a datagram that its socket has queued. The caller has checked the [free
    /// capacity](Self::free_capacity).
    pub(crate) fn keep_datagram(&mut self, bytes: usize) {
        self.datagrams += bytes;
        self.note_rise();
    }

    /// Stops counting the bytes of datagrams that were sent or dropped.
    pub(crate) fn forget_datagrams(&mut self, bytes: usize) {
        self.datagrams -= bytes;
        self.note_fall();
    }
}
