//! Buffers for the bytes between filters and the kernel, common to the connections of a loop.

use super::wire_buffer::WireBuffer;

/// The capacity up to which an empty buffer is kept.
const KEPT_BYTES: usize = 4 * 1024;

/// Buffers that each call of a connection with filters borrows. Neither has memory before the first call.
#[derive(Debug, Default)]
pub(crate) struct SpareBuffers {
    pub(crate) encoded: Vec<u8>,
    pub(crate) received: WireBuffer,
}

impl SpareBuffers {
    /// Whether much memory is kept, and no connection with filters has read since the last
    /// [`note_removal`](Self::note_removal). While they read, nothing is to be freed. An entry on the timer wheel would
    /// only give each wait of the loop a timeout, which the kernel takes time for.
    pub(crate) fn has_slack(&self) -> bool {
        !self.received.is_used() && self.has_memory()
    }

    fn has_memory(&self) -> bool {
        self.encoded.capacity() > KEPT_BYTES || self.received.has_memory()
    }

    /// Notes that a connection which may have had filters is removed. If no other one reads from now on, the memory is
    /// slack.
    pub(crate) fn note_removal(&mut self) {
        self.received.forget_use();
    }

    /// Frees the memory if it is slack.
    pub(crate) fn reclaim(&mut self) {
        if !self.received.is_used() {
            self.free();
        }
    }

    /// Frees the memory.
    pub(crate) fn free(&mut self) {
        if self.has_memory() {
            self.encoded = Vec::new();
            self.received.free();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_freed_once_no_connection_reads_any_more() {
        let mut spare = SpareBuffers::default();
        spare.received.of_length(128 << 10).unwrap();
        spare.encoded.reserve(128 << 10);
        spare.reclaim();
        assert!(
            spare.has_memory() && !spare.has_slack(),
            "a connection reads"
        );
        spare.note_removal();
        let _ = spare.received.of_length(1);
        spare.reclaim();
        assert!(
            spare.has_memory() && !spare.has_slack(),
            "another one reads"
        );
        spare.note_removal();
        assert!(spare.has_slack());
        spare.reclaim();
        assert!(!spare.has_memory() && !spare.has_slack());
        assert_eq!(spare.encoded.capacity(), 0);
    }
}
