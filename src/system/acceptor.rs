//! Listening sockets: bind, listen and accept.

use std::io;
use std::net::SocketAddr;
#[cfg(unix)]
use std::path::Path;

use mio::event::Source;
use mio::net::TcpListener;
#[cfg(unix)]
use mio::net::UnixListener;
use mio::{Interest, Registry, Token};

#[cfg(feature = "simulation")]
use super::faults;
use super::native::{self, Shared};
use super::options::Binding;
#[cfg(feature = "simulation")]
use super::simulated;
use super::stream::Stream;

#[derive(Debug)]
pub(crate) enum Acceptor {
    /// A TCP socket that the loop has bound, and whose descriptor has no duplicate.
    Tcp(TcpListener),
    /// A TCP socket whose descriptor may have duplicates, or whose protocol is not plain TCP (MPTCP, SCTP).
    SharedTcp(Shared<TcpListener>),
    /// A Unix domain socket that the loop has bound, and whose descriptor has no duplicate.
    #[cfg(unix)]
    Unix(UnixListener),
    #[cfg(unix)]
    SharedUnix(Shared<UnixListener>),
    #[cfg(feature = "simulation")]
    Simulated(simulated::Acceptor),
    #[cfg(feature = "simulation")]
    Faulty(faults::FaultyAcceptor),
}

impl Acceptor {
    /// Binds `address` and listens. An error such as EADDRINUSE comes from this call.
    pub(crate) fn bind(address: SocketAddr, binding: &Binding) -> io::Result<Self> {
        native::listen_tcp(address, binding).map(Self::Tcp)
    }

    /// Binds the Unix socket at `path` and listens. If a file exists there, returns an error, and leaves the file.
    #[cfg(unix)]
    pub(crate) fn bind_path(path: &Path, binding: &Binding) -> io::Result<Self> {
        native::listen_unix(path, binding).map(Self::Unix)
    }

    /// Permits all users to read the Unix socket at `path` if `readable`, and to write to it if `writable`.
    #[cfg(unix)]
    pub(crate) fn widen_permissions(path: &Path, readable: bool, writable: bool) -> io::Result<()> {
        native::widen_permissions(path, readable, writable)
    }

    /// Takes over a socket that can listen. A connected socket is an error, because it could never accept.
    pub(crate) fn adopt_tcp(
        listener: std::net::TcpListener,
        binding: &Binding,
    ) -> io::Result<Self> {
        native::adopt_tcp_listener(Shared::new(listener), binding).map(Self::SharedTcp)
    }

    #[cfg(unix)]
    pub(crate) fn adopt_unix(
        listener: std::os::unix::net::UnixListener,
        binding: &Binding,
    ) -> io::Result<Self> {
        native::adopt_unix_listener(Shared::new(listener), binding).map(Self::SharedUnix)
    }

    /// Returns the acceptor as one whose descriptor may have duplicates, because the caller lends it to the user.
    #[cfg(unix)]
    pub(crate) fn into_shared(self) -> Self {
        match self {
            Self::Tcp(listener) => Self::SharedTcp(Shared::new(listener)),
            Self::Unix(listener) => Self::SharedUnix(Shared::new(listener)),
            // A simulated or faulty acceptor has no descriptor to lend.
            other => other,
        }
    }

    /// Whether this acceptor can become a listener of the standard library.
    pub(crate) fn is_standard(&self) -> bool {
        match self {
            Self::Tcp(_) | Self::SharedTcp(_) => true,
            #[cfg(unix)]
            Self::Unix(_) | Self::SharedUnix(_) => true,
            #[cfg(feature = "simulation")]
            Self::Simulated(_) | Self::Faulty(_) => false,
        }
    }

    /// Turns a TCP acceptor, which the caller has deregistered, into one of the standard library; `Err` for any other.
    pub(crate) fn into_tcp(self) -> Result<std::net::TcpListener, Self> {
        match self {
            Self::Tcp(listener) => Ok(listener.into()),
            Self::SharedTcp(shared) => Ok(shared.into_inner().into()),
            #[cfg(any(unix, feature = "simulation"))]
            other => Err(other),
        }
    }

    /// Turns a Unix acceptor, which the caller has deregistered, into one of the standard library; `Err` for any other.
    #[cfg(unix)]
    pub(crate) fn into_unix(self) -> Result<std::os::unix::net::UnixListener, Self> {
        match self {
            Self::Unix(listener) => Ok(listener.into()),
            Self::SharedUnix(shared) => Ok(shared.into_inner().into()),
            other => Err(other),
        }
    }

    /// Takes the next connection off the backlog. The peer's address (`None` for a Unix socket) comes with the accept,
    /// because a later `getpeername` fails if the peer has gone. After EINTR the caller repeats the call, a limited
    /// number of times.
    pub(crate) fn accept(&self) -> io::Result<(Stream, Option<SocketAddr>)> {
        match self {
            Self::Tcp(listener) => listener
                .accept()
                .map(|(stream, peer)| (Stream::Tcp(stream), Some(peer))),
            Self::SharedTcp(shared) => shared.accept().map(|(stream, peer)| {
                let stream = stream.map_or_else(Stream::SharedTcp, Stream::Tcp);
                (stream, Some(peer))
            }),
            #[cfg(unix)]
            Self::Unix(listener) => listener
                .accept()
                .map(|(stream, _)| (Stream::Unix(stream), None)),
            #[cfg(unix)]
            Self::SharedUnix(shared) => shared
                .forbid_blocking()
                .and_then(|()| shared.get().accept())
                .map(|(stream, _)| (Stream::Unix(stream), None)),
            #[cfg(feature = "simulation")]
            Self::Simulated(acceptor) => acceptor
                .accept()
                .map(|(stream, peer)| (Stream::Simulated(stream), Some(peer))),
            #[cfg(feature = "simulation")]
            Self::Faulty(acceptor) => acceptor
                .accept()
                .map(|(stream, peer)| (Stream::Faulty(stream), Some(peer))),
        }
    }

    /// Whether a socket that the loop has bound passes `no_delay` and `keep_alive` of [`Binding`] on to accepted
    /// connections. If not, and for an adopted socket, the loop sets both on each connection.
    pub(crate) fn passes_on_options(&self) -> bool {
        native::INHERITS_OPTIONS && matches!(self, Self::Tcp(_) | Self::SharedTcp(_))
    }

    pub(crate) fn local_address(&self) -> io::Result<Option<SocketAddr>> {
        match self {
            Self::Tcp(listener) => listener.local_addr().map(Some),
            Self::SharedTcp(shared) => shared.get().local_addr().map(Some),
            #[cfg(unix)]
            Self::Unix(_) | Self::SharedUnix(_) => Ok(None),
            #[cfg(feature = "simulation")]
            Self::Simulated(acceptor) => Ok(acceptor.local_address()),
            #[cfg(feature = "simulation")]
            Self::Faulty(acceptor) => acceptor.local_address().map(Some),
        }
    }

    fn source(&mut self) -> &mut dyn Source {
        match self {
            Self::Tcp(listener) => listener,
            Self::SharedTcp(shared) => shared.get_mut(),
            #[cfg(unix)]
            Self::Unix(listener) => listener,
            #[cfg(unix)]
            Self::SharedUnix(shared) => shared.get_mut(),
            #[cfg(feature = "simulation")]
            Self::Simulated(acceptor) => acceptor,
            #[cfg(feature = "simulation")]
            Self::Faulty(acceptor) => acceptor,
        }
    }
}

impl Source for Acceptor {
    fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        directions: Interest,
    ) -> io::Result<()> {
        self.source().register(registry, token, directions)
    }

    fn reregister(
        &mut self,
        registry: &Registry,
        token: Token,
        directions: Interest,
    ) -> io::Result<()> {
        self.source().reregister(registry, token, directions)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        self.source().deregister(registry)
    }
}
