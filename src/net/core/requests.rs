//! The requests of the views to sources.

use std::time::Instant;

use crate::net::connection::Connection;
use crate::net::error::Error;
#[cfg(unix)]
use crate::net::values::ServerId;
use crate::net::values::SocketId;
use crate::reactor::{Key, Registration};

use super::Net;

impl Net {
    pub(crate) fn request(
        &mut self,
        id: SocketId,
        request: impl FnOnce(&mut Connection, &mut Registration<'_>),
    ) {
        self.with_connection(id, |connection, registration, _| {
            request(connection, registration);
        });
    }

    pub(crate) fn cork(&mut self, id: SocketId) {
        self.with_connection(id, |connection, registration, outbox| {
            connection.cork(registration, outbox);
        });
    }

    /// Keeps `bytes` as [`keep_unread`](Self::keep_unread) does, but ahead of those that were kept before.
    pub(crate) fn give_back(&mut self, id: SocketId, bytes: &[u8]) -> bool {
        let carried = self.reactor.visit(id.0, |source, registration| {
            let connection = source.connection_mut();
            connection.is_some_and(|it| it.give_back(bytes, registration))
        });
        carried.unwrap_or(false)
    }

    /// Makes a [`request`](Self::request) that begins a deadline. Reads the clock, because the turn's reading may be
    /// old, and a deadline must not come early.
    pub(crate) fn request_now(
        &mut self,
        id: SocketId,
        request: impl FnOnce(&mut Connection, &mut Registration<'_>),
    ) {
        self.reactor.note_now();
        self.request(id, request);
    }

    /// Closes a connection by `close`. First offers its unsent and gathered bytes to the kernel, unless it is corked. A
    /// closed connection no longer counts against the limits on open sockets.
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

    pub(crate) fn resume(&mut self, id: SocketId) {
        let rests = |it: &Connection| it.is_resting() || it.rests_idle() || it.measures_rate();
        if self.connection(id).is_some_and(rests) {
            // A timeout or rate that the pause has stopped counts again from now on.
            self.reactor.note_now();
        }
        self.request(id, Connection::resume);
    }

    /// Pauses the source of a pipe until `target` drains, ends or closes. `Net` ends the pause, because a handler may
    /// be replaced meanwhile.
    pub(crate) fn pause_for_pipe(&mut self, source: SocketId, target: SocketId) {
        self.note_paused_for(source, Some(target));
        self.request(source, Connection::pause_for_pipe);
    }

    /// Notes the target for which a pipe has paused `source`. A target that has let its sources go, or that another one
    /// follows, must not resume the source later.
    pub(super) fn note_paused_for(&mut self, source: SocketId, target: Option<SocketId>) {
        let Some(connection) = self.connection_mut(source) else {
            return;
        };
        let (before, now) = (connection.paused_for(), target.map(|it| it.0));
        if before == now {
            return;
        }
        connection.set_paused_for(now);
        if let Some(before) = before.and_then(|it| self.connection_mut(SocketId(it))) {
            before.remove_paused_source(source.0);
        }
        if let Some(target) = target.and_then(|it| self.connection_mut(it)) {
            target.add_paused_source(source.0);
        }
    }

    /// Lets the sockets read again that pipes have paused for `target`.
    pub(crate) fn resume_sources_of(&mut self, target: SocketId) {
        let pop = |it: &mut Self| it.connection_mut(target)?.pop_paused_source();
        while let Some(source) = pop(self) {
            self.end_pause_of_pipe(SocketId(source));
        }
    }

    /// Ends a pause by a pipe, but leaves a pause by the program.
    pub(crate) fn end_pause_of_pipe(&mut self, id: SocketId) {
        self.note_paused_for(id, None);
        if self.connection(id).is_some_and(Connection::rests_idle) {
            self.resume(id);
        }
    }

    pub(crate) fn deadline_of(&self, id: SocketId) -> Option<Instant> {
        self.reactor.instant_at(self.connection(id)?.deadline()?)
    }

    /// Lends the descriptor of a socket to the user. Duplicates of it may exist from now on.
    #[cfg(unix)]
    pub(crate) fn lend_descriptor(&mut self, id: SocketId) -> Option<std::os::fd::BorrowedFd<'_>> {
        self.connection_mut(id)?.lend_descriptor()
    }

    #[cfg(unix)]
    pub(crate) fn lend_listener(&mut self, id: ServerId) -> Option<std::os::fd::BorrowedFd<'_>> {
        self.listener_mut(id)?.lend_descriptor()
    }

    /// Keeps the file of a server's Unix socket in place when the server ends: a duplicate of the socket may be in use.
    #[cfg(unix)]
    pub(crate) fn leave_path(&mut self, id: ServerId) {
        if let Some(listener) = self.listener_mut(id) {
            listener.leave_path();
        }
    }

    pub(crate) fn allow_half_open(&mut self, id: SocketId) {
        self.request(id, |connection, _| connection.allow_half_open());
    }

    /// Makes a source keep the loop running.
    pub(crate) fn hold(&mut self, key: Key) {
        self.reactor.hold(key);
    }

    pub(crate) fn release(&mut self, key: Key) {
        self.reactor.release(key);
    }

    pub(crate) fn is_held(&self, key: Key) -> bool {
        self.reactor.is_held(key)
    }

    pub(crate) fn server_count(&self) -> usize {
        self.servers.len()
    }
}
