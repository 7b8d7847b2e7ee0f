//! Marks on the stream of written bytes, and when the kernel has passed them.

use std::collections::VecDeque;

use super::Error;
use super::notice::Notice;

/// A place in the stream of bytes that are written.
#[derive(Clone, Copy, Debug)]
pub(super) struct SentMarker {
    /// The number of bytes that had been written when it was set.
    pub(super) position: u64,
    pub(super) token: u64,
    /// A write before it was refused, so that it fails even if everything else is sent.
    pub(super) is_refused: bool,
}

impl SentMarker {
    /// The notice of a mark that the kernel has passed.
    pub(super) fn notice(self) -> Notice {
        match self.is_refused {
            false => Notice::Sent(self.token),
            true => Notice::Refused(self.token, write_after_end()),
        }
    }
}

/// The error of a write that came after the end.
pub(super) fn write_after_end() -> Error {
    Error::with_code(Error::WRITE_AFTER_END, "write after end")
}

/// The marks that the kernel has not passed. Invariant: in rising order of position.
#[derive(Debug, Default)]
pub(super) struct SentMarkers(VecDeque<SentMarker>);

impl SentMarkers {
    pub(super) fn push(&mut self, mark: SentMarker) {
        self.0.push_back(mark);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes the first mark, if the kernel has taken the first `sent` bytes and so has passed it.
    pub(super) fn pop_passed(&mut self, sent: u64) -> Option<SentMarker> {
        let first = self.0.front()?;
        if first.position > sent {
            return None;
        }
        self.pop()
    }

    pub(super) fn pop(&mut self) -> Option<SentMarker> {
        self.0.pop_front()
    }
}
