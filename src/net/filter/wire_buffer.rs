//! The buffer into which the kernel copies the bytes on the wire, for all connections with filters.

use std::io;

/// The alignment of the first byte, as that of the read buffer of the loop.
const PAGE_BYTES: usize = 4096;

/// Empty until it is used.
#[derive(Debug, Default)]
pub(crate) struct WireBuffer {
    bytes: Vec<u8>,
    is_used: bool,
}

impl WireBuffer {
    /// Returns `length` bytes, or `OutOfMemory`. The first is aligned to a page: the kernel copies faster to it (D8).
    pub(crate) fn of_length(&mut self, length: usize) -> io::Result<&mut [u8]> {
        self.is_used = true;
        let needed = length + PAGE_BYTES;
        if self.bytes.len() < needed {
            let mut bytes = Vec::new();
            let reserved = bytes.try_reserve_exact(needed);
            reserved.map_err(|_| io::ErrorKind::OutOfMemory)?;
            bytes.resize(needed, 0);
            self.bytes = bytes;
        }
        let offset = self.bytes.as_ptr().align_offset(PAGE_BYTES);
        let start = if offset < PAGE_BYTES { offset } else { 0 };
        Ok(&mut self.bytes[start..start + length])
    }

    pub(crate) fn has_memory(&self) -> bool {
        !self.bytes.is_empty()
    }

    pub(crate) fn is_used(&self) -> bool {
        self.is_used
    }

    pub(crate) fn forget_use(&mut self) {
        self.is_used = false;
    }

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
            let bytes = buffer.of_length(length).unwrap();
            assert_eq!(bytes.len(), length);
            assert_eq!(bytes.as_ptr().addr() % PAGE_BYTES, 0, "{length}");
        }
        buffer.free();
        assert!(!buffer.has_memory());
    }
}
