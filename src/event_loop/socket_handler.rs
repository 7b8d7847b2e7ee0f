//! The behaviour of a socket, as users write it.

use std::net::SocketAddr;

use crate::net::{CloseReason, Error};

use super::context::Context;

/// The behaviour of one socket. Every method but [`on_data`](Self::on_data) has a default.
///
/// Methods are only ever called by the loop, from the bottom of its stack: never by a call that a handler makes, and
/// never within another callback. A handler may therefore do anything to any socket, itself included.
///
/// # The order of the events
///
/// For each socket they come in this order, which is Node's; `*` is any number of times, `?` at most once:
///
/// `on_lookup`\* `on_connection_attempt…`\* `on_connect`
/// (`on_data` | `on_drain` | `on_sent` | `on_timeout` | `on_timer`)\* `on_end`?
/// (`on_drain` | `on_sent` | `on_timeout` | `on_timer`)\* `on_error`? `on_sent`\* `on_close`
///
/// A connect that fails goes straight to `on_error` and `on_close`. `on_timeout` and `on_timer` may come before
/// `on_connect` too.
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
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the behaviour of a socket: it does not implement `SocketHandler<{S}>`",
    label = "no `SocketHandler<{S}>`",
    note = "`{S}` is the type of the state that the loop shares with its handlers; a handler for every state is \
            `impl<S> SocketHandler<S> for ..`"
)]
pub trait SocketHandler<S = ()> {
    /// The name that is being connected to has led to an address, or to none: once for every address that was found,
    /// with the port that is connected to, before any is tried. Not called where no lookup is needed.
    #[doc(alias = "lookup")]
    fn on_lookup(
        &mut self,
        cx: &mut Context<'_, S>,
        host: &str,
        found: Result<SocketAddr, &Error>,
    ) {
        let _ = (cx, host, found);
    }

    /// An address is being connected to.
    #[doc(alias = "connectionAttempt")]
    fn on_connection_attempt(&mut self, cx: &mut Context<'_, S>, address: SocketAddr) {
        let _ = (cx, address);
    }

    /// An address could not be connected to. If it was the last one, `on_error` follows.
    #[doc(alias = "connectionAttemptFailed")]
    fn on_connection_attempt_failed(
        &mut self,
        cx: &mut Context<'_, S>,
        address: SocketAddr,
        error: &Error,
    ) {
        let _ = (cx, address, error);
    }

    /// An address has not answered within [`attempt_delay`](crate::ConnectOptions::attempt_delay), so that the next
    /// one is tried beside it. Node's `connectionAttemptTimeout` gives the attempt up; here it goes on, and may still
    /// be the one that wins.
    #[doc(alias = "connectionAttemptTimeout")]
    fn on_connection_attempt_slow(&mut self, cx: &mut Context<'_, S>, address: SocketAddr) {
        let _ = (cx, address);
    }

    /// The connection is there: first of all for a socket that connects, and directly after
    /// [`on_connection`](crate::ServerHandler::on_connection) for one that was accepted. What was written before goes
    /// out ahead of what is written here.
    #[doc(alias = "connect")]
    #[doc(alias = "ready")]
    fn on_connect(&mut self, cx: &mut Context<'_, S>) {
        let _ = cx;
    }

    /// Bytes have arrived: at least one, at most as many as the loop's read buffer holds. They are lent for the call.
    /// Not called while the socket is paused.
    #[doc(alias = "data")]
    fn on_data(&mut self, cx: &mut Context<'_, S>, data: &[u8]);

    /// The queue is sent down to the low-water mark, after a write had answered [`Flow::Full`](crate::Flow::Full):
    /// once for all writes that did. Not called any more once this side has ended.
    #[doc(alias = "drain")]
    fn on_drain(&mut self, cx: &mut Context<'_, S>) {
        let _ = cx;
    }

    /// The bytes that were written until [`notify_when_sent`](crate::Socket::notify_when_sent) was called with `token`
    /// are with the kernel, or never will be: `Err` is the socket's error, else ERR_SOCKET_CLOSED, or before there was a
    /// connection ERR_SOCKET_CLOSED_BEFORE_CONNECTION. If one of the writes came after the end of this side, it is
    /// ERR_STREAM_WRITE_AFTER_END. Each token comes once, in the order of the calls, and before `on_close`.
    #[doc(alias = "finish")]
    fn on_sent(&mut self, cx: &mut Context<'_, S>, token: u64, sent: Result<(), &Error>) {
        let _ = (cx, token, sent);
    }

    /// The peer has ended, and all that it sent was delivered. Writing is still allowed. When the call returns, this
    /// side is ended too, unless [`allow_half_open`](crate::SocketOptions::allow_half_open) is set. Not called while
    /// the socket is paused, and not for a peer that reset the connection.
    #[doc(alias = "end")]
    fn on_end(&mut self, cx: &mut Context<'_, S>) {
        let _ = cx;
    }

    /// No byte has moved in either direction for the idle timeout, at least. It comes once, and again only after the
    /// next byte. The default destroys the socket, with [`CloseReason::TimedOut`]; Node only tells, and sockets whose
    /// owner forgot about it leak there. For deadlines of other kinds see [`on_timer`](Self::on_timer).
    #[doc(alias = "timeout")]
    fn on_timeout(&mut self, cx: &mut Context<'_, S>) {
        cx.socket.destroy();
    }

    /// The timer that [`Socket::after`](crate::Socket::after) armed with `token` has come: once, and never early. It does
    /// not come once the socket has closed or its handler was replaced. For a deadline that every byte puts off see
    /// [`on_timeout`](Self::on_timeout).
    #[doc(alias = "setTimeout")]
    fn on_timer(&mut self, cx: &mut Context<'_, S>, token: u64) {
        let _ = (cx, token);
    }

    /// The socket has failed. It comes at most once, and [`on_close`](Self::on_close) directly follows. The default
    /// does nothing, and so an error ends its own socket and nothing else.
    #[doc(alias("error", "errored"))]
    fn on_error(&mut self, cx: &mut Context<'_, S>, error: &Error) {
        let _ = (cx, error);
    }

    /// The socket is closed: exactly once, last of all. The descriptor is gone already; counts, the peer's address and
    /// [`queued_bytes`](crate::Socket::queued_bytes), the bytes that were lost, can still be asked. The handler is
    /// dropped after it.
    #[doc(alias = "close")]
    fn on_close(&mut self, cx: &mut Context<'_, S>, reason: CloseReason) {
        let _ = (cx, reason);
    }

    /// Puts the handler into a box, for code that treats handlers of several types alike. One that is in a box already is
    /// not boxed twice.
    ///
    /// ```
    /// use netloop::{Context, EventLoop, SocketHandler};
    ///
    /// struct Echo;
    /// struct Discard;
    ///
    /// impl SocketHandler for Echo {
    ///     fn on_data(&mut self, cx: &mut Context<'_>, data: &[u8]) {
    ///         let _ = cx.socket.write(data);
    ///     }
    /// }
    /// impl SocketHandler for Discard {
    ///     fn on_data(&mut self, _: &mut Context<'_>, _: &[u8]) {}
    /// }
    ///
    /// let mut event_loop: EventLoop = EventLoop::new()?;
    /// let mut connections = 0;
    /// event_loop.listen("127.0.0.1:0", move |_, _| {
    ///     connections += 1;
    ///     if connections % 2 == 0 { Echo.boxed() } else { Discard.boxed() }
    /// })?;
    /// # Ok::<(), netloop::Error>(())
    /// ```
    fn boxed(self) -> Box<dyn SocketHandler<S>>
    where
        Self: Sized + 'static,
    {
        Box::new(self)
    }
}

/// A box of a handler passes on every event to the handler in it. A method that is missing here is lost for boxed handlers
/// in silence, so `tests/guarantees/boxed_handlers.rs` compares the two lists.
impl<S> SocketHandler<S> for Box<dyn SocketHandler<S>> {
    fn on_lookup(
        &mut self,
        cx: &mut Context<'_, S>,
        host: &str,
        found: Result<SocketAddr, &Error>,
    ) {
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
    fn on_connection_attempt_slow(&mut self, cx: &mut Context<'_, S>, address: SocketAddr) {
        (**self).on_connection_attempt_slow(cx, address);
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
    fn on_sent(&mut self, cx: &mut Context<'_, S>, token: u64, sent: Result<(), &Error>) {
        (**self).on_sent(cx, token, sent);
    }
    fn on_end(&mut self, cx: &mut Context<'_, S>) {
        (**self).on_end(cx);
    }
    fn on_timeout(&mut self, cx: &mut Context<'_, S>) {
        (**self).on_timeout(cx);
    }
    fn on_timer(&mut self, cx: &mut Context<'_, S>, token: u64) {
        (**self).on_timer(cx, token);
    }
    fn on_error(&mut self, cx: &mut Context<'_, S>, error: &Error) {
        (**self).on_error(cx, error);
    }
    fn on_close(&mut self, cx: &mut Context<'_, S>, reason: CloseReason) {
        (**self).on_close(cx, reason);
    }

    fn boxed(self) -> Self {
        self
    }
}
