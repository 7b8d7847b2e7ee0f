//! The answers of a socket: the result of a write, its state, and the reason of its close.

/// The answer to a write: whether the bytes were accepted, and whether the caller should write more.
///
/// `Flow` is the boolean of Node's `write`, with two more answers for writes that were refused.
///
/// ```
/// use netloop::{Context, Flow, SocketHandler};
///
/// /// Sends numbers for as long as the peer reads them.
/// struct Numbers(u64);
///
/// impl Numbers {
///     fn send(&mut self, cx: &mut Context<'_>) {
///         loop {
///             match writeln!(cx.socket, "{}", self.0) {
///                 Flow::Open => self.0 += 1,
///                 // The number is queued. `on_drain` goes on.
///                 Flow::Full => return self.0 += 1,
///                 // `on_close` comes, or has come.
///                 Flow::Ended | Flow::Closed => return,
///             }
///         }
///     }
/// }
///
/// impl SocketHandler for Numbers {
///     fn on_connect(&mut self, cx: &mut Context<'_>) {
///         self.send(cx);
///     }
///     fn on_data(&mut self, _: &mut Context<'_>, _: &[u8]) {}
///     fn on_drain(&mut self, cx: &mut Context<'_>) {
///         self.send(cx);
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flow {
    /// The bytes were accepted, and the queue has capacity for more.
    Open,
    /// The bytes were accepted, and the queued bytes have reached the high watermark.
    /// [`on_drain`](crate::SocketHandler::on_drain) reports when to write again. Writes before that are accepted too,
    /// up to [`max_queued_bytes`](crate::SocketOptions::max_queued_bytes).
    Full,
    /// The bytes were refused, because this side has ended, for instance by [`Socket::end`](crate::Socket::end). The
    /// queued bytes are still sent, and the refusal does not change the close.
    Ended,
    /// The bytes were refused: the socket is closed or gone, or its connection has failed. If this very write has
    /// failed, the kernel may have taken a part of its bytes.
    Closed,
}

impl Flow {
    /// Whether the bytes were accepted.
    ///
    /// ```
    /// use netloop::Flow;
    ///
    /// assert!(Flow::Open.is_accepted() && Flow::Full.is_accepted());
    /// assert!(!Flow::Ended.is_accepted() && !Flow::Closed.is_accepted());
    /// ```
    pub fn is_accepted(self) -> bool {
        matches!(self, Self::Open | Self::Full)
    }

    /// Drops the answer, for a caller that does not care about the length of the queue.
    ///
    /// This suits short replies, one for each request of the peer. If a peer does not read its replies, its socket
    /// closes with [`CloseReason::Limit`] beyond [`max_queued_bytes`](crate::SocketOptions::max_queued_bytes). A closed
    /// socket is reported by [`on_close`](crate::SocketHandler::on_close) anyway.
    ///
    /// ```
    /// use netloop::{Context, SocketHandler};
    ///
    /// struct Clock;
    ///
    /// impl SocketHandler for Clock {
    ///     fn on_data(&mut self, cx: &mut Context<'_>, _: &[u8]) {
    ///         cx.socket.write(b"12:00\n").ignore();
    ///     }
    /// }
    /// ```
    pub fn ignore(self) {}
}

/// The directions in which a socket can still carry bytes; Node's `readyState`.
///
/// ```
/// use netloop::{Context, SocketHandler, State};
///
/// struct Session;
///
/// impl SocketHandler for Session {
///     fn on_connect(&mut self, cx: &mut Context<'_>) {
///         assert_eq!(cx.socket.state(), State::Open);
///         cx.socket.end_with(b"bye\n").ignore();
///         // The peer may still send.
///         assert_eq!(cx.socket.state(), State::ReadOnly);
///         assert_eq!(cx.socket.state().to_string(), "readOnly");
///     }
///     fn on_data(&mut self, _: &mut Context<'_>, _: &[u8]) {}
/// }
/// # let mut event_loop: netloop::EventLoop = netloop::EventLoop::new()?;
/// # let server = event_loop.listen("127.0.0.1:0", |_, _| Session)?;
/// # let address = event_loop.server(server).address().unwrap();
/// # event_loop.connect(address, Session)?;
/// # event_loop.server(server).release();
/// # event_loop.run(&mut ())?;
/// # Ok::<(), netloop::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[doc(alias = "readyState")]
pub enum State {
    /// The socket connects or looks its name up, or its [filters](crate::Filter) are not ready. Writes are queued.
    Opening,
    /// Both directions are open.
    Open,
    /// This side has ended; the peer may still send.
    ReadOnly,
    /// The peer has ended; this side may still send.
    WriteOnly,
    /// Neither direction is open, or the socket is gone.
    Closed,
}

impl std::fmt::Display for State {
    /// Writes Node's spelling of the state.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Opening => "opening",
            Self::Open => "open",
            Self::ReadOnly => "readOnly",
            Self::WriteOnly => "writeOnly",
            Self::Closed => "closed",
        })
    }
}

/// The reason why a socket closed, for [`on_close`](crate::SocketHandler::on_close).
///
/// Only [`Graceful`](Self::Graceful) promises that the kernel has taken every accepted byte. For every other reason, at
/// least as many bytes are lost as [`Socket::queued_bytes`](crate::Socket::queued_bytes) returns in `on_close`.
///
/// If the loop closes a TCP socket with queued bytes, the peer gets a RST and not a FIN. So the peer does not mistake a
/// cut stream for a complete one. The causes are a timeout, [`Limit`](Self::Limit), a failed call or filter, a panic of
/// the handler, and the drop of the loop. After [`destroy`](crate::Socket::destroy) or
/// [`destroy_with`](crate::Socket::destroy_with), the peer gets a FIN, or a RST of the system if received bytes are
/// unread. But a `destroy` after the idle timeout, or in [`on_deadline`](crate::SocketHandler::on_deadline), counts as
/// a timeout. If a limit or a deadline closes a TCP socket before this side has ended, the peer gets a RST, also
/// without queued bytes. Unix sockets have no RST.
///
/// ```
/// use netloop::{CloseReason, Context, SocketHandler};
///
/// struct Upload;
///
/// impl SocketHandler for Upload {
///     fn on_data(&mut self, _: &mut Context<'_>, _: &[u8]) {}
///     fn on_close(&mut self, cx: &mut Context<'_>, reason: CloseReason) {
///         let peer = cx.socket.peer_address();
///         match reason {
///             CloseReason::Graceful => println!("{peer:?}: complete"),
///             CloseReason::TimedOut => println!("{peer:?}: too slow"),
///             reason if reason.is_failure() => println!("{peer:?}: failed ({reason:?})"),
///             reason => println!("{peer:?}: given up ({reason:?})"),
///         }
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseReason {
    /// Both sides have ended, and everything was sent.
    Graceful,
    /// The peer has reset the connection, or no longer knows it. The bytes sent last may never have arrived.
    Reset,
    /// A timeout has passed: of the lookup, the connect, the close or the system (ETIMEDOUT), or the idle timeout. Or
    /// the peer is too slow for another of the [`Limits`](crate::Limits), or the program's
    /// [deadline](crate::Socket::set_deadline) has passed. In the last two cases
    /// [`on_error`](crate::SocketHandler::on_error) has named the limit, unless `destroy` was called in `on_deadline`.
    TimedOut,
    /// The user has closed the socket, without an error: `destroy`, `destroy_soon` or `reset`.
    Local,
    /// A write would have queued more than [`max_queued_bytes`](crate::SocketOptions::max_queued_bytes) allows, or
    /// [`max_total_queued_bytes`](crate::Limits::max_total_queued_bytes) for all sockets together.
    Limit,
    /// [`Socket::detach`](crate::Socket::detach) took the descriptor out of the loop. The connection stays open.
    Detached,
    /// A call, a filter or the handler has failed in another way, or the user has called `destroy_with`.
    /// [`on_error`](crate::SocketHandler::on_error) has reported the error before.
    Error,
}

impl CloseReason {
    /// Whether the connection has failed. `false` if one side has closed it or given it up after a timeout, or if the
    /// program has taken it out of the loop. Node's `hadError` has another meaning: whether
    /// [`on_error`](crate::SocketHandler::on_error) came just before `on_close`.
    #[doc(alias = "hadError")]
    pub fn is_failure(self) -> bool {
        matches!(self, Self::Reset | Self::Limit | Self::Error)
    }
}
