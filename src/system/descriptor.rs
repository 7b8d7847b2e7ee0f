//! The descriptor of a socket, and the paths of a Unix socket.

#[cfg(unix)]
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;

use super::acceptor::Acceptor;
use super::stream::Stream;

impl Stream {
    /// Returns the descriptor of this stream. `None` for a simulated stream, which has no descriptor, and for a faulty
    /// stream, because calls on the descriptor would bypass the faults.
    #[cfg(unix)]
    pub(crate) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Tcp(stream) => Some(stream.as_fd()),
            Self::SharedTcp(shared) => Some(shared.get().as_fd()),
            Self::Unix(stream) => Some(stream.as_fd()),
            Self::SharedUnix(shared) => Some(shared.get().as_fd()),
            Self::Input(input) => Some(input.as_fd()),
            #[cfg(feature = "simulation")]
            Self::Simulated(_) | Self::Faulty(_) => None,
        }
    }

    /// Returns the path that this end of a Unix socket is bound to; `None` if the end is unbound, and for other
    /// streams.
    pub(crate) fn local_path(&self) -> Option<PathBuf> {
        #[cfg(unix)]
        if let Some(stream) = self.as_unix() {
            return path_of(stream.local_addr());
        }
        None
    }

    /// Returns the path that the other end of a Unix socket is bound to. `None` if that end is unbound, and for other
    /// streams.
    pub(crate) fn peer_path(&self) -> Option<PathBuf> {
        #[cfg(unix)]
        if let Some(stream) = self.as_unix() {
            return path_of(stream.peer_addr());
        }
        None
    }

    #[cfg(unix)]
    fn as_unix(&self) -> Option<&mio::net::UnixStream> {
        match self {
            Self::Unix(stream) => Some(stream),
            Self::SharedUnix(shared) => Some(shared.get()),
            _ => None,
        }
    }
}

impl Acceptor {
    /// Returns the descriptor of this acceptor; `None` for a simulated or faulty acceptor.
    #[cfg(unix)]
    pub(crate) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Tcp(listener) => Some(listener.as_fd()),
            Self::SharedTcp(shared) => Some(shared.get().as_fd()),
            Self::Unix(listener) => Some(listener.as_fd()),
            Self::SharedUnix(shared) => Some(shared.get().as_fd()),
            #[cfg(feature = "simulation")]
            Self::Simulated(_) | Self::Faulty(_) => None,
        }
    }
}

#[cfg(unix)]
fn path_of(address: std::io::Result<std::os::unix::net::SocketAddr>) -> Option<PathBuf> {
    address.ok()?.as_pathname().map(PathBuf::from)
}
