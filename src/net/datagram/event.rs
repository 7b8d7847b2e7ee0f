//! The events of a UDP socket.

use std::net::SocketAddr;

use crate::net::error::Error;

#[derive(Debug)]
pub(crate) enum DatagramEvent {
    Listening,
    Connected,
    /// A datagram lies in the read buffer.
    Message(Message),
    /// The queue has drained, after a send was answered `Full` or after a limit on queued bytes dropped a datagram.
    Drained,
    /// A call or a lookup has failed, the network has refused a datagram, or the socket has refused to send one.
    Error(Error),
}

/// A received datagram, whose bytes lie in the read buffer from `offset` on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message {
    pub(crate) from: SocketAddr,
    pub(crate) offset: usize,
    pub(crate) length: usize,
    /// Whether the datagram was longer than `length`, or may have been.
    pub(crate) is_truncated: bool,
}
