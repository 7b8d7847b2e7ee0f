//! The methods of a socket's view that arm and cancel the socket's timers, and its deadline.

use std::time::{Duration, Instant};

use super::Socket;

/// The deadline, and the rate of the peer.
impl Socket<'_> {
    /// Sets the deadline of the socket: after this time from now, the socket closes. No byte extends it. Each call
    /// replaces the deadline, and `None` lifts it. At first there is none. An idle timeout does not protect against a
    /// peer that sends a byte now and then. A server sets one deadline for each whole request:
    ///
    /// ```
    /// use std::time::Duration;
    /// use netloop::{Context, SocketHandler};
    ///
    /// /// A request is a line. Its peer has 30 seconds for it, and as long as it likes between two requests.
    /// #[derive(Default)]
    /// struct Session {
    ///     line: Vec<u8>,
    /// }
    ///
    /// impl SocketHandler for Session {
    ///     fn on_data(&mut self, cx: &mut Context<'_>, data: &[u8]) {
    ///         if self.line.is_empty() {
    ///             cx.socket.set_deadline(Duration::from_secs(30));
    ///         }
    ///         self.line.extend_from_slice(data);
    ///         if self.line.ends_with(b"\n") {
    ///             cx.socket.set_deadline(None);
    ///             self.line.clear();
    ///             cx.socket.write(b"done\n").ignore();
    ///         }
    ///     }
    /// }
    /// ```
    ///
    /// At the deadline, the bytes that have arrived are delivered first, and `on_data` may still set another deadline.
    /// Then [`on_deadline`](crate::SocketHandler::on_deadline) comes, if the socket is open and this side has not
    /// ended. It may send a last answer and end this side, or change the deadline. Otherwise `on_error` gets ETIMEDOUT,
    /// and the socket closes with [`CloseReason::TimedOut`](crate::CloseReason::TimedOut): with a RST to a TCP peer if
    /// this side has not ended. The deadline also counts while the socket is connecting or paused, and stays when the
    /// handler is replaced. It does not keep [`run`](crate::EventLoop::run) going.
    #[doc(alias("requestTimeout", "setTimeout"))]
    pub fn set_deadline(&mut self, after: impl Into<Option<Duration>>) {
        let after = after.into();
        self.net.request_now(self.id, |connection, registration| {
            connection.set_deadline(after, registration);
        });
    }

    /// Returns the time of the [deadline](Self::set_deadline), if there is one within the range of the clock.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.net.deadline_of(self.id)
    }

    /// Says whether bytes of the peer are expected. While they are, the peer must send them at the [least
    /// rate](crate::Limits::min_receive_rate). Without such a limit, the call does nothing. Only the program knows when
    /// a message is under way: a server expects bytes from a request's first byte to its last. The grace of the rate
    /// begins with the call; a further `true` changes nothing. The times of a pause and of connecting do not count.
    pub fn expect_bytes(&mut self, expects: bool) {
        self.net.request_now(self.id, |connection, registration| {
            connection.expect_bytes(expects, registration);
        });
    }
}

/// Timers.
impl Socket<'_> {
    /// Arms a timer: [`on_timer`](crate::SocketHandler::on_timer) comes with `token`, once, when at least `after` has
    /// passed. If `token` is armed already, its timer is moved: it counts from this call.
    ///
    /// The loop drops the timers of a socket as soon as it closes or its handler is replaced. None of them keeps
    /// [`run`](crate::EventLoop::run) going. Without memory for a timer, the socket fails with ENOMEM. The process
    /// aborts without memory for the map of the tokens, and may abort without memory for a moved timer. To notice a
    /// silent peer, no timer is needed: the [idle timeout](Self::set_idle_timeout) counts from the last byte.
    ///
    /// ```
    /// use std::time::Duration;
    /// use netloop::{Context, SocketHandler};
    ///
    /// /// A peer has five seconds to say the first word, and is then asked every minute whether it is there.
    /// struct Session;
    ///
    /// const GREETING: u64 = 0;
    /// const PING: u64 = 1;
    ///
    /// impl SocketHandler for Session {
    ///     fn on_connect(&mut self, cx: &mut Context<'_>) {
    ///         cx.socket.after(Duration::from_secs(5), GREETING);
    ///     }
    ///     fn on_data(&mut self, cx: &mut Context<'_>, _: &[u8]) {
    ///         cx.socket.cancel(GREETING);
    ///         cx.socket.after(Duration::from_secs(60), PING);
    ///     }
    ///     fn on_timer(&mut self, cx: &mut Context<'_>, token: u64) {
    ///         match token {
    ///             PING => {
    ///                 writeln!(cx.socket, "PING");
    ///                 cx.socket.after(Duration::from_secs(60), PING);
    ///             }
    ///             _ => cx.socket.destroy(),
    ///         }
    ///     }
    /// }
    /// ```
    #[doc(alias = "setTimeout")]
    pub fn after(&mut self, after: Duration, token: u64) {
        self.net.arm_socket_timer(self.id, after, token);
    }

    /// Cancels the timer with `token`. Returns whether the timer was still armed.
    ///
    /// ```
    /// use netloop::{Context, SocketHandler};
    /// use std::time::Duration;
    ///
    /// const ANSWER: u64 = 1;
    ///
    /// struct Client;
    ///
    /// impl SocketHandler for Client {
    ///     fn on_connect(&mut self, cx: &mut Context<'_>) {
    ///         cx.socket.write(b"question\n").ignore();
    ///         cx.socket.after(Duration::from_secs(5), ANSWER);
    ///     }
    ///     fn on_data(&mut self, cx: &mut Context<'_>, _: &[u8]) {
    ///         cx.socket.cancel(ANSWER);
    ///     }
    ///     fn on_timer(&mut self, cx: &mut Context<'_>, _: u64) {
    ///         cx.socket.destroy();
    ///     }
    /// }
    /// ```
    #[doc(alias = "clearTimeout")]
    pub fn cancel(&mut self, token: u64) -> bool {
        self.net.cancel_socket_timer(self.id, token)
    }
}
