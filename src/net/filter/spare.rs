//! Buffers for the bytes between filters and the kernel, common to the connections of a loop.

use super::wire_buffer::WireBuffer;

/// The capacity up to which an empty buffer is kept.
const KEPT_BYTES: usize = 4 * 1024;

/// Buffers that each call of a connection with filters borrows.
#[derive(Debug, Default)]
pub(crate) struct SpareBuffers {
    pub(crate) encoded: Vec<u8>,
    pub(crate) received: WireBuffer,
}

impl SpareBuffers {
    /// Whether memory is kept that no connection has used since the last [`note_removal`](Self::note_removal). While
    /// connections read, nothing is freed: a timer for that would give each wait a timeout, which costs time.
    pub(crate) fn has_slack(&self) -> bool {
        !self.received.is_used() && self.has_memory()
    }

    fn has_memory(&self) -> bool {
        self.encoded.capacity() > KEPT_BYTES || self.received.has_memory()
    }

    /// Notes the removal of a connection that may have had filters. If no other one reads, the memory is slack.
    pub(crate) fn note_removal(&mut self) {
        self.received.forget_use();
    }

    pub(crate) fn reclaim(&mut self) {
        if !self.received.is_used() {
            self.free();
        }
    }

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
