//! The behaviour of a server, as users write it, and what it is told of connections.

use std::marker::PhantomData;
use std::net::SocketAddr;

use crate::net::{Error, ServerId, SocketId};

use super::into_handler::IntoHandler;
use super::loop_context::LoopContext;
use super::socket_handler::SocketHandler;

/// The behaviour of a server. Where its other events do not matter, a closure given to
/// [`listen`](crate::EventLoop::listen) is shorter.
///
/// The methods are called by the loop alone, as those of [`SocketHandler`].
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
    /// The server listens, and its address can be asked. It comes in the turn after the call that made the server, or
    /// after the lookup of the name that it listens on.
    #[doc(alias = "listening")]
    fn on_listening(&mut self, cx: &mut LoopContext<'_, S>, server: ServerId) {
        let _ = (cx, server);
    }

    /// A connection was accepted: answers with its handler, or with `None` to refuse it, which closes it without
    /// another word. It already has its id and its options, and can be written to or destroyed here; it comes before
    /// every event of the socket. Its `on_connect` follows.
    #[doc(alias = "connection")]
    fn on_connection(
        &mut self,
        cx: &mut LoopContext<'_, S>,
        accepted: &Accepted,
    ) -> Option<Box<dyn SocketHandler<S>>>;

    /// A connection was closed right after it was accepted, since the server holds
    /// [`max_connections`](crate::ListenOptions::max_connections) already.
    #[doc(alias = "drop")]
    fn on_over_limit(&mut self, cx: &mut LoopContext<'_, S>, refused: &OverLimit) {
        let _ = (cx, refused);
    }

    /// Accepting failed, or listening on a name did, in which case the server ends. When the process has run out of
    /// descriptors (EMFILE), the server tries again by itself, in growing intervals and whenever a socket of the loop
    /// closes, and this is called once for the whole episode. An error that does not pass ends the listening; the
    /// connections stay, and `on_close` follows the last of them.
    #[doc(alias = "error")]
    fn on_error(&mut self, cx: &mut LoopContext<'_, S>, error: &Error) {
        let _ = (cx, error);
    }

    /// The server is closed and the last of its sockets has had its `on_close`: exactly once, last of all.
    #[doc(alias = "close")]
    fn on_close(&mut self, cx: &mut LoopContext<'_, S>) {
        let _ = cx;
    }
}

/// A connection that a server has accepted.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Accepted {
    /// The new socket.
    pub id: SocketId,
    /// The server that accepted it.
    pub server: ServerId,
    /// The peer's address; `None` on Unix sockets.
    pub peer_address: Option<SocketAddr>,
}

/// A connection that a server could not hold, as it had as many as it may
/// ([`max_connections`](crate::ListenOptions::max_connections)). It is closed already.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct OverLimit {
    /// The server.
    pub server: ServerId,
    /// The address that the peer had connected to; `None` on Unix sockets.
    pub local_address: Option<SocketAddr>,
    /// The peer's address; `None` on Unix sockets.
    pub peer_address: Option<SocketAddr>,
}

/// A closure as the behaviour of a server: it makes the handler of each connection, in one of the forms `M` of
/// [`IntoHandler`].
pub(super) struct Accept<F, M> {
    accept: F,
    form: PhantomData<fn() -> M>,
}

impl<F, M> Accept<F, M> {
    pub(super) fn new(accept: F) -> Self {
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
