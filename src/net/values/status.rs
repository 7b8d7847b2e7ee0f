//! The words in which a socket says how it is: what became of a write, what state it is in, why it closed.

/// What a write says to whoever produces the bytes.
///
/// It is Node's boolean, with the two cases told apart in which nothing was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flow {
    /// The bytes were taken, and there is room for more.
    Open,
    /// The bytes were taken, but the kernel is behind: at least as many as the high-water mark are queued.
    /// [`on_drain`](crate::SocketHandler::on_drain) tells when to go on. Writing on is allowed, up to the hard limit.
    Full,
    /// Nothing was taken: this side has ended ([`Socket::end`](crate::Socket::end)). The graceful close goes on.
    Ended,
    /// The socket is closed or about to be, or its id is dead: nothing was taken, unless this very write met the
    /// failure, in which case the kernel may have had some of it already.
    Closed,
}

impl Flow {
    /// Whether the bytes were taken.
    pub fn is_accepted(self) -> bool {
        matches!(self, Self::Open | Self::Full)
    }

    /// Says that the producer does not care how full the queue is.
    ///
    /// It suits short answers, of which there are as many as the peer asks for. A peer that does not read them is closed
    /// with [`CloseReason::Limit`] when [`max_queued_bytes`](crate::SocketOptions::max_queued_bytes) are queued, and a
    /// socket that is closed tells it with [`on_close`](crate::SocketHandler::on_close).
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

/// What a socket can still do; Node's `readyState`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Connecting, or looking up where to connect to. Writes are queued.
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
    /// Node's spelling: `opening`, `open`, `readOnly`, `writeOnly`, `closed`.
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

/// Why a socket closed. It comes with [`on_close`](crate::SocketHandler::on_close), the last event of every socket.
///
/// Only [`Graceful`](Self::Graceful) promises that every byte that a write accepted was handed to the kernel. For
/// the others, [`Socket::queued_bytes`](crate::Socket::queued_bytes) tells within `on_close` how many were lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseReason {
    /// Both sides have ended, and everything was sent.
    Graceful,
    /// The peer reset the connection, or vanished from it: what was sent last may never have arrived.
    Reset,
    /// A deadline passed: of connecting, of being idle, or of waiting for the other side after our own end.
    TimedOut,
    /// This side closed it: `destroy`, `destroy_soon` or `reset`.
    Local,
    /// More was queued than the hard limit allows ([`SocketOptions::max_queued_bytes`](crate::SocketOptions)).
    Limit,
    /// Its descriptor was taken out and lives on elsewhere: [`Socket::detach`](crate::Socket::detach).
    Detached,
    /// Something else failed; [`on_error`](crate::SocketHandler::on_error) came directly before and said what.
    Error,
}

impl CloseReason {
    /// Whether the connection broke, as opposed to being ended or given up by either side. Whether there was an error
    /// (Node's `hadError`) is what [`on_error`](crate::SocketHandler::on_error) tells, directly before `on_close`.
    pub fn is_failure(self) -> bool {
        matches!(self, Self::Reset | Self::Limit | Self::Error)
    }
}
