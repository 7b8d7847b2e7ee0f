//! Notices: the rarer events of a connection, which wait for the handler in a queue of their own.

use std::net::SocketAddr;

use super::Error;

/// A rarer event of a connection. Notices wait in the cold state of the connection, in order of arrival.
#[derive(Debug)]
pub(crate) enum Notice {
    /// The lookup has found this address for the name, or has failed with this error.
    LookedUp(Result<SocketAddr, Error>),
    /// An attempt on this address is announced. The connect begins after the handler was told, unless the attempt has
    /// failed already.
    AttemptBegun(SocketAddr),
    /// The connect to this address has failed, or could not begin.
    AttemptFailed(SocketAddr, Error),
    /// This address has not answered within the attempt delay. The next address is tried while this attempt goes on.
    AttemptIsSlow(SocketAddr),
    /// The kernel has taken all bytes that were written before the marker with this token.
    Sent(u64),
    /// A write before the marker with this token was refused, so the bytes of that write are never sent.
    Refused(u64, Error),
}
