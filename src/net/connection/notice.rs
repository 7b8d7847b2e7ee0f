//! The rarer events of a connection. They wait in its cold state for the handler, in order of arrival.

use std::net::SocketAddr;

use super::Error;

#[derive(Debug)]
pub(crate) enum Notice {
    LookedUp(Result<SocketAddr, Error>),
    /// The connect to this address begins once the handler was told, unless `AttemptFailed` follows already.
    AttemptBegun(SocketAddr),
    /// The connect to this address has failed, or could not begin.
    AttemptFailed(SocketAddr, Error),
    /// The next address is tried while the attempt on this one goes on.
    AttemptIsSlow(SocketAddr),
    /// The kernel has taken all bytes that were written before the marker with this token.
    Sent(u64),
    /// A write before the marker with this token was refused, so its bytes are never sent.
    Refused(u64, Error),
}
