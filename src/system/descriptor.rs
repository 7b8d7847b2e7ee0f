//! The descriptor of a socket, and the paths of a Unix socket.

#[cfg(unix)]
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;

use super::acceptor::Acceptor;
use super::stream::Stream;

impl Stream {
    /// Returns the descriptor. `None` also for a faulty stream, which has one: calls on the descriptor would bypass the
    /// faults.
    #[cfg(unix)]
    pub(crate) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Tcp(stream) | Self::FilteredTcp(stream) => Some(stream.as_fd()),
            Self::SharedTcp(shared) => Some(shared.get().as_fd()),
            Self::Unix(stream) => Some(stream.as_fd()),
            Self::SharedUnix(shared) => Some(shared.get().as_fd()),
            Self::Input(input) => Some(input.as_fd()),
            #[cfg(feature = "simulation")]
            Self::Simulated(_)
            | Self::Faulty(_)
            | Self::FilteredSimulated(_)
            | Self::FilteredFaulty(_) => None,
        }
    }

    /// Returns the path that this end of a Unix socket is bound to.
    pub(crate) fn local_path(&self) -> Option<PathBuf> {
        #[cfg(unix)]
        if let Some(stream) = self.as_unix() {
            return path_of(stream.local_addr());
        }
        None
    }

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
    #[cfg(unix)]
    pub(crate) fn local_path(&self) -> Option<PathBuf> {
        match self {
            Self::Unix(listener) => path_of(listener.local_addr()),
            Self::SharedUnix(shared) => path_of(shared.get().local_addr()),
            _ => None,
        }
    }

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

/// Returns the path, or a NUL byte and the name in the abstract namespace, as a caller passes it to connect or listen.
#[cfg(unix)]
fn path_of(address: std::io::Result<std::os::unix::net::SocketAddr>) -> Option<PathBuf> {
    let address = address.ok()?;
    let path = address.as_pathname().map(PathBuf::from);
    path.or_else(|| abstract_path_of(&address))
}

#[cfg(any(target_os = "android", target_os = "linux"))]
fn abstract_path_of(address: &std::os::unix::net::SocketAddr) -> Option<PathBuf> {
    #[cfg(target_os = "android")]
    use std::os::android::net::SocketAddrExt;
    #[cfg(target_os = "linux")]
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::ffi::OsStringExt;
    let name = address.as_abstract_name()?;
    let path = [b"\0", name].concat();
    Some(std::ffi::OsString::from_vec(path).into())
}

#[cfg(all(unix, not(any(target_os = "android", target_os = "linux"))))]
fn abstract_path_of(_: &std::os::unix::net::SocketAddr) -> Option<PathBuf> {
    None
}
