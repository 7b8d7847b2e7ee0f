//! The listening end: bind, listen, accept, and the descriptor that is kept in reserve for when there are none.

use std::fs::File;
use std::io;
use std::net::SocketAddr;
#[cfg(unix)]
use std::path::Path;

use mio::event::Source;
use mio::net::TcpListener;
use mio::{Interest, Registry, Token};
use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};

use super::factory::System;
#[cfg(feature = "simulation")]
use super::simulated;
use super::stream::Stream;
use super::stream_options::{KeepAliveTimes, keep_alive};

/// What is set on a listening socket before it listens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Binding {
    /// How many connections the kernel queues for us; it caps the figure (`net.core.somaxconn`).
    pub(crate) backlog: u32,
    /// Whether an IPv6 socket refuses IPv4 peers.
    pub(crate) ipv6_only: bool,
    /// Whether several sockets may listen on the address, with the kernel sharing out the connections.
    pub(crate) reuse_port: bool,
    /// Set here once, and inherited by what is accepted wherever the system does that.
    pub(crate) no_delay: bool,
    /// As `no_delay`.
    pub(crate) keep_alive: Option<KeepAliveTimes>,
}

/// A socket that listens.
#[derive(Debug)]
pub(crate) enum Acceptor {
    /// On a TCP port.
    Tcp(TcpListener),
    /// On a Unix domain path.
    #[cfg(unix)]
    Unix(mio::net::UnixListener),
    /// On an address of a simulated network.
    #[cfg(feature = "simulation")]
    Simulated(simulated::Acceptor),
}

impl Acceptor {
    /// Binds `address` and listens. The port is taken when this returns, so an error is the caller's at once.
    pub(crate) fn bind(address: SocketAddr, binding: &Binding) -> io::Result<Self> {
        let domain = Domain::for_address(address);
        let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
        // On Windows SO_REUSEADDR would let anybody steal the port, and TIME_WAIT blocks nobody there.
        #[cfg(unix)]
        socket.set_reuse_address(true)?;
        if domain == Domain::IPV6 {
            socket.set_only_v6(binding.ipv6_only)?;
        } else if binding.ipv6_only {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "`ipv6_only` is for IPv6 addresses",
            ));
        }
        if binding.reuse_port {
            reuse_port(&socket)?;
        }
        if INHERITS_OPTIONS {
            socket.set_tcp_nodelay(binding.no_delay)?;
            if binding.keep_alive.is_some() {
                keep_alive(&SockRef::from(&socket), binding.keep_alive)?;
            }
        }
        socket.set_nonblocking(true)?;
        socket.bind(&SockAddr::from(address))?;
        socket.listen(backlog(binding))?;
        Ok(Self::Tcp(TcpListener::from_std(socket.into())))
    }

    /// Binds the Unix socket at `path` and listens. A file that is there already is never removed.
    #[cfg(unix)]
    pub(crate) fn bind_path(path: &Path, binding: &Binding) -> io::Result<Self> {
        let address = SockAddr::unix(path)?;
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address)?;
        socket.listen(backlog(binding))?;
        let listener = std::os::unix::net::UnixListener::from(std::os::fd::OwnedFd::from(socket));
        Ok(Self::Unix(mio::net::UnixListener::from_std(listener)))
    }

    /// Opens the path of a Unix socket to others than its owner.
    #[cfg(unix)]
    pub(crate) fn open_path(path: &Path, readable: bool, writable: bool) -> io::Result<()> {
        use std::os::unix::fs::PermissionsExt;
        let mut permissions = std::fs::metadata(path)?.permissions();
        let more = if readable { 0o004 } else { 0 } | if writable { 0o002 } else { 0 };
        permissions.set_mode(permissions.mode() | more);
        std::fs::set_permissions(path, permissions)
    }

    /// Takes over a socket that listens, or can: what cannot, such as one that is connected, would be deaf for ever.
    pub(crate) fn adopt_tcp(
        listener: std::net::TcpListener,
        binding: &Binding,
    ) -> io::Result<Self> {
        SockRef::from(&listener).listen(backlog(binding))?;
        listener.set_nonblocking(true)?;
        Ok(Self::Tcp(TcpListener::from_std(listener)))
    }

    /// [`adopt_tcp`](Self::adopt_tcp), for a Unix socket.
    #[cfg(unix)]
    pub(crate) fn adopt_unix(
        listener: std::os::unix::net::UnixListener,
        binding: &Binding,
    ) -> io::Result<Self> {
        SockRef::from(&listener).listen(backlog(binding))?;
        listener.set_nonblocking(true)?;
        Ok(Self::Unix(mio::net::UnixListener::from_std(listener)))
    }

    /// Takes the next connection off the kernel's queue, with the address of its peer, which `getpeername` may no
    /// longer know a moment later.
    pub(crate) fn accept(&self) -> io::Result<(Stream, Option<SocketAddr>)> {
        loop {
            let accepted = match self {
                Self::Tcp(listener) => listener
                    .accept()
                    .map(|(stream, peer)| (Stream::Tcp(stream), Some(peer))),
                #[cfg(unix)]
                Self::Unix(listener) => listener
                    .accept()
                    .map(|(stream, _)| (Stream::Unix(stream), None)),
                #[cfg(feature = "simulation")]
                Self::Simulated(acceptor) => acceptor
                    .accept()
                    .map(|(stream, peer)| (Stream::Simulated(stream), Some(peer))),
            };
            match accepted {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => return done,
            }
        }
    }

    /// Whether what is accepted already has the options of [`Binding`].
    pub(crate) fn passes_on_options(&self) -> bool {
        INHERITS_OPTIONS && matches!(self, Self::Tcp(_))
    }

    /// The address that was bound; `None` for what has none.
    pub(crate) fn local_address(&self) -> io::Result<Option<SocketAddr>> {
        match self {
            Self::Tcp(listener) => listener.local_addr().map(Some),
            #[cfg(unix)]
            Self::Unix(_) => Ok(None),
            #[cfg(feature = "simulation")]
            Self::Simulated(acceptor) => acceptor.local_address(),
        }
    }
}

impl Source for Acceptor {
    fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        interests: Interest,
    ) -> io::Result<()> {
        match self {
            Self::Tcp(listener) => listener.register(registry, token, interests),
            #[cfg(unix)]
            Self::Unix(listener) => listener.register(registry, token, interests),
            #[cfg(feature = "simulation")]
            Self::Simulated(acceptor) => acceptor.register(registry, token, interests),
        }
    }

    fn reregister(
        &mut self,
        registry: &Registry,
        token: Token,
        interests: Interest,
    ) -> io::Result<()> {
        match self {
            Self::Tcp(listener) => listener.reregister(registry, token, interests),
            #[cfg(unix)]
            Self::Unix(listener) => listener.reregister(registry, token, interests),
            #[cfg(feature = "simulation")]
            Self::Simulated(acceptor) => acceptor.reregister(registry, token, interests),
        }
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        match self {
            Self::Tcp(listener) => listener.deregister(registry),
            #[cfg(unix)]
            Self::Unix(listener) => listener.deregister(registry),
            #[cfg(feature = "simulation")]
            Self::Simulated(acceptor) => acceptor.deregister(registry),
        }
    }
}

/// The file of a Unix socket that we made. It is removed only if it is still the same file: its place may have been
/// taken by a successor's (libuv#1332).
#[derive(Debug)]
pub(crate) struct OwnedPath {
    path: std::path::PathBuf,
    identity: (u64, u64),
}

impl OwnedPath {
    /// Remembers the file at `path`, which was just made; `None` for a name that is no file.
    #[cfg(unix)]
    pub(crate) fn of(path: &Path) -> Option<Self> {
        Some(Self {
            path: path.into(),
            identity: identity_of(path)?,
        })
    }
}

impl Drop for OwnedPath {
    /// Removes the file if it is still the one that was made.
    fn drop(&mut self) {
        #[cfg(unix)]
        if identity_of(&self.path) == Some(self.identity) {
            // Nobody can do anything about a failure, and the path is reported as taken by the next who wants it.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(unix)]
fn identity_of(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::symlink_metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

/// A descriptor that is kept so that one can be had when the process has run out of them.
///
/// Giving it up makes room to accept one connection and to close it at once, so that the queue of the kernel does
/// not rot and the peer learns that it was refused (libuv's trick).
#[derive(Debug)]
pub(crate) struct Reserve {
    /// Where it is had from.
    system: System,
    held: Option<Spare>,
}

/// A descriptor of nothing.
#[derive(Debug)]
enum Spare {
    Kernel {
        #[expect(dead_code, reason = "it is only held, until it is dropped")]
        file: File,
    },
    #[cfg(feature = "simulation")]
    Simulated {
        #[expect(dead_code, reason = "it is only held, until it is dropped")]
        descriptor: simulated::Descriptor,
    },
}

impl Reserve {
    /// Takes the descriptor now, while there are some. A system without one simply has no reserve.
    pub(crate) fn new(system: &System) -> Self {
        let mut reserve = Self {
            system: system.clone(),
            held: None,
        };
        reserve.refill();
        reserve
    }

    /// Uses the reserve to accept one connection from `acceptor` and to reset it, and takes the reserve back.
    /// Says whether a connection was refused that way.
    pub(crate) fn refuse_one(&mut self, acceptor: &Acceptor) -> bool {
        #[cfg(feature = "simulation")]
        if let Acceptor::Simulated(acceptor) = acceptor {
            // Where descriptors are only said to be short, none has to be given up.
            if let Some(refused) = acceptor.refuse_one() {
                return refused;
            }
        }
        if self.held.take().is_none() {
            // Somebody else took the descriptor in an earlier episode; there may be one again.
            self.refill();
            return false;
        }
        let refused = match acceptor.accept() {
            Ok((stream, _)) => {
                // A reset tells the peer more than a clean end would. Where it cannot be had, the end must do.
                let _ = stream.reset_on_close();
                true
            }
            Err(_) => false,
        };
        self.refill();
        refused
    }

    fn refill(&mut self) {
        self.held = match &self.system {
            #[cfg(feature = "simulation")]
            System::Simulated(host) => host
                .spare_descriptor()
                .map(|descriptor| Spare::Simulated { descriptor }),
            _ => File::open(if cfg!(windows) { "NUL" } else { "/dev/null" })
                .ok()
                .map(|file| Spare::Kernel { file }),
        };
    }
}

/// Linux copies TCP_NODELAY and SO_KEEPALIVE from the listener to what it accepts, which saves two calls for each
/// connection. Other systems are not relied on.
const INHERITS_OPTIONS: bool = cfg!(any(target_os = "linux", target_os = "android"));

fn backlog(binding: &Binding) -> i32 {
    i32::try_from(binding.backlog).unwrap_or(i32::MAX)
}

/// SO_REUSEPORT only where the kernel shares out the connections, as libuv has it: elsewhere the newest socket
/// would silently get them all.
fn reuse_port(socket: &Socket) -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    return socket.set_reuse_port(true);
    #[cfg(target_os = "freebsd")]
    return socket.set_reuse_port_lb(true);
    #[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
    {
        let _ = socket;
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "this system does not share out connections between sockets on one port",
        ))
    }
}
