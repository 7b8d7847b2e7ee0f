//! The part of the outbox that each connection holds: its unsent bytes, except gathered ones.

use crate::send_buffer::SendBuffer;

use super::broadcast::Span;

#[derive(Debug)]
pub(crate) struct Unsent {
    /// The number of written bytes. Of a refused write, only the bytes that the kernel took count. Gathered bytes count
    /// once they have left [`Gathered`](super::Gathered).
    pub(super) written: u64,
    pub(super) queue: SendBuffer,
    /// The range of the broadcast's bytes that this connection has still to send. A span is *sealed* when it must not
    /// grow any more. Invariant: while the span is neither empty nor sealed, `queue` is empty. So a write is answered
    /// `Flow::Open` if the span ends below `Span::limit` after it.
    pub(super) span: Span,
}

impl Unsent {
    pub(crate) fn new() -> Self {
        Self {
            written: 0,
            queue: SendBuffer::new(),
            span: Span::default(),
        }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.span.is_empty()
    }

    #[inline]
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.queue.len() + self.span.len()
    }

    /// Seals the span: the connection has closed or failed, and must not take further bytes of a broadcast.
    pub(crate) fn seal(&mut self) {
        self.span.seal();
    }
}
