//! The delivery of notices and missed markers to the handler of a socket.

use crate::net::connection::{Connection, Notice};
use crate::net::error::Error;
use crate::net::values::SocketId;

use super::Net;

impl Net {
    pub(crate) fn waiting_notices(&self, id: SocketId) -> usize {
        self.connection(id).map_or(0, Connection::waiting_notices)
    }

    /// Ends the delivery of notices. If notices came meanwhile, the socket is served again; else its connect goes on.
    pub(crate) fn end_notices(&mut self, id: SocketId) {
        if self.waiting_notices(id) == 0 {
            return self.dial_on(id);
        }
        self.reactor
            .visit(id.0, |_, registration| registration.activate());
    }

    pub(crate) fn next_notice(&mut self, id: SocketId) -> Option<Notice> {
        self.connection_mut(id)?.next_notice()
    }

    pub(crate) fn next_missed_marker(&mut self, id: SocketId) -> Option<(u64, Error)> {
        self.connection_mut(id)?.next_missed_marker()
    }
}
