//! The events of a UDP socket.

use std::net::SocketAddr;

use crate::net::error::Error;

/// An event for the handler of a UDP socket.
#[derive(Debug)]
pub(crate) enum DatagramEvent {
    /// The socket is bound.
    Listening,
    /// The socket is connected.
    Connected,
    /// A datagram lies in the read buffer.
    Message(Message),
    /// The queue has drained, after a send was answered `Full`, or after a limit on queued bytes dropped a datagram.
    Drained,
    /// A call or a lookup has failed, the network has refused a datagram, or the socket has refused to send one.
    Error(Error),
}

/// A received datagram, whose bytes lie in the read buffer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message {
    pub(crate) from: SocketAddr,
    /// The place of the datagram's first byte in the read buffer.
    pub(crate) offset: usize,
    /// The number of bytes for the handler.
    pub(crate) length: usize,
    /// Whether the datagram counts as cut: it was longer than `length`, or may have been.
    pub(crate) is_truncated: bool,
}
