//! The questions and requests of a shutdown: the work that each socket has still to do, and servers that take no new
//! peers.

use crate::net::connection::Connection;
use crate::net::values::{CloseReason, ServerId, SocketId};
use crate::reactor::Interest;

use super::Net;

/// The facts by which a shutdown decides how to end a socket.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    /// The connection is not open yet.
    pub(crate) is_opening: bool,
    /// A server has accepted the socket, and was not told of it: its handshake is under way.
    pub(crate) is_untold: bool,
    /// The socket can only be read.
    pub(crate) is_input: bool,
    /// Bytes wait for the kernel. Lost bytes count too while their failure is not told yet, because unread bytes come
    /// first. Such a socket is not idle.
    pub(crate) has_queued: bool,
    /// Bytes of the peer may wait to be read: the loop holds some, or the kernel has reported some. A paused socket
    /// counts only if it has queued bytes (backpressure) and its peer has not ended: bytes may then wait in the kernel
    /// unnoticed.
    pub(crate) has_unread: bool,
    /// A server has accepted the socket. Since then no byte was read or written, and the peer has not ended.
    pub(crate) is_fresh: bool,
    /// This side has sent its FIN or can only be read, and the kernel has taken every byte.
    pub(crate) has_finished: bool,
}

impl Net {
    /// Returns the standing of a socket; `None` if it is closed or gone.
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

    /// Makes a server close once it has accepted the peers that wait. A server that cannot accept closes at once.
    pub(crate) fn drain_server(&mut self, id: ServerId) {
        let is_draining =
            self.with_listener(id, |listener, registration| listener.drain(registration));
        if is_draining != Some(true) {
            self.close_server(id);
        }
    }

    /// Whether the server `id` still accepts, or waits for the name that it listens on.
    pub(crate) fn is_accepting(&self, id: ServerId) -> bool {
        self.listener(id).is_some_and(|it| !it.is_closed())
    }

    /// Returns the server that accepted a socket; `None` if no server did.
    pub(crate) fn server_of(&self, id: SocketId) -> Option<ServerId> {
        self.connection(id)?.server().map(ServerId)
    }

    /// Returns the address of the peer of a socket.
    pub(crate) fn peer_of(&self, id: SocketId) -> Option<std::net::SocketAddr> {
        self.connection(id)?.peer()
    }

    /// Returns the ids of all servers that are not removed.
    pub(crate) fn server_ids(&self) -> &[ServerId] {
        &self.servers
    }

    /// Closes a socket that must not go on: with a RST, so that the peer does not mistake a part for everything. A
    /// socket that is not TCP, or is connecting, is closed as by `destroy`.
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

    /// Whether the close of a socket was a failure, or a timeout at which bytes were lost. `None` for a socket that is not
    /// closed.
    pub(crate) fn has_failed(&self, id: SocketId) -> Option<bool> {
        let connection = self.connection(id)?;
        let reason = connection.close_reason()?;
        let has_lost = reason == CloseReason::TimedOut && self.has_lost_bytes(id);
        Some(reason.is_failure() || has_lost)
    }

    /// Whether the socket `id`, which is closed, had bytes in its queue.
    pub(crate) fn has_lost_bytes(&self, id: SocketId) -> bool {
        self.connection(id).is_some_and(|it| it.queued_bytes() > 0)
    }
}
