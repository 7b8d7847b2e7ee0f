//! The behaviour of a socket, which users implement. This file is long because each event is documented for its user.

use std::net::SocketAddr;

use crate::event_loop::contexts::Context;
use crate::event_loop::shutdown::AtShutdown;
use crate::net::{CloseReason, Error};

/// The behaviour of one socket. Every method but [`on_data`](Self::on_data) has a default.
///
/// # The order of the events
///
/// The events of each socket come in this order, which is Node's. `*` means any number of times, `?` at most once:
///
/// ```text
///  a connect:   on_lookup*  on_connection_attempt*  (.._failed*  .._slow*)
///                   │                                     │
///                   │                                     │ no attempt has succeeded
///  connected:   on_connect                                │
///                   │                                     │
///               ┌───┴───────────────────────┐             │
///  open:        │ on_data  on_drain on_sent │*            │
///               │ on_timeout       on_timer │             │
///               └───┬───────────────────┬───┘             │
///                   │ the peer ends     │ a failure,      │
///               on_end?                 │ or a close by   │
///                   │                   │ this side       │
///               ┌───┴───────────────┐   │                 │
///  half-open:   │ on_drain  on_sent │*  │                 │
///               │ on_timeout ..timer│   │                 │
///               └───┬───────────────┘   │                 │
///                   └─────────┬─────────┘                 │
///  closed:                on_error? ◄─────────────────────┘
///                         on_sent*
///                         on_close      exactly once, and last
/// ```
///
/// `on_timeout` and `on_timer` may come before `on_connect` too. `on_connect` comes once more after
/// [`start_filter`](crate::Socket::start_filter). `on_deadline` comes only while the connection is open, and not after
/// this side has ended. `on_shutdown` comes at most once, at any time at which `on_timer` may come.
///
/// # When the methods are called
///
/// Only the loop calls these methods, within [`run`](crate::EventLoop::run) or [`turn`](crate::EventLoop::turn), and
/// from the bottom of its stack. No call that a handler makes leads to a callback.
/// [`EventLoop`](crate::EventLoop#a-turn) has the order of the phases.
///
/// # What a handler may do
///
/// Everything, to any socket, its own included: write, end, destroy, connect, close the server, stop the loop. `cx` and the
/// bytes are lent for one call; an id may be kept. A handler that computes or blocks for long holds up all other sockets:
/// [`on_stall`](crate::EventLoop::on_stall) names it.
///
/// # What it costs
///
/// One indirect call for each event. The bytes that a method writes to its own socket leave together when it returns,
/// and those to other sockets later in the turn. The loop makes one system call for each socket, and no allocation
/// while the kernel takes the bytes.
///
/// # What differs by system
///
/// If a peer ends and then resets, Linux tells of both, by `on_end` and `on_error`; other systems of the reset alone.
///
/// # Panics
///
/// A panic of a method passes through [`turn`](crate::EventLoop::turn) to the host. The host can go on, and the next
/// turn destroys this socket alone. With [`PanicPolicy::Close`](crate::PanicPolicy::Close) the loop goes on by itself.
///
/// # Example
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
    /// The lookup of the name has found an address, or has failed. Comes once for every address found, with the port to
    /// connect to, before any attempt. An address of a [family](crate::ConnectOptions::family) that was not asked for
    /// is left out. Does not come if no lookup is needed. A handler that closes its socket here forbids the attempts:
    /// no server sees a connection, as in Node. A close in
    /// [`on_connection_attempt_failed`](Self::on_connection_attempt_failed) or
    /// [`on_connection_attempt_slow`](Self::on_connection_attempt_slow) forbids the next attempt.
    ///
    /// ```
    /// use std::net::SocketAddr;
    /// use netloop::{Context, Error, SocketHandler};
    ///
    /// struct Client;
    ///
    /// impl SocketHandler for Client {
    ///     fn on_data(&mut self, _: &mut Context<'_>, _: &[u8]) {}
    ///     fn on_lookup(&mut self, _: &mut Context<'_>, host: &str, found: Result<SocketAddr, &Error>) {
    ///         match found {
    ///             Ok(address) => println!("{host} is {address}"),
    ///             Err(error) => println!("{host} is unknown: {error}"),
    ///         }
    ///     }
    /// }
    /// ```
    #[doc(alias = "lookup")]
    fn on_lookup(
        &mut self,
        cx: &mut Context<'_, S>,
        host: &str,
        found: Result<SocketAddr, &Error>,
    ) {
        let _ = (cx, host, found);
    }

    /// An attempt to connect to an address begins. The kernel is asked to connect after this call, and not at all if the
    /// handler closes its socket. Does not come for a path.
    #[doc(alias = "connectionAttempt")]
    fn on_connection_attempt(&mut self, cx: &mut Context<'_, S>, address: SocketAddr) {
        let _ = (cx, address);
    }

    /// An attempt to connect to an address has failed. If no other attempt is left, `on_error` follows.
    #[doc(alias = "connectionAttemptFailed")]
    fn on_connection_attempt_failed(
        &mut self,
        cx: &mut Context<'_, S>,
        address: SocketAddr,
        error: &Error,
    ) {
        let _ = (cx, address, error);
    }

    /// An address has not answered within [`attempt_delay`](crate::ConnectOptions::attempt_delay), so the next address
    /// is tried in parallel. Node gives the slow attempt up (`connectionAttemptTimeout`); here it goes on, and may
    /// still become the connection.
    #[doc(alias = "connectionAttemptTimeout")]
    fn on_connection_attempt_slow(&mut self, cx: &mut Context<'_, S>, address: SocketAddr) {
        let _ = (cx, address);
    }

    /// The connection is established. For an accepted socket, this comes directly after
    /// [`on_connection`](crate::ServerHandler::on_connection). It does not come for an
    /// [adopted](crate::EventLoop::adopt) socket. It comes once more when a filter of
    /// [`start_filter`](crate::Socket::start_filter) is ready. Bytes written earlier leave before those of this method.
    ///
    /// ```
    /// use netloop::{Context, SocketHandler};
    ///
    /// /// Greets its peer, whether it was accepted or has connected.
    /// struct Greet;
    ///
    /// impl SocketHandler for Greet {
    ///     fn on_connect(&mut self, cx: &mut Context<'_>) {
    ///         writeln!(cx.socket, "hello, {:?}", cx.socket.peer_address());
    ///     }
    ///     fn on_data(&mut self, _: &mut Context<'_>, _: &[u8]) {}
    /// }
    /// ```
    #[doc(alias = "connect")]
    #[doc(alias = "ready")]
    fn on_connect(&mut self, cx: &mut Context<'_, S>) {
        let _ = cx;
    }

    /// Bytes have arrived: at least one, and at most as many as the loop's read buffer holds. `data` is only lent for
    /// this call. Does not come while the socket is paused.
    ///
    /// ```
    /// use netloop::{Context, SocketHandler};
    ///
    /// /// Answers each frame of two bytes with their sum. A frame may come in two parts, and several at once.
    /// #[derive(Default)]
    /// struct Sums {
    ///     begun: Vec<u8>,
    /// }
    ///
    /// impl SocketHandler for Sums {
    ///     fn on_data(&mut self, cx: &mut Context<'_>, data: &[u8]) {
    ///         self.begun.extend_from_slice(data);
    ///         let mut frames = self.begun.chunks_exact(2);
    ///         for frame in &mut frames {
    ///             writeln!(cx.socket, "{}", u16::from(frame[0]) + u16::from(frame[1]));
    ///         }
    ///         self.begun = frames.remainder().to_vec();
    ///     }
    /// }
    /// ```
    #[doc(alias = "data")]
    fn on_data(&mut self, cx: &mut Context<'_, S>, data: &[u8]);

    /// The queue has shrunk to the low watermark, after a write had answered [`Flow::Full`](crate::Flow::Full). Comes
    /// once for all such writes, and not after this side has ended.
    #[doc(alias = "drain")]
    fn on_drain(&mut self, cx: &mut Context<'_, S>) {
        let _ = cx;
    }

    /// The kernel has taken all bytes that were written before the call of
    /// [`notify_when_sent`](crate::Socket::notify_when_sent) with `token`, or never will. In the second case, `sent`
    /// has the socket's error. If there is none, it has ERR_STREAM_WRITE_AFTER_END for a write after the end of this
    /// side, ERR_SOCKET_CLOSED_BEFORE_CONNECTION without a connection, and otherwise ERR_SOCKET_CLOSED. Each token
    /// comes once, in the order of the calls, before `on_close`.
    ///
    /// ```
    /// use netloop::{Context, Error, SocketHandler};
    ///
    /// /// A file is removed once the kernel has all of it.
    /// struct Download;
    ///
    /// impl SocketHandler for Download {
    ///     fn on_connect(&mut self, cx: &mut Context<'_>) {
    ///         cx.socket.write(&[0; 100_000]).ignore();
    ///         cx.socket.notify_when_sent(7);
    ///     }
    ///     fn on_data(&mut self, _: &mut Context<'_>, _: &[u8]) {}
    ///     fn on_sent(&mut self, _: &mut Context<'_>, token: u64, sent: Result<(), &Error>) {
    ///         match sent {
    ///             Ok(()) => println!("file {token} can go"),
    ///             Err(error) => println!("file {token} stays: {error}"),
    ///         }
    ///     }
    /// }
    /// ```
    #[doc(alias = "finish")]
    fn on_sent(&mut self, cx: &mut Context<'_, S>, token: u64, sent: Result<(), &Error>) {
        let _ = (cx, token, sent);
    }

    /// The peer has ended, and everything that it sent was delivered. This side may still write here. When this method
    /// returns, the loop ends this side too, unless [`allow_half_open`](crate::SocketOptions::allow_half_open) is set.
    /// While the socket is paused, this comes only if no byte is unread, and this side has ended or failed. A reset is
    /// no end, but a peer that has ended may answer a later write with a reset. Where the system tells of both (Linux),
    /// `on_end` comes after the last byte, then `on_error` and `on_close`. Writes in such an `on_end` answer
    /// [`Flow::Closed`](crate::Flow::Closed).
    ///
    /// ```
    /// use netloop::{Context, SocketHandler};
    ///
    /// /// Counts bytes. The answer is sent after the peer's end.
    /// #[derive(Default)]
    /// struct Count(usize);
    ///
    /// impl SocketHandler for Count {
    ///     fn on_data(&mut self, _: &mut Context<'_>, data: &[u8]) {
    ///         self.0 += data.len();
    ///     }
    ///     fn on_end(&mut self, cx: &mut Context<'_>) {
    ///         // The loop ends this side after these bytes.
    ///         writeln!(cx.socket, "{}", self.0);
    ///     }
    /// }
    /// ```
    #[doc(alias = "end")]
    fn on_end(&mut self, cx: &mut Context<'_, S>) {
        let _ = cx;
    }

    /// No byte has moved in either direction for at least the idle timeout. Comes once, and again only after a byte,
    /// the peer's end, or a call of [`set_idle_timeout`](crate::Socket::set_idle_timeout). The default destroys the
    /// socket, with [`CloseReason::TimedOut`]. Node only reports the timeout, and leaks sockets whose program ignores
    /// it. For other deadlines see [`on_deadline`](Self::on_deadline) and [`on_timer`](Self::on_timer).
    ///
    /// ```
    /// use std::time::Duration;
    /// use netloop::{Context, SocketHandler};
    ///
    /// /// Asks a silent peer once whether it is there, and closes when it stays silent.
    /// #[derive(Default)]
    /// struct Session {
    ///     has_asked: bool,
    /// }
    ///
    /// impl SocketHandler for Session {
    ///     fn on_connect(&mut self, cx: &mut Context<'_>) {
    ///         cx.socket.set_idle_timeout(Duration::from_secs(60));
    ///     }
    ///     fn on_data(&mut self, _: &mut Context<'_>, _: &[u8]) {
    ///         self.has_asked = false;
    ///     }
    ///     fn on_timeout(&mut self, cx: &mut Context<'_>) {
    ///         match self.has_asked {
    ///             true => cx.socket.destroy(),
    ///             // A byte in either direction begins the time anew.
    ///             false => cx.socket.write(b"ping\n").ignore(),
    ///         }
    ///         self.has_asked = true;
    ///     }
    /// }
    /// ```
    #[doc(alias = "timeout")]
    fn on_timeout(&mut self, cx: &mut Context<'_, S>) {
        cx.socket.destroy();
    }

    /// The [deadline](crate::Socket::set_deadline) of the socket has passed, and the socket is about to fail. A last answer
    /// can leave here, with [`end_with`](crate::Socket::end_with). The default does nothing.
    ///
    /// When this method returns, the socket fails with ETIMEDOUT and closes with [`CloseReason::TimedOut`]. It does not
    /// fail if the handler has ended this side, closed the socket, set another deadline or lifted this one. After an
    /// end, the [`close_timeout`](crate::SocketOptions::close_timeout) and the
    /// [`linger_timeout`](crate::Limits::linger_timeout) limit the rest. An answer without an end leaves, and a RST
    /// follows at once: a TCP peer may lose the answer.
    ///
    /// Comes only while the connection is open and this side has not ended. Otherwise the socket fails without this
    /// call. So a deadline that is set together with a last answer is final.
    ///
    /// ```
    /// use std::time::Duration;
    /// use netloop::{Context, SocketHandler};
    ///
    /// /// Tells a client that was too slow, and gives it five seconds to read that.
    /// struct Session;
    ///
    /// impl SocketHandler for Session {
    ///     fn on_connect(&mut self, cx: &mut Context<'_>) {
    ///         cx.socket.set_deadline(Duration::from_secs(30));
    ///     }
    ///     fn on_data(&mut self, _: &mut Context<'_>, _: &[u8]) {}
    ///     fn on_deadline(&mut self, cx: &mut Context<'_>) {
    ///         cx.socket.end_with(b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n").ignore();
    ///         cx.socket.set_deadline(Duration::from_secs(5));
    ///     }
    /// }
    /// ```
    #[doc(alias("clientError", "requestTimeout"))]
    fn on_deadline(&mut self, cx: &mut Context<'_, S>) {
        let _ = cx;
    }

    /// The timer that [`Socket::after`](crate::Socket::after) armed with `token` has fired. Comes once, never early,
    /// and not after the socket has closed or its handler was replaced. For a deadline that every byte puts off see
    /// [`on_timeout`](Self::on_timeout).
    ///
    /// ```
    /// use std::time::Duration;
    /// use netloop::{Context, SocketHandler};
    ///
    /// const HEARTBEAT: u64 = 1;
    ///
    /// struct Link;
    ///
    /// impl SocketHandler for Link {
    ///     fn on_connect(&mut self, cx: &mut Context<'_>) {
    ///         cx.socket.after(Duration::from_secs(20), HEARTBEAT);
    ///     }
    ///     fn on_data(&mut self, _: &mut Context<'_>, _: &[u8]) {}
    ///     fn on_timer(&mut self, cx: &mut Context<'_>, token: u64) {
    ///         if token == HEARTBEAT {
    ///             cx.socket.write(b"beat\n").ignore();
    ///             cx.socket.after(Duration::from_secs(20), HEARTBEAT);
    ///         }
    ///     }
    /// }
    /// ```
    #[doc(alias = "setTimeout")]
    fn on_timer(&mut self, cx: &mut Context<'_, S>, token: u64) {
        let _ = (cx, token);
    }

    /// The loop or the server of the socket [shuts down](crate::EventLoop::shutdown). Comes at most once, after all
    /// bytes that had arrived when the shutdown began. A paused socket is asked too, once its queue is empty or its
    /// peer has ended. The default answers [`AtShutdown::End`]: queued bytes are sent, and then this side ends. That
    /// suits a protocol whose handler writes the whole response within `on_data`. A handler with a request in work
    /// answers [`AtShutdown::Keep`], and [ends](crate::Socket::end) the socket itself after the response.
    ///
    /// ```
    /// use netloop::{AtShutdown, Context, SocketHandler};
    ///
    /// struct Session {
    ///     requests_in_work: usize,
    ///     ends: bool,
    /// }
    ///
    /// impl SocketHandler for Session {
    ///     fn on_data(&mut self, _: &mut Context<'_>, _: &[u8]) {
    ///         self.requests_in_work += 1;
    ///         // Elsewhere, the response: if it was the last one and `self.ends`, `cx.socket.end()`.
    ///     }
    ///     fn on_shutdown(&mut self, _: &mut Context<'_>) -> AtShutdown {
    ///         self.ends = true;
    ///         match self.requests_in_work {
    ///             0 => AtShutdown::End,
    ///             _ => AtShutdown::Keep,
    ///         }
    ///     }
    /// }
    /// ```
    #[doc(alias = "closeIdleConnections")]
    fn on_shutdown(&mut self, cx: &mut Context<'_, S>) -> AtShutdown {
        let _ = cx;
        AtShutdown::End
    }

    /// The socket has failed. Comes at most once, and only `on_sent` may come between it and
    /// [`on_close`](Self::on_close). The default does nothing, so an error ends its own socket and nothing else.
    ///
    /// ```
    /// use netloop::{Context, Error, SocketHandler};
    ///
    /// struct Client;
    ///
    /// impl SocketHandler for Client {
    ///     fn on_data(&mut self, _: &mut Context<'_>, _: &[u8]) {}
    ///     fn on_error(&mut self, _: &mut Context<'_>, error: &Error) {
    ///         match error.code() {
    ///             "ECONNREFUSED" => eprintln!("the server is down"),
    ///             // Node's line, and a hint for the commoner errors.
    ///             _ => eprintln!("{error:#}"),
    ///         }
    ///     }
    /// }
    /// ```
    #[doc(alias("error", "errored"))]
    fn on_error(&mut self, cx: &mut Context<'_, S>, error: &Error) {
        let _ = (cx, error);
    }

    /// The socket is closed. Comes exactly once, as the last event, unless the loop is dropped before. The descriptor
    /// is closed already. The counts, the peer's address and the number of lost bytes
    /// ([`queued_bytes`](crate::Socket::queued_bytes)) are still available. Afterwards the loop drops the handler.
    ///
    /// ```
    /// use std::collections::HashSet;
    /// use netloop::{CloseReason, Context, SocketHandler, SocketId};
    ///
    /// /// A member of a room, which it leaves however its connection ends.
    /// struct Member;
    ///
    /// impl SocketHandler<HashSet<SocketId>> for Member {
    ///     fn on_connect(&mut self, cx: &mut Context<'_, HashSet<SocketId>>) {
    ///         cx.shared.insert(cx.socket.id());
    ///     }
    ///     fn on_data(&mut self, _: &mut Context<'_, HashSet<SocketId>>, _: &[u8]) {}
    ///     fn on_close(&mut self, cx: &mut Context<'_, HashSet<SocketId>>, reason: CloseReason) {
    ///         cx.shared.remove(&cx.socket.id());
    ///         println!("{:?} has left: {reason:?}, {} read", cx.socket.peer_address(), cx.socket.bytes_read());
    ///     }
    /// }
    /// ```
    #[doc(alias = "close")]
    fn on_close(&mut self, cx: &mut Context<'_, S>, reason: CloseReason) {
        let _ = (cx, reason);
    }

    /// Puts the handler into a box, for code that treats handlers of several types alike. A handler that is in a box
    /// already is not boxed twice.
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

/// A box of a handler passes every event on to the handler inside. A method that is missing here would silently not
/// reach boxed handlers, so `tests/guarantees/boxed_handlers.rs` compares these methods with the trait's.
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
    fn on_deadline(&mut self, cx: &mut Context<'_, S>) {
        (**self).on_deadline(cx);
    }
    fn on_timer(&mut self, cx: &mut Context<'_, S>, token: u64) {
        (**self).on_timer(cx, token);
    }
    fn on_shutdown(&mut self, cx: &mut Context<'_, S>) -> AtShutdown {
        (**self).on_shutdown(cx)
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
