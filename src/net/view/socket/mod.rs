//! The view of one socket, through which everything is asked of it.

mod ending;
mod options;
mod status;
mod writing;

use crate::net::connection::{Connection, Notice};
use crate::net::core::Net;
use crate::net::error::Error;
use crate::net::values::SocketId;
use crate::reactor::Registration;

use super::sockets::Sockets;

/// One socket, borrowed from its loop: [`Context::socket`](crate::Context) in a callback, `event_loop.socket(id)`
/// outside.
///
/// Every call only marks what is to be done, or does a system call at once; none calls a handler. A view of a socket
/// that is gone is harmless: questions answer what a closed socket would, and requests do nothing.
#[derive(Debug)]
pub struct Socket<'a> {
    net: &'a mut Net,
    id: SocketId,
}

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

    /// The socket's name.
    pub fn id(&self) -> SocketId {
        self.id
    }

    /// Another socket of the same loop. It looks and behaves the same, whether `id` is alive, dead, or this socket's.
    pub fn other(&mut self, id: SocketId) -> Socket<'_> {
        Socket { net: self.net, id }
    }

    /// All sockets and servers of the same loop.
    pub fn sockets(&mut self) -> Sockets<'_> {
        Sockets::new(self.net)
    }

    pub(crate) fn next_notice(&mut self) -> Option<Notice> {
        self.net.next_notice(self.id)
    }

    pub(crate) fn next_missed_mark(&mut self) -> Option<(u64, Error)> {
        self.net.next_missed_mark(self.id)
    }

    pub(crate) fn answer_end(&mut self) {
        if self.connection().is_some_and(Connection::ends_at_once) {
            self.request(Connection::answer_end);
        } else {
            self.request_now(Connection::answer_end);
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

    fn request(&mut self, request: impl FnOnce(&mut Connection, &mut Registration<'_>)) {
        self.net
            .with_connection(self.id, |connection, registration, _| {
                request(connection, registration);
            });
    }

    /// [`request`](Self::request) for what closes the socket.
    fn request_last(&mut self, request: impl FnOnce(&mut Connection, &mut Registration<'_>)) {
        self.net
            .with_connection(self.id, |connection, registration, pool| {
                connection.send_gathered(registration, pool);
                request(connection, registration);
            });
        self.net.free_place(self.id);
    }

    /// [`request`](Self::request) for what begins to count time: the turn's reading of the clock may be old by now,
    /// and nothing may come early.
    fn request_now(&mut self, request: impl FnOnce(&mut Connection, &mut Registration<'_>)) {
        self.net.note_now();
        self.request(request);
    }
}
