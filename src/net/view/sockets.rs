//! The view of everything that lives in a loop.

use crate::net::core::Net;
use crate::net::values::{Flow, ServerId, SocketId};

use super::server::Server;
use super::socket::Socket;

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

    /// Sends `bytes` to each of `sockets`, and tells of each that did not answer
    /// [`Flow::Open`](crate::Flow::Open) what its answer was: [`Full`](crate::Flow::Full) is a member that cannot keep
    /// up. It is the same as to [`write`](Socket::write) to each of them, in that order, and costs less.
    ///
    /// Short messages to sockets that keep up lie in memory once, however many hear them, and all that a socket is sent
    /// in one turn leaves in one system call, in one piece. The same goes for writes of the same bytes one by one.
    ///
    /// ```no_run
    /// use netloop::{Context, SocketHandler, SocketId};
    ///
    /// struct Member;
    ///
    /// impl SocketHandler<Vec<SocketId>> for Member {
    ///     fn on_connect(&mut self, cx: &mut Context<'_, Vec<SocketId>>) {
    ///         cx.shared.push(cx.socket.id());
    ///     }
    ///     fn on_data(&mut self, cx: &mut Context<'_, Vec<SocketId>>, data: &[u8]) {
    ///         let members = cx.shared.iter().copied();
    ///         let mut sockets = cx.socket.sockets();
    ///         for (id, _) in sockets.broadcast(members, data) {
    ///             sockets.socket(id).destroy();
    ///         }
    ///     }
    /// }
    /// ```
    #[must_use = "it names the sockets that cannot keep up, or are gone"]
    pub fn broadcast(
        &mut self,
        sockets: impl IntoIterator<Item = SocketId>,
        bytes: &[u8],
    ) -> Vec<(SocketId, Flow)> {
        self.net.broadcast(sockets, bytes)
    }

    /// The ids of all sockets, in no particular order.
    ///
    /// The iterator owns its ids and borrows nothing, so that its sockets can be written to and closed meanwhile. It is
    /// as the loop was when it was made, at the cost of a list of 8 bytes a socket.
    ///
    /// ```no_run
    /// # let mut event_loop: netloop::EventLoop = netloop::EventLoop::new().unwrap();
    /// let mut sockets = event_loop.sockets();
    /// for id in sockets.ids() {
    ///     writeln!(sockets.socket(id), "the server restarts in a minute");
    /// }
    /// ```
    pub fn ids(&self) -> impl Iterator<Item = SocketId> + use<> {
        let ids: Vec<_> = self.net.socket_ids().collect();
        ids.into_iter()
    }
}
