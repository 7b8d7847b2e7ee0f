//! The growth of the tables of a wheel.

/// The size from which on an allocator such as glibc's gives a table pages that hold nothing else. Such a table grows
/// without a copy (`mremap(2)`), and its pages take no memory before they are used.
pub(super) const MAPPED_BYTES: usize = 128 << 10;

/// The size up to which a table doubles. Below `MAPPED_BYTES`, a table that grows is copied elsewhere and leaves a hole
/// in the heap. So a table above this size takes `MAPPED_BYTES` at once.
const DOUBLED_BYTES: usize = MAPPED_BYTES / 4;

pub(super) fn next_capacity<T>(length: usize) -> usize {
    match length * size_of::<T>() {
        0..DOUBLED_BYTES => length * 2,
        DOUBLED_BYTES..MAPPED_BYTES => MAPPED_BYTES / size_of::<T>() + 1,
        _ => length + length / 16,
    }
}
