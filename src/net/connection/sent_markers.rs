//! Sent markers: positions in the written bytes. `notify_when_sent` sets a marker. `on_sent` comes when the kernel has
//! taken every byte before the marker, or at the close with an error. After a refused write it comes with an error in
//! both cases.

use std::collections::VecDeque;

use super::Error;
use super::notice::Notice;

/// A position in the written bytes of one connection, with the token of the user.
#[derive(Clone, Copy, Debug)]
pub(super) struct SentMarker {
    /// The number of bytes that had been written when the marker was set.
    pub(super) position: u64,
    pub(super) token: u64,
    /// Whether a write before the marker was refused. The marker then reports the refusal, even if all other bytes are
    /// sent.
    pub(super) is_refused: bool,
}

impl SentMarker {
    /// Returns the notice for the handler. Called when the kernel has taken every byte before the marker.
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

    /// Takes the first marker if the kernel has passed it. `sent` is the number of bytes that the kernel has taken.
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
