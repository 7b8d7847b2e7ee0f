//! The answers of a socket: the result of a write, the state it is in, the reason why it closed.

/// The answer of a write to the producer of the bytes.
///
/// It is Node's boolean, with two more answers for the cases in which nothing was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flow {
    /// The bytes were taken, and the queue has capacity for more.
    Open,
    /// The bytes were taken, but the kernel is behind: at least as many as the high-water mark are queued.
    /// [`on_drain`](crate::SocketHandler::on_drain) tells when to go on. Writing on is allowed, up to
    /// [the limit](crate::SocketOptions::max_queued_bytes).
    Full,
    /// Nothing was taken: this side has ended ([`Socket::end`](crate::Socket::end)). The graceful close goes on.
    Ended,
    /// Nothing was taken: the socket is closed or about to be, or its id is dead. If this very write met the failure,
    /// the kernel may have taken a part of the bytes before.
    Closed,
}

impl Flow {
    /// Whether the bytes were taken.
    pub fn is_accepted(self) -> bool {
        matches!(self, Self::Open | Self::Full)
    }

    /// Says that the producer does not care how full the queue is.
    ///
    /// It suits short answers, of which there are as many as the peer asks for. The socket of a peer that does not read
    /// them closes with [`CloseReason::Limit`] when [`max_queued_bytes`](crate::SocketOptions::max_queued_bytes) are
    /// queued. A closed socket tells so with [`on_close`](crate::SocketHandler::on_close).
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[doc(alias = "readyState")]
pub enum State {
    /// The socket connects, or looks up the name to connect to. Writes are queued.
    Opening,
    /// Both directions are open.
    Open,
    /// This side has ended; the peer may still send.
    ReadOnly,
    /// The peer has ended; this side may still send.
    WriteOnly,
    /// Neither direction is open, or the id is dead.
    Closed,
}

impl std::fmt::Display for State {
    /// Writes Node's spelling: `opening`, `open`, `readOnly`, `writeOnly`, `closed`.
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

/// The reason why a socket closed. It comes with [`on_close`](crate::SocketHandler::on_close), the last event of every
/// socket.
///
/// Only [`Graceful`](Self::Graceful) promises that every byte that a write accepted was handed to the kernel. For
/// the others, [`Socket::queued_bytes`](crate::Socket::queued_bytes) tells within `on_close` how many were lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseReason {
    /// Both sides have ended, and everything was sent.
    Graceful,
    /// The peer reset the connection, or vanished from it. The bytes sent last may never have arrived.
    Reset,
    /// A deadline passed: of connecting, of being idle, or of waiting for the other side after our own end.
    TimedOut,
    /// This side closed it: `destroy`, `destroy_soon` or `reset`.
    Local,
    /// A write would have queued more than [`max_queued_bytes`](crate::SocketOptions::max_queued_bytes).
    Limit,
    /// [`Socket::detach`](crate::Socket::detach) took the descriptor out of the loop, and it lives on elsewhere.
    Detached,
    /// A call failed for another reason, which [`on_error`](crate::SocketHandler::on_error) told directly before.
    Error,
}

impl CloseReason {
    /// Whether the connection broke, as opposed to being ended or given up by either side.
    ///
    /// An error (Node's `hadError`) is told by [`on_error`](crate::SocketHandler::on_error), directly before `on_close`.
    #[doc(alias = "hadError")]
    pub fn is_failure(self) -> bool {
        matches!(self, Self::Reset | Self::Limit | Self::Error)
    }
}
