//! The questions and requests of a shutdown.

use crate::net::connection::Connection;
use crate::net::values::{CloseReason, ServerId, SocketId};
use crate::reactor::Interest;

use super::Net;

/// The facts by which a shutdown decides how to end a socket.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    pub(crate) is_opening: bool,
    /// A server has accepted the socket, and was not told of it: its handshake is under way.
    pub(crate) is_untold: bool,
    pub(crate) is_input: bool,
    /// Bytes wait for the kernel. Or they are lost, and the failure is still held behind unread bytes.
    pub(crate) has_queued: bool,
    /// Bytes of the peer may wait to be read: the loop holds some, or the kernel has reported some. A paused socket is
    /// taken for one with such bytes only if written bytes are queued (backpressure) and the peer has not ended.
    pub(crate) has_unread: bool,
    /// An accepted socket of which no byte was read or written, and whose peer has not ended.
    pub(crate) is_fresh: bool,
    /// This side has sent its FIN or can only be read, and the kernel has taken every byte.
    pub(crate) has_finished: bool,
}

impl Net {
    pub(crate) fn standing(&self, id: SocketId) -> Option<Standing> {
        let connection = self.connection(id).filter(|it| !it.is_closed())?;
        let has_queued = self.queued_bytes(id) > 0;
        let is_untouched = connection.bytes_read() == 0 && self.bytes_written(id) == 0;
        Some(Standing {
            is_opening: connection.is_opening(),
            is_untold: connection.is_untold(),
            is_input: connection.is_input(),
            has_queued,
            has_unread: connection.delivers_unread()
                || match connection.is_paused() {
                    true => has_queued && !connection.has_peer_ended(),
                    false => self.reactor.serves(id.0, Interest::READABLE),
                },
            is_fresh: connection.server().is_some() && is_untouched && !connection.has_peer_ended(),
            has_finished: connection.has_finished() && !has_queued,
        })
    }

    /// Closes a server once it has accepted the peers that wait: at once if it cannot accept.
    pub(crate) fn drain_server(&mut self, id: ServerId) {
        let is_draining =
            self.with_listener(id, |listener, registration| listener.drain(registration));
        if is_draining != Some(true) {
            self.close_server(id);
        }
    }

    /// Whether a server still accepts, or waits for the name that it listens on.
    pub(crate) fn is_accepting(&self, id: ServerId) -> bool {
        self.listener(id).is_some_and(|it| !it.is_closed())
    }

    pub(crate) fn server_of(&self, id: SocketId) -> Option<ServerId> {
        self.connection(id)?.server().map(ServerId)
    }

    pub(crate) fn peer_of(&self, id: SocketId) -> Option<std::net::SocketAddr> {
        self.connection(id)?.peer()
    }

    pub(crate) fn server_ids(&self) -> &[ServerId] {
        &self.servers
    }

    /// Closes a socket with a RST, so that the peer does not mistake a part for everything. A socket that is not TCP,
    /// or is connecting, is destroyed.
    pub(crate) fn force(&mut self, id: SocketId) {
        let is_connecting = self.connection(id).is_some_and(Connection::is_connecting);
        let reset = match is_connecting {
            // A reset would wait until the socket is connected.
            true => None,
            false => self.begin_close(id, Connection::reset),
        };
        if !matches!(reset, Some(Ok(()))) {
            self.destroy(id, None);
        }
    }

    /// Whether a socket's close was a failure, or a timeout at which bytes were lost. `None` for an open socket.
    pub(crate) fn has_failed(&self, id: SocketId) -> Option<bool> {
        let connection = self.connection(id)?;
        let reason = connection.close_reason()?;
        let has_lost = reason == CloseReason::TimedOut && self.has_lost_bytes(id);
        Some(reason.is_failure() || has_lost)
    }

    /// Whether bytes were lost at the close. The caller asks only for a closed socket, whose queue is lost.
    pub(crate) fn has_lost_bytes(&self, id: SocketId) -> bool {
        self.connection(id).is_some_and(|it| it.queued_bytes() > 0)
    }
}
