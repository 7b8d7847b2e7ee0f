//! What users write: the behaviour of a socket, and of a server.

use std::net::{IpAddr, SocketAddr};

use crate::net::{CloseReason, Error, ServerId, SocketId};

use super::{Context, LoopContext};

/// The behaviour of one socket. Every method but [`on_data`](Self::on_data) has a default.
///
/// Methods are only ever called by the loop, from the bottom of its stack: never by a call that a handler makes, and
/// never within another callback. A handler may therefore do anything to any socket, itself included. For each
/// socket they come in this order, which is Node's:
///
/// `on_lookup`* `on_connection_attempt…`* `on_connect` (`on_data` | `on_drain` | `on_sent` | `on_timeout`)* `on_end`?
/// (`on_drain` | `on_sent` | `on_timeout`)* `on_error`? `on_sent`* `on_close`
///
/// A connect that fails goes straight to `on_error` and `on_close`; `on_timeout` may come before `on_connect` too.
///
/// If a method panics, the panic goes up through [`turn`](crate::EventLoop::turn). The loop can be used on: it
/// destroys this socket in the next turn, and no other.
///
/// ```
/// use netloop::{Context, Flow, SocketHandler};
///
/// struct Echo;
///
/// impl SocketHandler for Echo {
///     fn on_data(&mut self, cx: &mut Context<'_>, data: &[u8]) {
///         if cx.socket.write(data) == Flow::Full {
///             cx.socket.pause();
///         }
///     }
///     fn on_drain(&mut self, cx: &mut Context<'_>) {
///         cx.socket.resume();
///     }
/// }
/// ```
pub trait SocketHandler<S = ()> {
    /// The name that is being connected to has led to an address, or to none: once for every address that was found,
    /// before any is tried. Not called for what needs no lookup.
    fn on_lookup(&mut self, cx: &mut Context<'_, S>, host: &str, found: Result<IpAddr, &Error>) {
        let _ = (cx, host, found);
    }

    /// An address is being connected to; Node's `connectionAttempt`.
    fn on_connection_attempt(&mut self, cx: &mut Context<'_, S>, address: SocketAddr) {
        let _ = (cx, address);
    }

    /// An address could not be connected to; Node's `connectionAttemptFailed`. If it was the last one, `on_error`
    /// follows.
    fn on_connection_attempt_failed(
        &mut self,
        cx: &mut Context<'_, S>,
        address: SocketAddr,
        error: &Error,
    ) {
        let _ = (cx, address, error);
    }

    /// An address has not answered within [`attempt_delay`](crate::ConnectOptions::attempt_delay), so that the next
    /// one is tried. Node's `connectionAttemptTimeout`, but the attempt goes on, and may still be the one.
    fn on_connection_attempt_timeout(&mut self, cx: &mut Context<'_, S>, address: SocketAddr) {
        let _ = (cx, address);
    }

    /// The connection is there: first of all for a socket that connects, and directly after
    /// [`on_connection`](ServerHandler::on_connection) for one that was accepted. What was written before goes out
    /// ahead of what is written here.
    fn on_connect(&mut self, cx: &mut Context<'_, S>) {
        let _ = cx;
    }

    /// Bytes have arrived: at least one, at most as many as the loop's read buffer holds. They are lent for the call.
    /// Not called while the socket is paused.
    fn on_data(&mut self, cx: &mut Context<'_, S>, data: &[u8]);

    /// The queue is sent down to the low-water mark, after a write had answered [`Flow::Full`](crate::Flow::Full):
    /// once for all writes that did. Not called any more once this side has ended.
    fn on_drain(&mut self, cx: &mut Context<'_, S>) {
        let _ = cx;
    }

    /// What was written until [`notify_when_sent`](crate::Socket::notify_when_sent) was called with `token` is with the
    /// kernel, or never will be: `Err` is the socket's error, else ERR_SOCKET_CLOSED, or before there was a connection
    /// ERR_SOCKET_CLOSED_BEFORE_CONNECTION. Each token comes once, in the order of the calls, and before `on_close`.
    fn on_sent(&mut self, cx: &mut Context<'_, S>, token: u64, sent: Result<(), &Error>) {
        let _ = (cx, token, sent);
    }

    /// The peer has ended, and all that it sent was delivered. Writing is still allowed. When the call returns, this
    /// side is ended too, unless [`allow_half_open`](crate::SocketOptions::allow_half_open) is set. Not called while
    /// the socket is paused, and not for a peer that reset the connection.
    fn on_end(&mut self, cx: &mut Context<'_, S>) {
        let _ = cx;
    }

    /// No byte has moved in either direction for the idle timeout, at least. It comes once, and again only after the
    /// next byte. The default destroys the socket, with [`CloseReason::TimedOut`]; Node only tells, and sockets whose
    /// owner forgot about it leak there.
    fn on_timeout(&mut self, cx: &mut Context<'_, S>) {
        cx.socket.destroy();
    }

    /// The socket has failed. It comes at most once, and [`on_close`](Self::on_close) directly follows. The default
    /// does nothing, and so an error kills nobody but its own socket.
    fn on_error(&mut self, cx: &mut Context<'_, S>, error: &Error) {
        let _ = (cx, error);
    }

    /// The socket is closed: exactly once, last of all. The descriptor is gone already; counts, the peer's address and
    /// [`queued_bytes`](crate::Socket::queued_bytes), the bytes that were lost, can still be asked. The handler is
    /// dropped after it.
    fn on_close(&mut self, cx: &mut Context<'_, S>, reason: CloseReason) {
        let _ = (cx, reason);
    }
}

impl<S, H: SocketHandler<S> + ?Sized> SocketHandler<S> for Box<H> {
    fn on_lookup(&mut self, cx: &mut Context<'_, S>, host: &str, found: Result<IpAddr, &Error>) {
        (**self).on_lookup(cx, host, found);
    }
    fn on_connection_attempt(&mut self, cx: &mut Context<'_, S>, address: SocketAddr) {
        (**self).on_connection_attempt(cx, address);
    }
    fn on_connection_attempt_failed(
        &mut self,
        cx: &mut Context<'_, S>,
        address: SocketAddr,
        error: &Error,
    ) {
        (**self).on_connection_attempt_failed(cx, address, error);
    }
    fn on_connection_attempt_timeout(&mut self, cx: &mut Context<'_, S>, address: SocketAddr) {
        (**self).on_connection_attempt_timeout(cx, address);
    }
    fn on_sent(&mut self, cx: &mut Context<'_, S>, token: u64, sent: Result<(), &Error>) {
        (**self).on_sent(cx, token, sent);
    }
    fn on_connect(&mut self, cx: &mut Context<'_, S>) {
        (**self).on_connect(cx);
    }
    fn on_data(&mut self, cx: &mut Context<'_, S>, data: &[u8]) {
        (**self).on_data(cx, data);
    }
    fn on_drain(&mut self, cx: &mut Context<'_, S>) {
        (**self).on_drain(cx);
    }
    fn on_end(&mut self, cx: &mut Context<'_, S>) {
        (**self).on_end(cx);
    }
    fn on_timeout(&mut self, cx: &mut Context<'_, S>) {
        (**self).on_timeout(cx);
    }
    fn on_error(&mut self, cx: &mut Context<'_, S>, error: &Error) {
        (**self).on_error(cx, error);
    }
    fn on_close(&mut self, cx: &mut Context<'_, S>, reason: CloseReason) {
        (**self).on_close(cx, reason);
    }
}

/// The behaviour of a server. Where every connection is treated alike, a closure given to
/// [`listen`](crate::EventLoop::listen) is shorter.
///
/// The methods are called by the loop alone, as those of [`SocketHandler`].
pub trait ServerHandler<S = ()> {
    /// The server listens, and its address can be asked. It comes in the turn after the call that made the server, or
    /// after the lookup of the name that it listens on.
    fn on_listening(&mut self, cx: &mut LoopContext<'_, S>, server: ServerId) {
        let _ = (cx, server);
    }

    /// A connection was accepted: answers with its handler, or with `None` to refuse it, which closes it without
    /// another word. It already has its id and its options, and can be written to or destroyed here; it comes before
    /// every event of the socket. Its `on_connect` follows.
    fn on_connection(
        &mut self,
        cx: &mut LoopContext<'_, S>,
        accepted: &Accepted,
    ) -> Option<Box<dyn SocketHandler<S>>>;

    /// A connection was closed right after it was accepted, since the server holds
    /// [`max_connections`](crate::ListenOptions::max_connections) already.
    fn on_drop(&mut self, cx: &mut LoopContext<'_, S>, dropped: &Dropped) {
        let _ = (cx, dropped);
    }

    /// Accepting failed, or listening on a name did, in which case the server ends. When the process has run out of descriptors (EMFILE), the server tries again by itself, in
    /// growing intervals and whenever a socket of the loop closes, and this is called once for the whole episode. An
    /// error that does not pass ends the listening; the connections stay, and `on_close` follows the last of them.
    fn on_error(&mut self, cx: &mut LoopContext<'_, S>, error: &Error) {
        let _ = (cx, error);
    }

    /// The server is closed and the last of its sockets has had its `on_close`: exactly once, last of all.
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
    /// Who connected; `None` on Unix sockets.
    pub peer_address: Option<SocketAddr>,
}

/// A connection that a server could not hold.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Dropped {
    /// The server.
    pub server: ServerId,
    /// Where it had connected to; `None` on Unix sockets.
    pub local_address: Option<SocketAddr>,
    /// Who had connected; `None` on Unix sockets.
    pub peer_address: Option<SocketAddr>,
}

/// A closure as the behaviour of a server: it makes the handler of each connection.
pub(super) struct Accept<F>(pub(super) F);

impl<S, F, H> ServerHandler<S> for Accept<F>
where
    F: FnMut(&mut S, &Accepted) -> H,
    H: SocketHandler<S> + 'static,
{
    fn on_connection(
        &mut self,
        cx: &mut LoopContext<'_, S>,
        accepted: &Accepted,
    ) -> Option<Box<dyn SocketHandler<S>>> {
        Some(Box::new((self.0)(cx.shared, accepted)))
    }
}
