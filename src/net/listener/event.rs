//! The events of a server, which `Net` passes to the server's handler.

use std::net::SocketAddr;

use crate::net::error::Error;
use crate::net::values::AcceptLimit;
use crate::system::Stream;

/// An event of a server, for its handler.
#[derive(Debug)]
pub(crate) enum ServerEvent {
    /// The server has begun to listen, and its address is known.
    Listening,
    /// The server could not begin to listen, and never will.
    ListenFailed(Error),
    /// A connection was accepted, and `Net` has not decided whether the server takes it. No handler gets this event.
    Arrived {
        stream: Stream,
        peer: Option<SocketAddr>,
    },
    /// The server has taken a connection.
    Accepted {
        stream: Stream,
        peer: Option<SocketAddr>,
    },
    /// The server has refused connections that were over a limit, and has closed them.
    OverLimit {
        limit: AcceptLimit,
        refused: u64,
        /// The address that the peers connected to, if the server listens on one address.
        local: Option<SocketAddr>,
        /// The peer of the last one.
        peer: Option<SocketAddr>,
    },
    /// The server that takes no new peers has accepted those that waited. The caller closes it, and no handler gets this
    /// event.
    Drained,
    /// An accept has failed. The server is backing off, or has failed for good.
    AcceptFailed(Error),
}
