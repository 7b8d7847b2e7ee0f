//! Sent markers: positions in the written bytes, set by `notify_when_sent`. `on_sent` comes when the kernel has taken
//! every byte before the marker, or at the close with an error.

use std::collections::VecDeque;

use super::Error;
use super::notice::Notice;

#[derive(Clone, Copy, Debug)]
pub(super) struct SentMarker {
    /// The number of bytes that had been written when the marker was set.
    pub(super) position: u64,
    pub(super) token: u64,
    /// Whether a write before the marker was refused. The marker then reports that, even if all other bytes are sent.
    pub(super) is_refused: bool,
}

impl SentMarker {
    pub(super) fn notice(self) -> Notice {
        match self.is_refused {
            false => Notice::Sent(self.token),
            true => Notice::Refused(self.token, write_after_end()),
        }
    }
}

/// The error that a marker reports if a write before it came after `end`. The text is Node's.
pub(super) fn write_after_end() -> Error {
    Error::with_code(Error::WRITE_AFTER_END, "write after end")
}

/// The markers of one connection that the kernel has not passed. Invariant: in ascending order of position.
#[derive(Debug, Default)]
pub(super) struct SentMarkers(VecDeque<SentMarker>);

impl SentMarkers {
    pub(super) fn push(&mut self, mark: SentMarker) {
        self.0.push_back(mark);
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

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
