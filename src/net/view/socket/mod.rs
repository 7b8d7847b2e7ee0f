//! The view of one socket.

// Rustdoc shows the methods in the order of the modules: those that most programs need come first.
mod writing;

mod ending;

mod filtering;

mod options;

mod timers;

mod status;

use std::fmt;

use crate::net::connection::{Connection, Notice};
use crate::net::core::Net;
use crate::net::error::Error;
use crate::net::values::{Flow, ServerId, SocketId};

use super::server::Server;
use super::sockets::Sockets;

/// One socket, borrowed from its loop: [`cx.socket`](crate::Context) in a callback, `event_loop.socket(id)` outside.
///
/// A method marks the socket, or makes its system calls at once. No method calls a handler. A view of a socket that is
/// gone is harmless. Getters answer as for a closed socket, and the other methods do nothing or return an error. `{:?}`
/// shows the socket as it is: `Socket { id: 3v7, state: Open, peer: 127.0.0.1:5000, queued: 1204 }`.
///
/// # From one socket to another
///
/// [`socket`](Self::socket) leads to every other socket of the loop, [`server`](Self::server) to a server, and
/// [`sockets`](Self::sockets) to everything in the loop:
///
/// ```
/// use netloop::{Context, SocketHandler, SocketId};
///
/// /// Passes on to another socket everything that arrives, and the end after it.
/// struct Relay {
///     to: SocketId,
/// }
///
/// impl SocketHandler for Relay {
///     fn on_data(&mut self, cx: &mut Context<'_>, data: &[u8]) {
///         cx.socket.socket(self.to).write(data).ignore();
///     }
///     fn on_end(&mut self, cx: &mut Context<'_>) {
///         cx.socket.socket(self.to).end();
///     }
/// }
/// ```
pub struct Socket<'a> {
    pub(super) net: &'a mut Net,
    pub(super) id: SocketId,
}

/// The socket's id, and access to the other sockets and the servers of its loop.
impl<'a> Socket<'a> {
    pub(crate) fn new(net: &'a mut Net, id: SocketId) -> Self {
        Self { net, id }
    }

    pub(crate) fn net(&self) -> &Net {
        self.net
    }

    pub(crate) fn net_mut(&mut self) -> &mut Net {
        self.net
    }

    /// Returns the socket's id, to store it and to find the socket again.
    ///
    /// ```
    /// use netloop::{Context, SocketHandler, SocketId};
    ///
    /// struct Member;
    ///
    /// impl SocketHandler<Vec<SocketId>> for Member {
    ///     fn on_connect(&mut self, cx: &mut Context<'_, Vec<SocketId>>) {
    ///         cx.shared.push(cx.socket.id());
    ///     }
    ///     fn on_data(&mut self, _: &mut Context<'_, Vec<SocketId>>, _: &[u8]) {}
    /// }
    /// ```
    pub fn id(&self) -> SocketId {
        self.id
    }

    /// Returns the view of the socket `id` of the same loop, which may also be this socket, or gone.
    pub fn socket(&mut self, id: SocketId) -> Socket<'_> {
        Socket::new(self.net, id)
    }

    /// Returns the view of the server `id` of the same loop. The view does nothing if the server is gone.
    pub fn server(&mut self, id: ServerId) -> Server<'_> {
        Server::new(self.net, id)
    }

    /// Returns the view of all sockets, servers, UDP sockets and sources of the same loop.
    ///
    /// ```
    /// use netloop::{Context, SocketHandler};
    ///
    /// struct Session;
    ///
    /// impl SocketHandler for Session {
    ///     fn on_data(&mut self, cx: &mut Context<'_>, _: &[u8]) {
    ///         let others = cx.socket.sockets().ids().count() - 1;
    ///         writeln!(cx.socket, "you, and {others} more");
    ///     }
    /// }
    /// ```
    pub fn sockets(&mut self) -> Sockets<'_> {
        Sockets::new(self.net)
    }

    pub(crate) fn next_notice(&mut self) -> Option<Notice> {
        self.net.next_notice(self.id)
    }

    pub(crate) fn waiting_notices(&self) -> usize {
        self.net.waiting_notices(self.id)
    }

    pub(crate) fn end_notices(&mut self) {
        self.net.end_notices(self.id);
    }

    pub(crate) fn missed_marks(&self) -> usize {
        self.connection().map_or(0, Connection::missed_markers)
    }

    pub(crate) fn next_missed_mark(&mut self) -> Option<(u64, Error)> {
        self.net.next_missed_marker(self.id)
    }

    pub(crate) fn answer_end(&mut self) {
        self.net.answer_end(self.id);
    }

    pub(crate) fn answer_deadline(&mut self) {
        self.net.answer_deadline(self.id);
    }

    pub(crate) fn has_peer_ended(&self) -> bool {
        self.connection().is_some_and(Connection::has_peer_ended)
    }

    pub(crate) fn pause_for_pipe(&mut self, target: SocketId) {
        self.net.pause_for_pipe(self.id, target);
    }

    /// Writes the bytes of a pipe from `source`. If the limit on the queue does not admit all, `source` gets the rest
    /// back, and the answer is `Full`.
    pub(crate) fn write_of_pipe(&mut self, source: SocketId, bytes: &[u8]) -> Flow {
        let connection = self.connection();
        match connection.is_some_and(|it| !it.fits(bytes.len())) {
            true => self.write_admitted(source, bytes),
            false => self.write(bytes),
        }
    }

    #[cold]
    fn write_admitted(&mut self, source: SocketId, bytes: &[u8]) -> Flow {
        let admitted = self
            .net
            .with_connection(self.id, |connection, registration, outbox| {
                connection.admitted_by_limit(bytes.len(), registration, outbox)
            });
        let (admitted, rest) = bytes.split_at(admitted.unwrap_or(bytes.len()));
        let flow = self.write(admitted);
        if rest.is_empty() || !matches!(flow, Flow::Open | Flow::Full) {
            return flow;
        }
        self.net.give_back(source, rest);
        self.net.request(self.id, Connection::owe_drain);
        Flow::Full
    }

    pub(crate) fn close_behind_pipe(&mut self, are_cut_short: bool, error: Option<Error>) {
        self.net.request_now(self.id, |connection, registration| {
            connection.close_behind_pipe(are_cut_short, error, registration);
        });
    }

    pub(crate) fn reset_if_timed_out(&self) {
        if let Some(connection) = self.connection() {
            connection.reset_if_timed_out();
        }
    }

    pub(crate) fn catch_up(&mut self) {
        if self.connection().is_some_and(Connection::is_behind) {
            self.net.with_connection(self.id, Connection::catch_up);
        }
    }

    fn connection(&self) -> Option<&Connection> {
        self.net.connection(self.id)
    }
}

impl fmt::Debug for Socket<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = formatter.debug_struct("Socket");
        fields.field("id", &format_args!("{}", self.id));
        fields.field("state", &self.state());
        if let Some(address) = self.peer_address() {
            fields.field("peer", &address);
        } else if let Some(path) = self.peer_path() {
            fields.field("peer", &format_args!("{}", path.display()));
        }
        fields.field("queued", &self.queued_bytes());
        fields.finish()
    }
}
