//! The inbound half of a connection: the direction in which the peer sends.

use super::retry::Retry;

#[derive(Debug)]
pub(super) struct Inbound {
    pub(super) state: InboundState,
    pub(super) pause: Pause,
    /// The transient failures in a row, of reads and of looks for unread bytes during a pause.
    pub(super) retry: Retry,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pause {
    No,
    /// The idle timeout goes on.
    ByUser,
    /// A pipe's other socket takes bytes more slowly. The idle timeout stops, because the peer cannot send.
    ByPipe,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InboundState {
    Open,
    /// A read, or a look during a pause, has met the peer's FIN, or the end that a filter has decoded. So every byte of
    /// the peer was read.
    Ended,
}

impl Inbound {
    pub(super) fn new(is_paused: bool) -> Self {
        Self {
            state: InboundState::Open,
            pause: match is_paused {
                true => Pause::ByUser,
                false => Pause::No,
            },
            retry: Retry::default(),
        }
    }

    #[inline]
    pub(super) fn is_paused(&self) -> bool {
        self.pause != Pause::No
    }

    #[inline]
    pub(super) fn has_ended(&self) -> bool {
        self.state == InboundState::Ended
    }
}
