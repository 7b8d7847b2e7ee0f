//! The order of events that every socket must keep: checked at each event, in every test.

use super::Seen;

/// The events that one socket has been told so far.
#[derive(Debug, Default)]
pub(crate) struct Life {
    is_connected: bool,
    has_data: bool,
    is_ended: bool,
    is_failed: bool,
    is_closed: bool,
}

impl Life {
    /// Checks that `seen` may come now (A1 to A6, B1, C9, D1; I2, I3): the order that the documentation of
    /// `SocketHandler` gives.
    pub(crate) fn see(&mut self, seen: &Seen) {
        assert!(!self.is_closed, "{seen} after on_close");
        assert!(
            !self.is_failed || matches!(seen, Seen::Close(_) | Seen::Sent(_, Err(_))),
            "{seen} between on_error and on_close"
        );
        match seen {
            Seen::Connect => {
                assert!(!self.is_connected, "connected twice");
                assert!(!self.has_data && !self.is_ended, "connected too late");
                self.is_connected = true;
            }
            Seen::Data(bytes) => {
                assert!(!bytes.is_empty(), "empty data");
                assert!(!self.is_ended, "data after the end");
                self.has_data = true;
            }
            Seen::End => {
                assert!(!self.is_ended, "ended twice");
                self.is_ended = true;
            }
            Seen::Error(_) => self.is_failed = true,
            Seen::Close(_) => self.is_closed = true,
            Seen::Drain | Seen::Sent(..) | Seen::Timeout | Seen::Deadline | Seen::Timer(_) => {}
            dialing if dialing.is_dialing() => {
                assert!(!self.is_connected, "{seen} after on_connect");
            }
            _ => panic!("{seen} is not for sockets"),
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed
    }
}
