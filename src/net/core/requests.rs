//! The requests that the views make: each finds its source, and does one thing to it.

use crate::net::connection::Connection;
use crate::net::error::Error;
use crate::net::values::SocketId;
use crate::reactor::{Key, Registration};

use super::Net;

impl Net {
    /// Makes `request` of a connection; nothing happens if it is gone.
    pub(crate) fn request(
        &mut self,
        id: SocketId,
        request: impl FnOnce(&mut Connection, &mut Registration<'_>),
    ) {
        self.with_connection(id, |connection, registration, _| {
            request(connection, registration);
        });
    }

    /// [`request`](Self::request), for requests that begin to count time: the turn's reading of the clock may be old
    /// by now, and no deadline may come early.
    pub(crate) fn request_now(
        &mut self,
        id: SocketId,
        request: impl FnOnce(&mut Connection, &mut Registration<'_>),
    ) {
        self.reactor.note_now();
        self.request(id, request);
    }

    /// Closes a connection with `close`, after the kernel was offered the bytes that were only gathered, and frees the
    /// place that it held of its server's limit.
    pub(crate) fn begin_close<R>(
        &mut self,
        id: SocketId,
        close: impl FnOnce(&mut Connection, &mut Registration<'_>) -> R,
    ) -> Option<R> {
        let closed = self.with_connection(id, |connection, registration, outbox| {
            connection.send_gathered(registration, outbox);
            close(connection, registration)
        });
        self.free_place(id);
        closed
    }

    /// Destroys a socket, with or without an error.
    pub(crate) fn destroy(&mut self, id: SocketId, error: Option<Error>) {
        self.begin_close(id, |connection, registration| {
            connection.destroy(error, registration);
        });
    }

    /// Lends the descriptor of a socket. It is noted that there may be duplicates.
    #[cfg(unix)]
    pub(crate) fn lend_descriptor(&mut self, id: SocketId) -> Option<std::os::fd::BorrowedFd<'_>> {
        self.connection_mut(id)?.lend_descriptor()
    }

    /// Lets a socket send on when its peer has ended.
    pub(crate) fn allow_half_open(&mut self, id: SocketId) {
        self.request(id, |connection, _| connection.allow_half_open());
    }

    /// Makes a source a reason for the loop to go on.
    pub(crate) fn hold(&mut self, key: Key) {
        self.reactor.hold(key);
    }

    /// Makes a source no reason for the loop to go on.
    pub(crate) fn release(&mut self, key: Key) {
        self.reactor.release(key);
    }

    /// Whether a source is a reason for the loop to go on.
    pub(crate) fn is_held(&self, key: Key) -> bool {
        self.reactor.is_held(key)
    }

    /// Counts the servers that are not gone.
    pub(crate) fn server_count(&self) -> usize {
        self.servers.len()
    }
}
