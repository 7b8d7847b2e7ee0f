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
    /// Whether much memory is kept.
    pub(crate) fn has_slack(&self) -> bool {
        self.encoded.capacity() > KEPT_BYTES || self.received.has_memory()
    }

    /// Frees the memory if no connection with filters has read since the last call. A load that goes on would take it
    /// again at once.
    pub(crate) fn reclaim(&mut self) {
        if !self.received.take_use() {
            self.free();
        }
    }

    /// Frees the memory.
    pub(crate) fn free(&mut self) {
        if self.has_slack() {
            self.encoded = Vec::new();
            self.received.free();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_freed_once_they_were_not_used_for_a_while() {
        let mut spare = SpareBuffers::default();
        let _ = spare.received.of_length(128 << 10);
        spare.encoded.reserve(128 << 10);
        spare.reclaim();
        assert!(spare.has_slack(), "they were used");
        spare.reclaim();
        assert!(!spare.has_slack());
        assert_eq!(spare.encoded.capacity(), 0);
    }
}
