//! The read buffer of a loop, in which handlers get received bytes.

use std::ops::{Deref, DerefMut};

/// The alignment of the first byte: the page size of every system that mio polls on, or a divisor of it.
const PAGE_BYTES: usize = 4096;

/// A buffer whose first byte lies on a page boundary. For the usual 128 KiB, the allocator maps pages, and puts 16
/// bytes of its own before the first byte. On AMD processors with `fsrm`, the kernel's copy to an address 16 bytes
/// after a page boundary takes twice as long (D8).
#[derive(Debug)]
pub(crate) struct ReadBuffer {
    /// Invariant: never grows after `new`, so that the bytes keep their address.
    storage: Vec<u8>,
    start: usize,
}

impl ReadBuffer {
    pub(crate) fn new(length: usize) -> Self {
        let mut storage = vec![0; length + PAGE_BYTES - 1];
        // `align_offset` may refuse with `usize::MAX`. Then the buffer is not aligned, which only makes it slower.
        let offset = storage.as_ptr().align_offset(PAGE_BYTES);
        let start = if offset < PAGE_BYTES { offset } else { 0 };
        // Shortens the length and keeps the allocation.
        storage.truncate(start + length);
        Self { storage, start }
    }
}

impl Deref for ReadBuffer {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.storage[self.start..]
    }
}

impl DerefMut for ReadBuffer {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.storage[self.start..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_buffer_of_any_length_begins_on_a_page() {
        let buffers: Vec<ReadBuffer> = [1, 1 << 10, 4095, 4096, 4097, 64 << 10, 128 << 10, 1 << 20]
            .into_iter()
            .map(|length| {
                let buffer = ReadBuffer::new(length);
                assert_eq!(buffer.len(), length);
                buffer
            })
            .collect();
        // Each buffer was moved into the list, as a loop moves its buffer: the bytes stay where they are.
        for buffer in &buffers {
            assert_eq!(buffer.as_ptr().addr() % PAGE_BYTES, 0, "{}", buffer.len());
        }
    }
}
