//! The half of a connection that the peer sends on.

/// The inbound half. Its rare field, the bytes that are carried over, is in the cold state.
#[derive(Debug)]
pub(super) struct Inbound {
    pub(super) state: InboundState,
    pub(super) is_paused: bool,
}

/// The progress of the inbound half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InboundState {
    /// Bytes may come.
    Open,
    /// The peer's FIN was read, behind its last byte.
    Ended,
}

impl Inbound {
    pub(super) fn new(is_paused: bool) -> Self {
        Self {
            state: InboundState::Open,
            is_paused,
        }
    }

    #[inline]
    pub(super) fn has_ended(&self) -> bool {
        self.state == InboundState::Ended
    }
}
