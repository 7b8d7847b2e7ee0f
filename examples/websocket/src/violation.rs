//! The reason for which the server fails a connection: the code and the text of its Close frame (RFC 6455, 7.4).

pub(crate) const NORMAL: u16 = 1000;
pub(crate) const GOING_AWAY: u16 = 1001;
pub(crate) const PROTOCOL_ERROR: u16 = 1002;
pub(crate) const UNSUPPORTED_DATA: u16 = 1003;
pub(crate) const INVALID_TEXT: u16 = 1007;
pub(crate) const TOO_BIG: u16 = 1009;

/// A breach of the protocol, of a limit, or of the rules of an application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) code: u16,
    /// The text for the peer's programmer. A control frame has space for 123 bytes of it.
    pub(crate) reason: &'static str,
}

impl Violation {
    pub(crate) const fn of_protocol(reason: &'static str) -> Self {
        Self {
            code: PROTOCOL_ERROR,
            reason,
        }
    }

    pub(crate) const fn invalid_text() -> Self {
        Self {
            code: INVALID_TEXT,
            reason: "text that is no UTF-8",
        }
    }

    pub(crate) const fn too_big(reason: &'static str) -> Self {
        Self {
            code: TOO_BIG,
            reason,
        }
    }
}

/// Whether a peer may send `code`. The other codes are reserved, or stand for closes without a frame.
pub(crate) fn may_be_received(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}
