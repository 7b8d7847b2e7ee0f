//! The view of one socket, through which everything is asked of it.

mod ending;
mod options;
mod status;
mod timers;
mod writing;

use crate::net::connection::{Connection, Notice};
use crate::net::core::Net;
use crate::net::error::Error;
use crate::net::values::{ServerId, SocketId};

use super::server::Server;
use super::sockets::Sockets;

/// One socket, borrowed from its loop: [`Context::socket`](crate::Context) in a callback, `event_loop.socket(id)`
/// outside.
///
/// Every call only marks what is to be done, or does a system call at once; none calls a handler. A view of a socket
/// that is gone is harmless: questions answer what a closed socket would, and requests do nothing.
#[derive(Debug)]
pub struct Socket<'a> {
    pub(super) net: &'a mut Net,
    pub(super) id: SocketId,
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

    /// The socket `id` of the same loop. The view behaves the same, whether `id` is alive, dead, or this socket's own.
    pub fn socket(&mut self, id: SocketId) -> Socket<'_> {
        Socket::new(self.net, id)
    }

    /// The server `id` of the same loop; a view that does nothing if the server is gone.
    pub fn server(&mut self, id: ServerId) -> Server<'_> {
        Server::new(self.net, id)
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
            self.net.request(self.id, Connection::answer_end);
        } else {
            self.net.request_now(self.id, Connection::answer_end);
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
