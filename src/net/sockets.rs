//! The view of everything that lives in a loop.

use super::server::Server;
use super::socket::Socket;
use super::{Net, ServerId, SocketId};

/// All sockets and servers of a loop, for callbacks that have no socket of their own: timers, deferred calls, posts,
/// hooks, and those of a server.
#[derive(Debug)]
pub struct Sockets<'a> {
    net: &'a mut Net,
}

impl<'a> Sockets<'a> {
    pub(crate) fn new(net: &'a mut Net) -> Self {
        Self { net }
    }

    pub(crate) fn net(&self) -> &Net {
        self.net
    }

    pub(crate) fn net_mut(&mut self) -> &mut Net {
        self.net
    }

    /// The socket `id`; a view that does nothing if it is gone.
    pub fn socket(&mut self, id: SocketId) -> Socket<'_> {
        Socket::new(self.net, id)
    }

    /// The server `id`; a view that does nothing if it is gone.
    pub fn server(&mut self, id: ServerId) -> Server<'_> {
        Server::new(self.net, id)
    }

    /// The ids of all sockets, in no particular order.
    pub fn ids(&self) -> impl Iterator<Item = SocketId> + '_ {
        self.net.socket_ids()
    }
}
