//! The answer to a send.

/// The answer to the send of a datagram: whether it was accepted, and whether to send more.
///
/// [`Flow`](crate::Flow) is the answer of byte streams. A datagram may be dropped, and a UDP socket has no half-close.
///
/// ```
/// use std::net::SocketAddr;
/// use netloop::{DatagramContext, DatagramFlow, DatagramHandler};
///
/// /// Sends each position once, and counts those that are lost.
/// struct Positions {
///     lost: u64,
/// }
///
/// impl DatagramHandler for Positions {
///     fn on_message(&mut self, cx: &mut DatagramContext<'_>, from: SocketAddr, _: &[u8]) {
///         match cx.socket.send_to(from, b"12,7") {
///             DatagramFlow::Open | DatagramFlow::Full => {}
///             DatagramFlow::Dropped => self.lost += 1,
///             // `on_close` comes, or has come.
///             DatagramFlow::Closed => {}
///         }
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DatagramFlow {
    /// The datagram was accepted, and the queue has capacity for more.
    Open,
    /// The datagram was accepted, but the queue is at its [high watermark](crate::DatagramOptions::high_water_mark).
    /// [`on_drain`](crate::DatagramHandler::on_drain) reports when to send again.
    Full,
    /// The datagram was dropped: a limit on queued bytes or a lack of memory left no space, or the send was refused.
    /// [`on_error`](crate::DatagramHandler::on_error) gets a refusal's reason, unless 32 events wait already.
    Dropped,
    /// The datagram was dropped: the socket is closing, is closed, or is gone.
    Closed,
}

impl DatagramFlow {
    /// Whether the datagram was accepted.
    ///
    /// ```
    /// use netloop::DatagramFlow;
    ///
    /// assert!(DatagramFlow::Open.is_accepted() && DatagramFlow::Full.is_accepted());
    /// assert!(!DatagramFlow::Dropped.is_accepted() && !DatagramFlow::Closed.is_accepted());
    /// ```
    pub fn is_accepted(self) -> bool {
        matches!(self, Self::Open | Self::Full)
    }

    /// Drops the answer, for a caller that does not care whether a datagram is lost.
    ///
    /// ```
    /// use std::net::SocketAddr;
    /// use netloop::{DatagramContext, DatagramHandler};
    ///
    /// struct Echo;
    ///
    /// impl DatagramHandler for Echo {
    ///     fn on_message(&mut self, cx: &mut DatagramContext<'_>, from: SocketAddr, data: &[u8]) {
    ///         cx.socket.send_to(from, data).ignore();
    ///     }
    /// }
    /// ```
    pub fn ignore(self) {}
}
