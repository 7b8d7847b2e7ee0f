//! The bytes of one write, in the form in which the caller has them.

use std::rc::Rc;

use crate::send_buffer::{KEEP_BYTES, Pool, SendBuffer};

/// The size from which on a write is offered to the kernel at once, if possible. A write this long gains nothing by
/// waiting for the flush, and bytes that the kernel takes at once need no copy.
pub(crate) const DIRECT_BYTES: usize = 16 << 10;

/// The bytes of one write. If they are queued, borrowed or short bytes are copied, and others are kept as they are.
#[derive(Debug)]
pub(crate) enum Payload<'a> {
    Borrowed(&'a [u8]),
    Owned(Vec<u8>),
    /// Bytes shared with the queues of other connections, as in a broadcast of long messages.
    Shared(Rc<[u8]>),
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

    /// Whether the bytes may be copied into the outbox's common buffers.
    #[inline]
    pub(crate) fn is_better_copied(&self) -> bool {
        match self {
            Self::Borrowed(bytes) => bytes.len() < DIRECT_BYTES,
            Self::Owned(_) | Self::Shared(_) | Self::Static(_) => self.len() < KEEP_BYTES,
        }
    }

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
