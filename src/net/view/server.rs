//! The view of one server.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;

use crate::net::core::Net;
use crate::net::listener::Listener;
use crate::net::values::{Endpoint, Flow, ServerId, SocketId, StdListener};

use super::socket::Socket;

/// One server, borrowed from its loop: `event_loop.server(id)` outside, [`Sockets::server`](crate::Sockets::server) and
/// [`Socket::server`](crate::Socket::server) in a callback.
///
/// A view of a server that is gone is harmless: getters answer as for a closed one, and other methods do nothing.
/// `{:?}` shows the server as it is: `Server { id: 0v1, state: Listening, on: 127.0.0.1:7000, connections: 3 }`.
///
/// ```
/// use netloop::{Context, EventLoop, SocketHandler};
///
/// struct Quiet;
///
/// impl SocketHandler for Quiet {
///     fn on_data(&mut self, _: &mut Context<'_>, _: &[u8]) {}
/// }
///
/// let mut event_loop: EventLoop = EventLoop::new()?;
/// let id = event_loop.listen("127.0.0.1:0", |_, _| Quiet)?;
/// let mut server = event_loop.server(id);
/// println!("listening on {:?}", server.address());
/// server.set_max_connections(1000);
/// server.close();
/// assert!(!server.is_listening());
/// # Ok::<(), netloop::Error>(())
/// ```
pub struct Server<'a> {
    pub(super) net: &'a mut Net,
    pub(super) id: ServerId,
}

/// The server's id, and access to the sockets of its loop.
impl<'a> Server<'a> {
    pub(crate) fn new(net: &'a mut Net, id: ServerId) -> Self {
        Self { net, id }
    }

    fn listener(&self) -> Option<&Listener> {
        self.net.listener(self.id)
    }

    /// Returns the server's id, to store it and to find the server again.
    pub fn id(&self) -> ServerId {
        self.id
    }

    /// Returns the view of the socket `id` of the same loop, whether this server accepted it or not.
    pub fn socket(&mut self, id: SocketId) -> Socket<'_> {
        Socket::new(self.net, id)
    }
}

/// Listening.
impl Server<'_> {
    /// Stops listening at once. The system refuses new peers, and the peers in the backlog, unless the descriptor has a
    /// duplicate. The server's connections stay usable; after the last one's `on_close`, the server's own is called.
    /// Closing a server twice is harmless. In a [forked child](crate::EventLoop#forks) this does nothing.
    ///
    /// ```
    /// # use netloop::{Context, EventLoop, SocketHandler};
    /// # struct Quiet;
    /// # impl SocketHandler for Quiet { fn on_data(&mut self, _: &mut Context<'_>, _: &[u8]) {} }
    /// # let mut event_loop: EventLoop = EventLoop::new()?;
    /// let server = event_loop.listen("127.0.0.1:0", |_, _| Quiet)?;
    /// event_loop.server(server).close();
    /// // Without connections nothing is left to do.
    /// event_loop.run(&mut ())?;
    /// # Ok::<(), netloop::Error>(())
    /// ```
    pub fn close(&mut self) {
        self.net.close_server(self.id);
    }

    /// Takes the listening socket out of the loop, for the standard library, another loop or another process, and
    /// closes the server. No peer is refused: the peers in the backlog stay with the socket, and further peers join
    /// them. The socket is still non-blocking, and the file of a Unix socket stays. The server's connections stay
    /// usable. Returns `None` if the server does not listen, in a simulation, and in a [forked
    /// child](crate::EventLoop#forks).
    ///
    /// ```no_run
    /// # use netloop::{EventLoop, ServerId, StdListener};
    /// # fn start_successor(_: StdListener) {}
    /// # fn hand_over(event_loop: &mut EventLoop, server: ServerId) -> netloop::Result<()> {
    /// // The successor accepts from here on. This loop serves its own connections until they end.
    /// if let Some(listener) = event_loop.server(server).detach() {
    ///     start_successor(listener);
    /// }
    /// event_loop.run(&mut ())
    /// # }
    /// ```
    #[must_use = "dropping the listener refuses the peers that wait"]
    pub fn detach(&mut self) -> Option<StdListener> {
        self.net.detach_server(self.id)
    }

    /// Whether the server listens.
    #[doc(alias = "listening")]
    pub fn is_listening(&self) -> bool {
        self.listener().is_some_and(Listener::is_listening)
    }

    /// Returns the address that the server listens on, with the port that the system chose if the user gave port 0.
    /// `None` if the server does not listen, or listens on a path.
    ///
    /// ```
    /// # use netloop::{Context, EventLoop, SocketHandler};
    /// # struct Quiet;
    /// # impl SocketHandler for Quiet { fn on_data(&mut self, _: &mut Context<'_>, _: &[u8]) {} }
    /// # let mut event_loop: EventLoop = EventLoop::new()?;
    /// // Port 0 asks the system for a free port.
    /// let server = event_loop.listen("127.0.0.1:0", |_, _| Quiet)?;
    /// let address = event_loop.server(server).address().expect("the server listens on an address");
    /// assert_ne!(address.port(), 0);
    /// # Ok::<(), netloop::Error>(())
    /// ```
    pub fn address(&self) -> Option<SocketAddr> {
        match self.endpoint()? {
            Endpoint::Socket(address) => Some(*address),
            Endpoint::Path(_) | Endpoint::Name { .. } => None,
        }
    }

    /// Returns the path that the server listens on, if it is a Unix socket. A name in the abstract namespace begins with
    /// a NUL byte. `None` also for an adopted socket that has no name.
    #[doc(alias = "address")]
    pub fn path(&self) -> Option<&Path> {
        match self.endpoint()? {
            Endpoint::Path(path) => {
                Some(path.as_path()).filter(|path| !path.as_os_str().is_empty())
            }
            Endpoint::Socket(_) | Endpoint::Name { .. } => None,
        }
    }

    fn endpoint(&self) -> Option<&Endpoint> {
        let listener = self.listener()?;
        listener.is_listening().then(|| listener.endpoint())
    }

    /// Makes the server keep [`run`](crate::EventLoop::run) going while the server listens. This is the default, until
    /// a call of [`release`](Self::release).
    #[doc(alias = "ref")]
    pub fn hold(&mut self) {
        self.net.hold(self.id.0);
    }

    /// Allows [`run`](crate::EventLoop::run) to return while the server listens. Each socket of the server still keeps
    /// `run` going, unless the socket is released too. As in Node, so does the lookup of the name to listen on.
    ///
    /// ```
    /// use netloop::{Context, EventLoop, SocketHandler};
    /// # struct Echo;
    /// # impl SocketHandler for Echo { fn on_data(&mut self, cx: &mut Context<'_>, data: &[u8]) { cx.socket.write(data).ignore() } }
    ///
    /// let mut event_loop: EventLoop = EventLoop::new()?;
    /// let server = event_loop.listen("127.0.0.1:0", |_, _| Echo)?;
    /// event_loop.server(server).release();
    /// // Only the server is left.
    /// event_loop.run(&mut ())?;
    /// # Ok::<(), netloop::Error>(())
    /// ```
    #[doc(alias = "unref")]
    pub fn release(&mut self) {
        self.net.release(self.id.0);
    }

    /// Whether the server keeps [`run`](crate::EventLoop::run) going.
    #[doc(alias = "hasRef")]
    pub fn is_held(&self) -> bool {
        self.net.is_held(self.id.0)
    }
}

/// Connections.
impl Server<'_> {
    /// Returns the number of the server's connections whose `on_close` has not run yet. The count stays right while the
    /// server closes. A connection whose [filters](crate::Filter) are not ready counts too.
    ///
    /// ```
    /// # use netloop::{Context, EventLoop, SocketHandler};
    /// # struct Quiet;
    /// # impl SocketHandler for Quiet { fn on_data(&mut self, _: &mut Context<'_>, _: &[u8]) {} }
    /// # let mut event_loop: EventLoop = EventLoop::new()?;
    /// let server = event_loop.listen("127.0.0.1:0", |_, _| Quiet)?;
    /// assert_eq!(event_loop.server(server).connection_count(), 0);
    /// # Ok::<(), netloop::Error>(())
    /// ```
    #[doc(alias("getConnections", "connections"))]
    pub fn connection_count(&self) -> usize {
        self.listener().map_or(0, Listener::connections)
    }

    /// Returns the sockets that the server accepted and that are not gone, in no particular order. A socket whose
    /// [filters](crate::Filter) are not ready is left out: the server is told of it later. The iterator owns its ids,
    /// which are those at the time of the call. So the loop body may write to the sockets and close them. The call
    /// looks at every socket of the loop, and allocates 8 bytes for each of the server. A program that needs the
    /// sockets for every message should keep its own list.
    ///
    /// ```no_run
    /// # use netloop::{EventLoop, ServerId};
    /// # fn drop_laggards(event_loop: &mut EventLoop, server: ServerId) {
    /// let mut server = event_loop.server(server);
    /// for id in server.sockets() {
    ///     if server.socket(id).queued_bytes() > 0 {
    ///         server.socket(id).destroy();
    ///     }
    /// }
    /// # }
    /// ```
    #[doc(alias = "connections")]
    pub fn sockets(&self) -> impl Iterator<Item = SocketId> + use<> {
        let sockets: Vec<_> = self
            .net
            .sockets_of(self.id)
            .filter(|id| !self.net.is_untold(*id))
            .collect();
        sockets.into_iter()
    }

    /// Sends `bytes` to each of the server's [`sockets`](Self::sockets), as
    /// [`Sockets::broadcast`](crate::Sockets::broadcast) does. Returns each socket that did not answer [`Flow::Open`],
    /// with its answer. The call costs as much as `sockets`, in addition to the writes.
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
    ///
    /// ```
    /// use netloop::{Context, EventLoop, SocketHandler};
    /// use std::time::Duration;
    /// # struct Echo;
    /// # impl SocketHandler for Echo { fn on_data(&mut self, cx: &mut Context<'_>, data: &[u8]) { cx.socket.write(data).ignore() } }
    ///
    /// let mut event_loop: EventLoop = EventLoop::new()?;
    /// let server = event_loop.listen("127.0.0.1:0", |_, _| Echo)?;
    /// event_loop.every(Duration::from_secs(60), move |cx| {
    ///     for (slow, _) in cx.sockets.server(server).broadcast(b"a minute has passed\n") {
    ///         cx.sockets.socket(slow).destroy();
    ///     }
    /// });
    /// # Ok::<(), netloop::Error>(())
    /// ```
    #[must_use = "it names the sockets that cannot keep up, or are gone"]
    pub fn broadcast(&mut self, bytes: &[u8]) -> Vec<(SocketId, Flow)> {
        let sockets = self.sockets();
        self.net.broadcast(sockets, bytes)
    }

    /// Destroys all connections of the server. Otherwise, a closed server waits until its connections end.
    #[doc(alias = "closeAllConnections")]
    pub fn destroy_connections(&mut self) {
        let sockets: Vec<_> = self.net.sockets_of(self.id).collect();
        for socket in sockets {
            self.net.destroy(socket, None);
        }
    }

    /// Returns the largest number of connections that the server holds at once; `None` without a limit of its own.
    #[doc(alias = "maxConnections")]
    pub fn max_connections(&self) -> Option<usize> {
        self.listener().and_then(Listener::max_connections)
    }

    /// Sets the largest number of connections that the server holds at once. `None` leaves only the limit of the loop;
    /// with 0, the server closes every new connection.
    ///
    /// ```
    /// # use netloop::{Context, EventLoop, SocketHandler};
    /// # struct Quiet;
    /// # impl SocketHandler for Quiet { fn on_data(&mut self, _: &mut Context<'_>, _: &[u8]) {} }
    /// # let mut event_loop: EventLoop = EventLoop::new()?;
    /// let server = event_loop.listen("127.0.0.1:0", |_, _| Quiet)?;
    /// // While a database is away, say, no further client is taken.
    /// event_loop.server(server).set_max_connections(0);
    /// assert_eq!(event_loop.server(server).max_connections(), Some(0));
    /// event_loop.server(server).set_max_connections(None);
    /// # Ok::<(), netloop::Error>(())
    /// ```
    #[doc(alias = "maxConnections")]
    pub fn set_max_connections(&mut self, connections: impl Into<Option<usize>>) {
        let connections = connections.into();
        self.net.with_listener(self.id, |listener, _| {
            listener.set_max_connections(connections)
        });
    }
}

impl fmt::Debug for Server<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = formatter.debug_struct("Server");
        fields.field("id", &format_args!("{}", self.id));
        match self.listener() {
            Some(listener) if !listener.is_closed() => {
                let state = if listener.is_listening() {
                    "Listening"
                } else {
                    "LookingUp"
                };
                fields.field("state", &format_args!("{state}"));
                fields.field("on", &format_args!("{}", listener.endpoint()));
            }
            _ => {
                fields.field("state", &format_args!("Closed"));
            }
        }
        fields.field("connections", &self.connection_count());
        fields.finish()
    }
}
