//! The view of one server.

use crate::net::core::Net;
use crate::net::listener::Listener;
use crate::net::values::{Endpoint, Flow, ServerId, SocketId, StdListener};

use super::socket::Socket;

/// One server, borrowed from its loop: `event_loop.server(id)`, or [`Sockets::server`](crate::Sockets::server) in a
/// callback. A view of a server that is gone is harmless.
#[derive(Debug)]
pub struct Server<'a> {
    pub(super) net: &'a mut Net,
    pub(super) id: ServerId,
}

impl<'a> Server<'a> {
    pub(crate) fn new(net: &'a mut Net, id: ServerId) -> Self {
        Self { net, id }
    }

    fn listener(&self) -> Option<&Listener> {
        self.net.listener(self.id)
    }

    /// The server's name.
    pub fn id(&self) -> ServerId {
        self.id
    }

    /// The socket `id` of the same loop, whether this server accepted it or not.
    pub fn socket(&mut self, id: SocketId) -> Socket<'_> {
        Socket::new(self.net, id)
    }

    /// Stops listening at once: newcomers are refused by the system, and so are those that it has queued. The
    /// connections stay and are usable. `on_close` comes when the last of them has had its own. Closing twice is
    /// harmless.
    pub fn close(&mut self) {
        self.net.close_server(self.id);
    }

    /// Takes the listening socket out of the loop, to be used with the standard library, by another loop or by another
    /// process, and closes the server.
    ///
    /// The peers that the kernel has queued go with it, and those that connect meanwhile wait there: none is refused. It
    /// is still non-blocking, and the file of a Unix socket is not removed. The connections stay as after
    /// [`close`](Self::close). `None` if the server does not listen, and in a simulation.
    ///
    /// ```no_run
    /// # use netloop::{EventLoop, ServerId};
    /// # fn hand_over(event_loop: &mut EventLoop, server: ServerId) {
    /// // A successor accepts from here on; this loop serves the connections that it has to their end.
    /// if let Some(listener) = event_loop.server(server).detach() {
    ///     std::thread::spawn(move || listener.into_tcp()?.accept().ok());
    /// }
    /// # }
    /// ```
    #[must_use = "dropping the listener refuses the peers that wait"]
    pub fn detach(&mut self) -> Option<StdListener> {
        self.net.detach_server(self.id)
    }

    /// Destroys all connections of the server, which a server that closes waits for otherwise.
    pub fn destroy_connections(&mut self) {
        for socket in self.sockets() {
            self.net.destroy(socket, None);
        }
    }

    /// Whether it listens.
    pub fn is_listening(&self) -> bool {
        self.listener().is_some_and(Listener::is_listening)
    }

    /// Where it listens, with the port that the system chose if it was asked to; `None` when it does not listen.
    pub fn address(&self) -> Option<std::net::SocketAddr> {
        match self.endpoint()? {
            Endpoint::Socket(address) => Some(*address),
            Endpoint::Path(_) | Endpoint::Name { .. } => None,
        }
    }

    /// The path on which it listens, if it is a Unix socket.
    pub fn path(&self) -> Option<&std::path::Path> {
        match self.endpoint()? {
            Endpoint::Path(path) => Some(path),
            Endpoint::Socket(_) | Endpoint::Name { .. } => None,
        }
    }

    fn endpoint(&self) -> Option<&Endpoint> {
        let listener = self.listener()?;
        listener.is_listening().then(|| listener.endpoint())
    }

    /// How many of its connections are not gone; also while it closes.
    pub fn connection_count(&self) -> usize {
        self.listener().map_or(0, Listener::connections)
    }

    /// The sockets that the server accepted and that are not gone, in no particular order.
    ///
    /// The iterator owns its ids and borrows nothing, so that its sockets can be written to and closed meanwhile. It is
    /// as the loop was when it was made. That costs a look at every socket of the loop, and a list of 8 bytes for each
    /// that is found: a program that asks for every message keeps a list of its own.
    ///
    /// ```no_run
    /// # use netloop::{EventLoop, ServerId};
    /// # fn close_idle(event_loop: &mut EventLoop, server: ServerId) {
    /// let mut server = event_loop.server(server);
    /// for id in server.sockets() {
    ///     if server.socket(id).queued_bytes() > 0 {
    ///         server.socket(id).destroy();
    ///     }
    /// }
    /// # }
    /// ```
    pub fn sockets(&self) -> impl Iterator<Item = SocketId> + use<> {
        let sockets: Vec<_> = self.net.sockets_of(self.id).collect();
        sockets.into_iter()
    }

    /// Sends `bytes` to each of the server's [`sockets`](Self::sockets), as
    /// [`Sockets::broadcast`](crate::Sockets::broadcast) does, and returns each that did not answer [`Flow::Open`] with
    /// its answer. It costs what `sockets` costs beside the writes.
    ///
    /// ```no_run
    /// # use netloop::{EventLoop, Flow, ServerId};
    /// # fn announce(event_loop: &mut EventLoop, server: ServerId) {
    /// let mut server = event_loop.server(server);
    /// for (id, flow) in server.broadcast(b"the server restarts in a minute\n") {
    ///     if flow == Flow::Full {
    ///         server.socket(id).destroy();
    ///     }
    /// }
    /// # }
    /// ```
    #[must_use = "it names the sockets that cannot keep up, or are gone"]
    pub fn broadcast(&mut self, bytes: &[u8]) -> Vec<(SocketId, Flow)> {
        let sockets = self.sockets();
        self.net.broadcast(sockets, bytes)
    }

    /// How many connections it holds at most from now on; `None`: as many as there are. 0 drops every newcomer.
    pub fn set_max_connections(&mut self, connections: impl Into<Option<usize>>) {
        let connections = connections.into();
        self.net.with_listener(self.id, |listener, _| {
            listener.set_max_connections(connections)
        });
    }

    /// Makes the server a reason for [`run`](crate::EventLoop::run) to go on, which it is unless
    /// [`release`](Self::release) was called.
    pub fn hold(&mut self) {
        self.net.hold(self.id.0);
    }

    /// Makes the server no reason for [`run`](crate::EventLoop::run) to go on. Its sockets are reasons of their own.
    pub fn release(&mut self) {
        self.net.release(self.id.0);
    }
}
