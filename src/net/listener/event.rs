//! The events of a server, which `Net` passes to the server's handler.

use std::net::SocketAddr;

use crate::net::error::Error;
use crate::system::Stream;

/// An event of a server, for its handler.
#[derive(Debug)]
pub(crate) enum ServerEvent {
    /// The server has begun to listen, and its address is known.
    Listening,
    /// The server could not begin to listen, and never will.
    ListenFailed(Error),
    /// The server has accepted a connection. While the listener [has an arrival](super::Listener::has_arrival), `Net`
    /// has not decided yet whether the server takes the connection.
    Accepted {
        stream: Stream,
        peer: Option<SocketAddr>,
    },
    /// A server that [drains](super::Listener::drain) has accepted all waiting peers, or the largest number that a
    /// drain accepts. The caller closes the server, and no handler gets this event.
    Drained,
    /// An accept has failed. The server is backing off, or has failed for good.
    AcceptFailed(Error),
}
