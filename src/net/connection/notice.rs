//! Notices: the messages to a handler beside its main events.

use std::net::SocketAddr;

use super::Error;

/// A message to the handler beside its main events.
#[derive(Debug)]
pub(crate) enum Notice {
    /// The name led to an address, or to none.
    LookedUp(Result<SocketAddr, Error>),
    /// An address is being tried.
    AttemptBegun(SocketAddr),
    /// The address could not be reached.
    AttemptFailed(SocketAddr, Error),
    /// The address has not answered yet, so that the next one is tried beside it.
    AttemptIsSlow(SocketAddr),
    /// The kernel has taken everything up to the mark with this token.
    Sent(u64),
    /// A write before the mark with this token was refused.
    Refused(u64, Error),
}
