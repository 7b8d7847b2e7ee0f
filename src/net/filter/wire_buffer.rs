//! The buffer into which the kernel copies the bytes on the wire, for all connections with filters.

/// The alignment of the first byte, as that of the read buffer of the loop.
const PAGE_BYTES: usize = 4096;

/// A buffer for the bytes on the wire between the kernel and a filter. Empty until it is used.
#[derive(Debug, Default)]
pub(crate) struct WireBuffer {
    bytes: Vec<u8>,
    /// Whether the buffer was used since [`forget_use`](Self::forget_use).
    is_used: bool,
}

impl WireBuffer {
    /// Returns `length` bytes. The first lies on a page boundary: the kernel's copy to most other places is slower (D8).
    pub(crate) fn of_length(&mut self, length: usize) -> &mut [u8] {
        self.is_used = true;
        if self.bytes.len() < length + PAGE_BYTES {
            self.bytes = vec![0; length + PAGE_BYTES];
        }
        let offset = self.bytes.as_ptr().align_offset(PAGE_BYTES);
        let start = if offset < PAGE_BYTES { offset } else { 0 };
        &mut self.bytes[start..start + length]
    }

    /// Whether the buffer has memory.
    pub(crate) fn has_memory(&self) -> bool {
        !self.bytes.is_empty()
    }

    /// Whether the buffer was used since the last [`forget_use`](Self::forget_use).
    pub(crate) fn is_used(&self) -> bool {
        self.is_used
    }

    pub(crate) fn forget_use(&mut self) {
        self.is_used = false;
    }

    /// Frees the memory.
    pub(crate) fn free(&mut self) {
        self.bytes = Vec::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wire_buffer_of_any_length_begins_on_a_page() {
        let mut buffer = WireBuffer::default();
        assert!(!buffer.has_memory());
        for length in [1, 4096, 128 << 10, 1000] {
            let bytes = buffer.of_length(length);
            assert_eq!(bytes.len(), length);
            assert_eq!(bytes.as_ptr().addr() % PAGE_BYTES, 0, "{length}");
        }
        buffer.free();
        assert!(!buffer.has_memory());
    }
}
