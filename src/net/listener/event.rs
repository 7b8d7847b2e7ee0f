//! The events of a server.

use std::net::SocketAddr;

use crate::net::error::Error;
use crate::system::Stream;

/// An event of a server, which `Net` passes to its handler.
#[derive(Debug)]
pub(crate) enum ServerEvent {
    Listening,
    /// The server could not begin to listen, and never will.
    ListenFailed(Error),
    /// While the listener [has an arrival](super::Listener::has_arrival), `Net` has still to decide on the connection.
    Accepted {
        stream: Stream,
        peer: Option<SocketAddr>,
    },
    /// A [drain](super::Listener::drain) has accepted all waiting peers, or as many as it may. The caller closes the
    /// server, and no handler gets this event.
    Drained,
    /// The server is backing off, or has failed for good.
    AcceptFailed(Error),
}
