//! The delivery of connections with filters, such as TLS. The server is told once the filters are ready or have failed.

use crate::event_loop::EventLoop;
use crate::event_loop::handlers::{Accepted, FailedHandshake};
use crate::net::{CloseReason, Error, SocketId};

impl<S> EventLoop<S> {
    pub(super) fn deliver_ready_connection(&mut self, shared: &mut S, id: SocketId) {
        let Some(server) = self.net.server_of(id) else {
            return;
        };
        let accepted = Accepted {
            id,
            server,
            peer_address: self.net.peer_of(id),
        };
        self.deliver_connection(shared, accepted);
    }

    /// Closes a socket that its server was not told of. The server is told of the error, if there is one.
    pub(super) fn close_untold_socket(
        &mut self,
        shared: &mut S,
        id: SocketId,
        reason: CloseReason,
        error: Option<Error>,
    ) {
        if let Some(error) = error {
            // The callback may panic, and the socket has to be forgotten all the same.
            self.unclosed = Some((id, reason));
            self.deliver_failed_handshake(shared, id, error);
            self.unclosed = None;
        }
        self.close_plain_socket(shared, id, reason);
    }

    fn deliver_failed_handshake(&mut self, shared: &mut S, id: SocketId, error: Error) {
        let Some(server) = self.net.server_of(id) else {
            return;
        };
        let failed = FailedHandshake {
            server,
            peer_address: self.net.peer_of(id),
            error,
        };
        self.call_server(shared, server, "on_handshake_failed", |handler, cx| {
            handler.on_handshake_failed(cx, &failed)
        });
    }
}
