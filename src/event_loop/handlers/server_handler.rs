//! The behaviour of a server, which users implement, and the values that describe an accepted connection.

use std::marker::PhantomData;
use std::net::SocketAddr;

use crate::event_loop::contexts::LoopContext;
use crate::event_loop::into_handler::IntoHandler;
use crate::net::{AcceptLimit, Error, ServerId, SocketId};

use super::socket_handler::SocketHandler;

/// The behaviour of a server. If the other events of a server do not matter, a closure given to
/// [`listen`](crate::EventLoop::listen) is shorter.
///
/// # When the methods are called
///
/// `on_listening` comes first, unless the server is closed before, or cannot begin to listen (`on_error`). `on_close`
/// comes exactly once and last, after the `on_close` of the server's last socket, unless the loop is dropped before.
/// Between them the others come any number of times, `on_connection` before every event of its socket. Only the loop
/// calls them, and never within another callback, as with [`SocketHandler`].
///
/// # What a handler may do
///
/// Everything that [`LoopContext`] offers: write to the new socket, connect to another server, close this one. A server handler
/// has no `cx.socket`; `cx.sockets` leads to all.
///
/// # What it costs
///
/// An accepted connection costs an `accept` and a registration with the kernel. A connection over a limit at the accept
/// costs no memory. A turn accepts at most [`accepts_per_turn`](crate::Limits::accepts_per_turn) connections of a
/// server.
///
/// # Example
///
/// ```
/// use netloop::{Accepted, Context, EventLoop, LoopContext, ServerHandler, ServerId, SocketHandler};
///
/// struct Quiet;
///
/// impl SocketHandler for Quiet {
///     fn on_data(&mut self, _: &mut Context<'_>, _: &[u8]) {}
/// }
///
/// struct Front;
///
/// impl ServerHandler for Front {
///     fn on_listening(&mut self, cx: &mut LoopContext<'_>, server: ServerId) {
///         println!("listening on {:?}", cx.sockets.server(server).address());
///     }
///     fn on_connection(&mut self, _: &mut LoopContext<'_>, _: &Accepted) -> Option<Box<dyn SocketHandler>> {
///         Some(Quiet.boxed())
///     }
///     fn on_error(&mut self, _: &mut LoopContext<'_>, error: &netloop::Error) {
///         eprintln!("{error:#}");
///     }
/// }
///
/// let mut event_loop: EventLoop = EventLoop::new()?;
/// event_loop.serve("127.0.0.1:0", netloop::ListenOptions::new(), Front)?;
/// # Ok::<(), netloop::Error>(())
/// ```
pub trait ServerHandler<S = ()> {
    /// The server listens, and has its address. Comes when the loop next serves its sockets after the call that made
    /// the server, or after the lookup of its name.
    #[doc(alias = "listening")]
    fn on_listening(&mut self, cx: &mut LoopContext<'_, S>, server: ServerId) {
        let _ = (cx, server);
    }

    /// A connection was accepted, and its [filters](crate::Filter), if any, are ready. Returns the handler of the
    /// connection, or `None` to close it at once. The socket already has its id and its options, and may be written to
    /// or destroyed. Comes before every event of the socket; `on_connect` follows, unless this method has closed it.
    #[doc(alias = "connection")]
    fn on_connection(
        &mut self,
        cx: &mut LoopContext<'_, S>,
        accepted: &Accepted,
    ) -> Option<Box<dyn SocketHandler<S>>>;

    /// Connections were refused, because they were over one of the [`Limits`](crate::Limits). They were closed right
    /// after the accept, and no memory was allocated for them. Refusals in a row within a turn, for the same limit,
    /// come as one call. It comes before the next `on_connection` and before any callback of another socket.
    ///
    /// An exception: a [filter](crate::Filter), such as a [PROXY header](crate::ListenOptions::proxy_protocol), may
    /// tell another address of the peer. If the network of that address is full, the connection is refused late, after
    /// its memory was allocated.
    #[doc(alias = "drop")]
    fn on_over_limit(&mut self, cx: &mut LoopContext<'_, S>, refused: &OverLimit) {
        let _ = (cx, refused);
    }

    /// The [filters](crate::Filter) of an accepted connection, such as TLS, have failed before the connection was open,
    /// or have taken longer than [`Limits::handshake_timeout`](crate::Limits::handshake_timeout). No other event of
    /// this connection comes, not even `on_connection`. The default ignores the failure, which any peer can cause.
    #[doc(alias = "tlsClientError")]
    fn on_handshake_failed(&mut self, cx: &mut LoopContext<'_, S>, failed: &FailedHandshake) {
        let _ = (cx, failed);
    }

    /// Accepting failed, or the server could not begin to listen on a name. After a failure that may be temporary, the
    /// server goes on. Such failures are a lack of descriptors (EMFILE) or of memory (ENOBUFS), and a row of failed
    /// connections (ECONNABORTED, or EPERM from a firewall). The server tries again in growing intervals, and after
    /// EMFILE also whenever a socket of the loop closes. This method then comes once, until accepting works again. A
    /// single connection that fails is not reported.
    ///
    /// If the listening socket itself is broken (EBADF, EINVAL), the server stops listening:
    /// [`is_listening`](crate::Server::is_listening) is false. Its connections stay, and `on_close` follows the last.
    #[doc(alias = "error")]
    fn on_error(&mut self, cx: &mut LoopContext<'_, S>, error: &Error) {
        let _ = (cx, error);
    }

    /// The server is closed, and `on_close` of its last socket has returned. Comes exactly once, as the last event,
    /// unless the loop is dropped before.
    #[doc(alias = "close")]
    fn on_close(&mut self, cx: &mut LoopContext<'_, S>) {
        let _ = cx;
    }
}

/// A connection that a server has accepted.
///
/// ```
/// use netloop::{Context, EventLoop, SocketHandler};
///
/// struct Session;
///
/// impl SocketHandler for Session {
///     fn on_data(&mut self, _: &mut Context<'_>, _: &[u8]) {}
/// }
///
/// let mut event_loop: EventLoop = EventLoop::new()?;
/// event_loop.listen("127.0.0.1:0", |cx, accepted| {
///     // `None` refuses the peer.
///     let peer = accepted.peer_address?;
///     if !peer.ip().is_loopback() {
///         return None;
///     }
///     writeln!(cx.sockets.socket(accepted.id), "welcome, {peer}");
///     Some(Session)
/// })?;
/// # Ok::<(), netloop::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Accepted {
    /// The new socket.
    pub id: SocketId,
    /// The server that accepted the connection.
    pub server: ServerId,
    /// The peer's address, as a [filter](crate::Filter) has reported it, or else the kernel. `None` on Unix sockets,
    /// unless a filter has reported one.
    pub peer_address: Option<SocketAddr>,
}

/// A connection that was accepted and has failed before it was open. It is closed already.
///
/// ```
/// use netloop::{Accepted, FailedHandshake, LoopContext, ServerHandler, SocketHandler};
///
/// struct Front;
///
/// impl ServerHandler for Front {
///     fn on_connection(&mut self, _: &mut LoopContext<'_>, _: &Accepted) -> Option<Box<dyn SocketHandler>> {
///         None
///     }
///     fn on_handshake_failed(&mut self, _: &mut LoopContext<'_>, failed: &FailedHandshake) {
///         println!("{:?} never became a connection: {}", failed.peer_address, failed.error);
///     }
/// }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FailedHandshake {
    /// The server that accepted the connection.
    pub server: ServerId,
    /// The peer's address; `None` on Unix sockets, unless a [filter](crate::Filter) has reported one.
    pub peer_address: Option<SocketAddr>,
    /// The error of the filter, of the system, or of the limit that was passed.
    pub error: Error,
}

/// Connections over a limit, which the server has accepted and then closed.
///
/// ```
/// use netloop::{Accepted, AcceptLimit, LoopContext, OverLimit, ServerHandler, SocketHandler};
///
/// struct Front;
///
/// impl ServerHandler for Front {
///     fn on_connection(&mut self, _: &mut LoopContext<'_>, _: &Accepted) -> Option<Box<dyn SocketHandler>> {
///         None
///     }
///     fn on_over_limit(&mut self, _: &mut LoopContext<'_>, over: &OverLimit) {
///         let OverLimit { refused, limit, peer_address, .. } = over;
///         match limit {
///             AcceptLimit::Network => println!("{refused} refused: too many from the network of {peer_address:?}"),
///             _ => println!("{refused} refused: {limit:?}"),
///         }
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct OverLimit {
    /// The server that accepted the connections.
    pub server: ServerId,
    /// The limit that they were over.
    pub limit: AcceptLimit,
    /// The number of the connections, at least 1. The [`Statistics`](crate::Statistics) have the sums.
    pub refused: u64,
    /// The address that the peers connected to. `None` on Unix sockets, and for a server that listens on all addresses.
    /// To ask the kernel would cost a system call for each refused connection.
    pub local_address: Option<SocketAddr>,
    /// The peer's address of the last of these connections; `None` on Unix sockets, unless a [filter](crate::Filter)
    /// has reported one.
    pub peer_address: Option<SocketAddr>,
}

/// A closure as the handler of a server. It makes the handler of each connection, in the form `M` of [`IntoHandler`].
pub(crate) struct Accept<F, M> {
    accept: F,
    form: PhantomData<fn() -> M>,
}

impl<F, M> Accept<F, M> {
    pub(crate) fn new(accept: F) -> Self {
        Self {
            accept,
            form: PhantomData,
        }
    }
}

impl<S, F, R, M> ServerHandler<S> for Accept<F, M>
where
    F: FnMut(&mut LoopContext<'_, S>, &Accepted) -> R,
    R: IntoHandler<S, M>,
{
    fn on_connection(
        &mut self,
        cx: &mut LoopContext<'_, S>,
        accepted: &Accepted,
    ) -> Option<Box<dyn SocketHandler<S>>> {
        (self.accept)(cx, accepted).into_handler()
    }
}
