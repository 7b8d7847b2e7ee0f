//! The view of all sockets, servers and sources of a loop.

use std::borrow::Borrow;
use std::fmt;

use crate::net::core::Net;
use crate::net::values::{DatagramId, Flow, ServerId, SocketId, SourceId};

use super::datagram_socket::DatagramSocket;
use super::server::Server;
use super::socket::Socket;
use super::source::Source;

/// The view of all sockets, servers, UDP sockets and sources of a loop. It serves mainly the callbacks that have no
/// socket of their own: those of timers, deferred calls, posts and servers. `{:?}` shows two numbers:
/// `Sockets { sockets: 3, servers: 1 }`.
///
/// ```
/// use std::time::Duration;
///
/// let mut event_loop: netloop::EventLoop = netloop::EventLoop::new()?;
/// event_loop.every(Duration::from_secs(60), |cx| {
///     for id in cx.sockets.ids() {
///         println!("{:?}", cx.sockets.socket(id));
///     }
/// });
/// # Ok::<(), netloop::Error>(())
/// ```
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

    /// Returns the view of the socket `id`. The view does nothing if the socket is gone.
    pub fn socket(&mut self, id: SocketId) -> Socket<'_> {
        Socket::new(self.net, id)
    }

    /// Returns the view of the server `id`. The view does nothing if the server is gone.
    pub fn server(&mut self, id: ServerId) -> Server<'_> {
        Server::new(self.net, id)
    }

    /// Returns the view of the UDP socket `id`. The view does nothing if the socket is gone.
    pub fn datagram_socket(&mut self, id: DatagramId) -> DatagramSocket<'_> {
        DatagramSocket::new(self.net, id)
    }

    /// Returns the view of the source `id`. The view does nothing if the source is gone.
    pub fn source(&mut self, id: SourceId) -> Source<'_> {
        Source::new(self.net, id)
    }

    /// Sends `bytes` to each of `sockets`, which are ids or references to ids. Returns each socket that did not answer
    /// [`Flow::Open`], with its answer: [`Full`](crate::Flow::Full) means that the socket cannot keep up.
    ///
    /// A broadcast does the same as a [`write`](Socket::write) to each socket in that order, and costs less. A short
    /// message to sockets that keep up is stored once, however many sockets receive it. All messages to one socket
    /// before its next flush leave together. Separate writes of the same bytes to several sockets share one copy too.
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
    ///         let mut sockets = cx.socket.sockets();
    ///         for (id, _) in sockets.broadcast(&*cx.shared, data) {
    ///             sockets.socket(id).destroy();
    ///         }
    ///     }
    /// }
    /// ```
    #[must_use = "it names the sockets that cannot keep up, or are gone"]
    pub fn broadcast(
        &mut self,
        sockets: impl IntoIterator<Item: Borrow<SocketId>>,
        bytes: &[u8],
    ) -> Vec<(SocketId, Flow)> {
        let sockets = sockets.into_iter().map(|id| *id.borrow());
        self.net.broadcast(sockets, bytes)
    }

    /// Returns the ids of all sockets but UDP sockets, in no particular order. They include accepted sockets whose
    /// [filters](crate::Filter) are not ready, which their server was not told of. Bytes that are written to such a
    /// socket leave before those of its handler. The iterator owns its ids, which are those at the time of the call. So
    /// the loop body may write to the sockets and close them. The call allocates 8 bytes for each socket.
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

impl fmt::Debug for Sockets<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Sockets")
            .field("sockets", &self.net.socket_ids().count())
            .field("servers", &self.net.server_count())
            .finish()
    }
}
