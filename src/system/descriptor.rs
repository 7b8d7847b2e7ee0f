//! What the system tells of a socket beside its bytes: its descriptor, and the paths of a Unix socket.

#[cfg(unix)]
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;

use super::acceptor::Acceptor;
use super::stream::Stream;

impl Stream {
    /// The descriptor; `None` where there is none, or where a call on it would get past the faults.
    #[cfg(unix)]
    pub(crate) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Tcp(stream) => Some(stream.as_fd()),
            Self::Unix(stream) => Some(stream.as_fd()),
            Self::Input(input) => Some(input.as_fd()),
            #[cfg(feature = "simulation")]
            Self::Simulated(_) | Self::Faulty(_) => None,
        }
    }

    /// The path at this end of a Unix socket; `None` if it is bound to none, and for other kinds.
    pub(crate) fn local_path(&self) -> Option<PathBuf> {
        #[cfg(unix)]
        if let Self::Unix(stream) = self {
            return path_of(stream.local_addr());
        }
        None
    }

    /// The path at the other end of a Unix socket; `None` if it is bound to none, and for other kinds.
    pub(crate) fn peer_path(&self) -> Option<PathBuf> {
        #[cfg(unix)]
        if let Self::Unix(stream) = self {
            return path_of(stream.peer_addr());
        }
        None
    }
}

impl Acceptor {
    /// As [`Stream::descriptor`].
    #[cfg(unix)]
    pub(crate) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Tcp(listener) => Some(listener.as_fd()),
            Self::Unix(listener) => Some(listener.as_fd()),
            #[cfg(feature = "simulation")]
            Self::Simulated(_) | Self::Faulty(_) => None,
        }
    }
}

#[cfg(unix)]
fn path_of(address: std::io::Result<std::os::unix::net::SocketAddr>) -> Option<PathBuf> {
    address.ok()?.as_pathname().map(PathBuf::from)
}
