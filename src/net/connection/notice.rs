//! Notices: the messages to a handler beside its main events.

use std::net::SocketAddr;

use super::Error;

/// A message to the handler beside its main events. It waits in the cold state of the connection, in order of arrival.
#[derive(Debug)]
pub(crate) enum Notice {
    /// The lookup of the name has found this address. An error tells that it found none.
    LookedUp(Result<SocketAddr, Error>),
    /// The connect to this address has begun.
    AttemptBegun(SocketAddr),
    /// The connect to this address has failed.
    AttemptFailed(SocketAddr, Error),
    /// This address has not answered within the attempt delay. The next one is tried while this attempt goes on.
    AttemptIsSlow(SocketAddr),
    /// The kernel has taken all bytes that were written before the marker with this token.
    Sent(u64),
    /// A write before the marker with this token was refused, so its bytes are never sent.
    Refused(u64, Error),
}
