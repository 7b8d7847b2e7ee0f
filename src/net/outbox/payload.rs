//! The bytes of one write, in the form in which the caller has them.

use std::rc::Rc;

use crate::send_buffer::{KEEP_BYTES, Pool, SendBuffer};

/// The size from which on a write does not wait for the flush point: to gather it saves nothing, and bytes that the
/// kernel takes at once need no copy.
pub(crate) const DIRECT_BYTES: usize = 16 << 10;

/// The bytes of one write. Only borrowed ones have to be copied if the kernel does not take them at once.
#[derive(Debug)]
pub(crate) enum Payload<'a> {
    /// Borrowed from the caller: a copy is queued.
    Borrowed(&'a [u8]),
    /// Given away by the caller.
    Owned(Vec<u8>),
    /// Shared with the queues of other connections, as for a broadcast.
    Shared(Rc<[u8]>),
    /// Static bytes.
    Static(&'static [u8]),
}

impl Payload<'_> {
    #[inline]
    pub(crate) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Borrowed(bytes) => bytes,
            Self::Owned(bytes) => bytes,
            Self::Shared(bytes) => bytes,
            Self::Static(bytes) => bytes,
        }
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// Whether to copy the bytes beside other short writes costs least.
    #[inline]
    pub(crate) fn is_better_copied(&self) -> bool {
        match self {
            Self::Borrowed(bytes) => bytes.len() < DIRECT_BYTES,
            Self::Owned(_) | Self::Shared(_) | Self::Static(_) => self.len() < KEEP_BYTES,
        }
    }

    /// Appends the bytes from `from` on to `queue`.
    #[inline(always)]
    pub(super) fn queue(self, from: usize, queue: &mut SendBuffer, pool: &mut Pool) {
        match self {
            Self::Borrowed(bytes) => queue.copy(&bytes[from..], pool),
            Self::Owned(bytes) => queue.own(bytes, from, pool),
            Self::Shared(bytes) => queue.share(bytes, from, pool),
            Self::Static(bytes) => queue.share_static(&bytes[from..], pool),
        }
    }
}
