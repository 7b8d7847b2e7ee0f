//! What is written, and who owns the bytes.

use std::rc::Rc;

use crate::send_buffer::{KEEP_BYTES, Pool, SendBuffer};

/// From this size on a write does not wait for the flush point: gathering cannot save anything any more, and what
/// the kernel takes at once need not be copied.
pub(crate) const DIRECT_BYTES: usize = 16 << 10;

/// The bytes of one write, in the form in which the writer has them: only what is borrowed has to be copied if the
/// kernel does not take it at once.
#[derive(Debug)]
pub(crate) enum Payload<'a> {
    /// Borrowed: what is queued is a copy.
    Borrowed(&'a [u8]),
    /// Given away.
    Owned(Vec<u8>),
    /// Shared with other queues, as for a broadcast.
    Shared(Rc<[u8]>),
    /// There for ever.
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

    /// Whether it costs least to copy it to what else its writer says in the same callback.
    #[inline]
    pub(crate) fn is_better_gathered(&self) -> bool {
        match self {
            Self::Borrowed(bytes) => bytes.len() < DIRECT_BYTES,
            Self::Owned(_) | Self::Shared(_) | Self::Static(_) => self.len() < KEEP_BYTES,
        }
    }

    /// Queues what lies behind the first `from` bytes.
    #[inline(always)]
    pub(crate) fn queue(self, from: usize, queue: &mut SendBuffer, pool: &mut Pool) {
        match self {
            Self::Borrowed(bytes) => queue.copy(&bytes[from..], pool),
            Self::Owned(bytes) => queue.own(bytes, from, pool),
            Self::Shared(bytes) => queue.share(bytes, from, pool),
            Self::Static(bytes) => queue.share_static(&bytes[from..], pool),
        }
    }
}
