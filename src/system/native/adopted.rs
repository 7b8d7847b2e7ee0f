//! A socket of the user that the loop has taken over.

use std::io;
use std::net::SocketAddr;

#[derive(Debug)]
pub(crate) struct Adopted<T> {
    pub(crate) stream: T,
    /// The address of the peer. `None` for a Unix socket, and if the connection is over: the kernel forgets the address
    /// with the connection, but not the received bytes.
    pub(crate) peer: Option<SocketAddr>,
    /// The error that has ended the connection, if no unread byte precedes it. The kernel does not return it again.
    pub(crate) error: Option<io::Error>,
}

impl<T> Adopted<T> {
    pub(crate) fn map<U>(self, change: impl FnOnce(T) -> U) -> Adopted<U> {
        Adopted {
            stream: change(self.stream),
            peer: self.peer,
            error: self.error,
        }
    }
}
