//! The events of a server.

use std::net::SocketAddr;

use crate::net::error::Error;
use crate::system::Stream;

/// An event of a server.
#[derive(Debug)]
pub(crate) enum ServerEvent {
    /// The server listens, and its address is known.
    Listening,
    /// The server will never listen.
    ListenFailed(Error),
    /// The server has accepted a connection.
    Accepted {
        stream: Stream,
        peer: Option<SocketAddr>,
    },
    /// The server has accepted a connection beyond its limit.
    OverLimit {
        stream: Stream,
        peer: Option<SocketAddr>,
    },
    /// The server cannot accept for now, or not any more.
    AcceptFailed(Error),
}
