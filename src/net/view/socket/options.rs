//! The settings of a socket that exists already.

use std::time::Duration;

use crate::net::connection::Connection;
use crate::net::core::check_keep_alive;
use crate::net::error::{Error, Result, Syscall};
use crate::net::values::{KeepAlive, SocketSettings};

use super::Socket;

/// Reading, and keeping the loop going.
impl Socket<'_> {
    /// Stops reading: `on_data` and `on_end` do not come until [`resume`](Self::resume). Pausing makes no system call.
    /// The idle timeout goes on. The [`close_timeout`](crate::SocketOptions::close_timeout) stops, with two exceptions
    /// that its description names.
    ///
    /// A failure, such as a reset by the peer, is reported at once if no received bytes are unread and the peer had not
    /// ended. Otherwise the socket holds the failure, and [`is_peer_gone`](Self::is_peer_gone) tells of it. After
    /// `resume`, the bytes come first, then `on_end` if the peer had ended before, then `on_error` and `on_close`. The
    /// [`unread_timeout`](crate::SocketOptions::unread_timeout) limits the wait. Windows discards the bytes at a reset.
    /// If this side has ended, and the peer ends while no bytes are unread, `on_end` comes in spite of the pause. Then
    /// the socket closes.
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
    pub fn pause(&mut self) {
        self.net.request(self.id, Connection::pause);
    }

    /// Reads again, but not within this call. Bytes that arrived during the pause are not lost.
    ///
    /// ```
    /// use netloop::{Context, SocketHandler};
    /// use std::time::Duration;
    ///
    /// /// Takes at most one piece of input a second.
    /// struct Slow;
    ///
    /// impl SocketHandler for Slow {
    ///     fn on_data(&mut self, cx: &mut Context<'_>, _: &[u8]) {
    ///         cx.socket.pause();
    ///         cx.socket.after(Duration::from_secs(1), 0);
    ///     }
    ///     fn on_timer(&mut self, cx: &mut Context<'_>, _: u64) {
    ///         cx.socket.resume();
    ///     }
    /// }
    /// ```
    pub fn resume(&mut self) {
        self.net.resume(self.id);
    }

    /// Gives received bytes back. `on_data` delivers them again, on a fresh stack, before all later bytes and the end,
    /// but not during a pause. They go to the handler or [pipe](crate::LoopContext::pipe_both) that is there by then.
    ///
    /// As in Node, a further call puts its bytes before those of an earlier one. Nothing is read before all of these
    /// bytes are delivered, so a peer cannot make them grow. The bytes are counted as read once, and are no activity.
    /// Without a pause, the same bytes come again at once. So a handler that waits for the rest of a message has to
    /// store the first part itself. Returns `false` if the socket cannot have received the bytes: it is not open yet,
    /// or is closed, or the peer's end was reported already. Without memory for the bytes, the socket fails.
    ///
    /// ```
    /// use netloop::{Context, SocketHandler};
    /// use std::time::Duration;
    ///
    /// /// Takes one line a second, however many come at once.
    /// #[derive(Default)]
    /// struct Slow {
    ///     line: Vec<u8>,
    /// }
    ///
    /// impl SocketHandler for Slow {
    ///     fn on_data(&mut self, cx: &mut Context<'_>, data: &[u8]) {
    ///         let Some(end) = data.iter().position(|&byte| byte == b'\n') else {
    ///             return self.line.extend_from_slice(data);
    ///         };
    ///         let (rest_of_line, later) = data.split_at(end + 1);
    ///         self.line.extend_from_slice(rest_of_line);
    ///         cx.socket.write(&self.line).ignore();
    ///         self.line.clear();
    ///         cx.socket.unread(later);
    ///         cx.socket.pause();
    ///         cx.socket.after(Duration::from_secs(1), 0);
    ///     }
    ///     fn on_timer(&mut self, cx: &mut Context<'_>, _: u64) {
    ///         cx.socket.resume();
    ///     }
    /// }
    /// ```
    #[doc(alias = "unshift")]
    pub fn unread(&mut self, bytes: &[u8]) -> bool {
        self.net.give_back(self.id, bytes)
    }

    /// Makes the open socket keep [`run`](crate::EventLoop::run) going, the default until [`release`](Self::release).
    #[doc(alias = "ref")]
    pub fn hold(&mut self) {
        self.net.hold(self.id.0);
    }

    /// Allows [`run`](crate::EventLoop::run) to return while the socket is open. A second call has no further effect.
    ///
    /// As in Node, `run` still goes on while the socket connects or exchanges the bytes of a handshake. It also goes on
    /// for unsent bytes or an unsent end: no written byte is dropped. A peer that never reads could keep `run` going
    /// for ever. Each of these prevents it: a [`write_stall_timeout`](crate::Limits::write_stall_timeout), a
    /// [`min_send_rate`](crate::Limits::min_send_rate), an [`idle_timeout`](crate::SocketOptions::idle_timeout), a
    /// [deadline](Self::set_deadline) and, after [`end`](crate::Socket::end), a `close_timeout`.
    ///
    /// Bytes that a [`cork`](crate::Socket::cork) holds back do not keep `run` going, because no event need come in
    /// which the program could call `uncork`. If the loop is dropped then, they are lost, as when a Node process ends.
    ///
    /// ```
    /// use netloop::{Context, SocketHandler};
    ///
    /// /// A connection to a log server, which is no reason for the program to go on.
    /// struct Log;
    ///
    /// impl SocketHandler for Log {
    ///     fn on_connect(&mut self, cx: &mut Context<'_>) {
    ///         cx.socket.release();
    ///     }
    ///     fn on_data(&mut self, _: &mut Context<'_>, _: &[u8]) {}
    /// }
    /// ```
    #[doc(alias = "unref")]
    pub fn release(&mut self) {
        self.net.release(self.id.0);
    }

    /// Whether the socket keeps [`run`](crate::EventLoop::run) going.
    #[doc(alias = "hasRef")]
    pub fn is_held(&self) -> bool {
        self.net.is_held(self.id.0)
    }
}

/// Settings, whose first values come from the [`SocketOptions`](crate::SocketOptions).
impl Socket<'_> {
    /// Sets the idle timeout: `on_timeout` comes when no byte has moved in either direction for this time. With `None`
    /// or zero, it never comes.
    ///
    /// The time counts from this call. `on_timeout` comes once, and again only after the next byte, the peer's end or a
    /// further call. A queued write that the peer does not take is no activity. As in Node, a byte counts from the
    /// clock reading at the beginning of its turn. So a write at the end of a long callback counts from before the
    /// callback. Like a byte, a call also puts off the [close timeout](crate::Limits::close_timeout) and the [half-open
    /// timeout](crate::Limits::half_open_timeout), but not the [linger timeout](crate::Limits::linger_timeout) or a
    /// [deadline](Self::set_deadline).
    ///
    /// ```
    /// use std::time::Duration;
    /// use netloop::{Context, SocketHandler};
    ///
    /// struct Patient;
    ///
    /// impl SocketHandler for Patient {
    ///     fn on_connect(&mut self, cx: &mut Context<'_>) {
    ///         cx.socket.set_idle_timeout(Duration::from_secs(60));
    ///     }
    ///     fn on_data(&mut self, _: &mut Context<'_>, _: &[u8]) {}
    ///     fn on_timeout(&mut self, cx: &mut Context<'_>) {
    ///         // The default destroys the socket instead.
    ///         writeln!(cx.socket, "are you still there?");
    ///     }
    /// }
    /// ```
    #[doc(alias = "setTimeout")]
    pub fn set_idle_timeout(&mut self, timeout: impl Into<Option<Duration>>) {
        let timeout = timeout.into();
        self.net.request_now(self.id, |connection, registration| {
            connection.set_idle_timeout(timeout, registration);
        });
    }

    /// Returns the idle timeout.
    #[doc(alias = "timeout")]
    pub fn idle_timeout(&self) -> Option<Duration> {
        self.connection().and_then(Connection::idle_timeout)
    }

    /// Sets TCP_NODELAY, at once or when the socket is connected. No effect on a socket that is not TCP, or is gone.
    ///
    /// # Errors
    ///
    /// The error of `setsockopt(2)`.
    #[doc(alias = "setNoDelay")]
    pub fn set_no_delay(&mut self, on: bool) -> Result<()> {
        self.set_option(|connection| connection.set_no_delay(on))
    }

    /// Whether TCP_NODELAY was set by the options or by [`set_no_delay`](Self::set_no_delay). The system is not asked.
    /// `false` for a socket that is not TCP.
    pub fn no_delay(&self) -> bool {
        self.connection().is_some_and(Connection::no_delay)
    }

    /// Sets SO_KEEPALIVE with its times, or switches it off with `None`, at once or when the socket is connected. The
    /// call has no effect on a socket that is not TCP, or is gone.
    ///
    /// ```
    /// use netloop::{Context, KeepAlive, SocketHandler};
    /// use std::time::Duration;
    ///
    /// struct Session;
    ///
    /// impl SocketHandler for Session {
    ///     fn on_connect(&mut self, cx: &mut Context<'_>) {
    ///         // A peer that has vanished is found within 60 + 3 * 10 seconds.
    ///         let keep_alive = KeepAlive::after(Duration::from_secs(60)).interval(Duration::from_secs(10)).probes(3);
    ///         if let Err(error) = cx.socket.set_keep_alive(keep_alive) {
    ///             eprintln!("{error}");
    ///         }
    ///     }
    ///     fn on_data(&mut self, _: &mut Context<'_>, _: &[u8]) {}
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// `ERR_INVALID_ARGUMENT` if a value is out of its range ([`KeepAlive`] has the ranges), and then no value is set.
    /// Otherwise the error of `setsockopt(2)`.
    #[doc(alias = "setKeepAlive")]
    pub fn set_keep_alive(&mut self, keep_alive: impl Into<Option<KeepAlive>>) -> Result<()> {
        let keep_alive = keep_alive.into();
        check_keep_alive(keep_alive)?;
        self.set_option(|connection| connection.set_keep_alive(keep_alive))
    }

    /// Returns the keep-alive that was set by the options, by the limits or by
    /// [`set_keep_alive`](Self::set_keep_alive). The system is not asked. `None` for a socket that is not TCP.
    pub fn keep_alive(&self) -> Option<KeepAlive> {
        self.connection().and_then(Connection::keep_alive)
    }

    /// Sets the type of service (IP_TOS) or traffic class (IPV6_TCLASS), at once or when the socket is connected. The
    /// two lowest bits belong to congestion control, and the system may leave them unchanged.
    ///
    /// # Errors
    ///
    /// The error of `setsockopt(2)`.
    #[doc(alias = "setTypeOfService")]
    pub fn set_type_of_service(&mut self, value: u8) -> Result<()> {
        self.set_option(|connection| connection.set_type_of_service(value))
    }

    /// Returns the type of service or traffic class that the system reports. Before there is a connection and after the
    /// close, returns the value that was set before the connection.
    #[doc(alias = "getTypeOfService")]
    pub fn type_of_service(&self) -> Option<u8> {
        self.connection().and_then(Connection::type_of_service)
    }

    fn set_option(
        &mut self,
        set: impl FnOnce(&mut Connection) -> std::io::Result<()>,
    ) -> Result<()> {
        self.net
            .with_connection(self.id, |connection, _, _| set(connection))
            .unwrap_or(Ok(()))
            .map_err(|error| Error::new(Syscall::SetOption, error))
    }
}

/// Options that are fixed when the socket is made. For a socket that is gone, the getters return `false`, 0 or `None`.
impl Socket<'_> {
    /// Whether this side stays open after the peer's end ([`allow_half_open`](crate::SocketOptions::allow_half_open)).
    #[doc(alias = "allowHalfOpen")]
    pub fn allows_half_open(&self) -> bool {
        self.settings().is_some_and(|it| it.allow_half_open)
    }

    /// Returns the high watermark in bytes: a write answers [`Flow::Full`](crate::Flow::Full) if at least so many are
    /// queued ([`high_water_mark`](crate::SocketOptions::high_water_mark)).
    #[doc(alias = "writableHighWaterMark")]
    pub fn high_water_mark(&self) -> usize {
        self.settings().map_or(0, |it| it.high_water_mark)
    }

    /// Returns the low watermark in bytes: `on_drain` comes when the queue has shrunk to it
    /// ([`low_water_mark`](crate::SocketOptions::low_water_mark)).
    pub fn low_water_mark(&self) -> usize {
        self.settings()
            .map_or(0, |it| it.low_water_mark.min(it.high_water_mark))
    }

    /// Returns the limit on queued bytes ([`max_queued_bytes`](crate::SocketOptions::max_queued_bytes)). A write that
    /// would pass the limit closes the socket with an error, unless the queue is empty.
    pub fn max_queued_bytes(&self) -> usize {
        self.settings().map_or(0, |it| it.limits.max_queued_bytes)
    }

    /// Returns the [`close_timeout`](crate::SocketOptions::close_timeout), counted from this side's [end](Self::end).
    pub fn close_timeout(&self) -> Option<Duration> {
        self.settings().and_then(|it| it.limits.close_timeout)
    }

    /// Returns the [`unread_timeout`](crate::SocketOptions::unread_timeout): how long a paused socket holds a failure.
    pub fn unread_timeout(&self) -> Option<Duration> {
        self.settings().and_then(|it| it.unread_timeout)
    }

    fn settings(&self) -> Option<&SocketSettings> {
        self.connection().map(Connection::settings)
    }
}
