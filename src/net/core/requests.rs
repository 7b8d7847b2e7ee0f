//! The requests of the views: each function finds a source by its id, and changes that source.

use std::time::Instant;

use crate::net::connection::Connection;
use crate::net::error::Error;
#[cfg(unix)]
use crate::net::values::ServerId;
use crate::net::values::SocketId;
use crate::reactor::{Key, Registration};

use super::Net;

impl Net {
    /// Calls `request` with the connection `id`. Does nothing if the connection is gone.
    pub(crate) fn request(
        &mut self,
        id: SocketId,
        request: impl FnOnce(&mut Connection, &mut Registration<'_>),
    ) {
        self.with_connection(id, |connection, registration, _| {
            request(connection, registration);
        });
    }

    /// Holds back the writes that follow, until an `uncork`.
    pub(crate) fn cork(&mut self, id: SocketId) {
        self.with_connection(id, |connection, registration, outbox| {
            connection.cork(registration, outbox);
        });
    }

    /// Keeps `bytes`, which a handler gives back, as [`keep_unread`](Self::keep_unread) does, but ahead of the bytes
    /// that were kept before.
    pub(crate) fn give_back(&mut self, id: SocketId, bytes: &[u8]) -> bool {
        let carried = self.reactor.visit(id.0, |source, registration| {
            let connection = source.connection_mut();
            connection.is_some_and(|it| it.give_back(bytes, registration))
        });
        carried.unwrap_or(false)
    }

    /// Calls [`request`](Self::request) for a request that begins a deadline. Reads the clock first, because the turn's
    /// reading may be old, and a deadline must not come early.
    pub(crate) fn request_now(
        &mut self,
        id: SocketId,
        request: impl FnOnce(&mut Connection, &mut Registration<'_>),
    ) {
        self.reactor.note_now();
        self.request(id, request);
    }

    /// Calls `close` to close a connection. Before that, offers the unsent bytes to the kernel, with those that the
    /// running callback has gathered, unless the connection is corked. If the connection is closed afterwards, it no
    /// longer counts against the limits on open sockets.
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

    /// Destroys a socket whose handler has panicked.
    pub(crate) fn abandon(&mut self, id: SocketId, error: Error) {
        self.begin_close(id, |connection, registration| {
            connection.abandon(error, registration);
        });
    }

    /// Ends the pause of a socket.
    pub(crate) fn resume(&mut self, id: SocketId) {
        let rests = |it: &Connection| it.is_resting() || it.rests_idle() || it.measures_rate();
        if self.connection(id).is_some_and(rests) {
            // A timeout or rate that the pause has stopped counts again from now on.
            self.reactor.note_now();
        }
        self.request(id, Connection::resume);
    }

    /// Returns the time of the deadline that the program has set for a socket.
    pub(crate) fn deadline_of(&self, id: SocketId) -> Option<Instant> {
        self.reactor.instant_at(self.connection(id)?.deadline()?)
    }

    /// Lends the descriptor of a socket to the user, and notes that duplicates of it may exist from now on.
    #[cfg(unix)]
    pub(crate) fn lend_descriptor(&mut self, id: SocketId) -> Option<std::os::fd::BorrowedFd<'_>> {
        self.connection_mut(id)?.lend_descriptor()
    }

    /// Lends the descriptor of a server to the user, and notes that duplicates of it may exist from now on.
    #[cfg(unix)]
    pub(crate) fn lend_listener(&mut self, id: ServerId) -> Option<std::os::fd::BorrowedFd<'_>> {
        self.listener_mut(id)?.lend_descriptor()
    }

    /// Makes a server leave the file of its Unix socket in place when it ends. A duplicate of the socket may still be
    /// in use.
    #[cfg(unix)]
    pub(crate) fn leave_path(&mut self, id: ServerId) {
        if let Some(listener) = self.listener_mut(id) {
            listener.leave_path();
        }
    }

    /// Keeps the sending side of a socket open after its peer has ended.
    pub(crate) fn allow_half_open(&mut self, id: SocketId) {
        self.request(id, |connection, _| connection.allow_half_open());
    }

    /// Makes a source keep the loop running.
    pub(crate) fn hold(&mut self, key: Key) {
        self.reactor.hold(key);
    }

    /// Allows the loop to end although the source is open.
    pub(crate) fn release(&mut self, key: Key) {
        self.reactor.release(key);
    }

    /// Whether a source keeps the loop running.
    pub(crate) fn is_held(&self, key: Key) -> bool {
        self.reactor.is_held(key)
    }

    /// Returns the number of servers that are not removed.
    pub(crate) fn server_count(&self) -> usize {
        self.servers.len()
    }
}
