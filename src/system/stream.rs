//! One end of a connection: connect, read, write, shut down.

use std::io::{self, IoSlice, Read, Write};
use std::net::SocketAddr;

use mio::event::Source;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};

#[cfg(unix)]
use super::native::Input;
#[cfg(feature = "simulation")]
use super::simulated;
use super::{CLOSE_DEREGISTERS, SHORT_TRANSFER_DRAINS};

/// A send to a peer that has gone must be an error and not SIGPIPE: a host in C or C++ may have left that signal
/// at its default, which ends the process (std protects `write` but not `write_vectored`).
#[cfg(any(target_os = "linux", target_os = "android"))]
const NO_SIGNAL: i32 = 0x4000;
#[cfg(any(target_os = "freebsd", target_os = "dragonfly"))]
const NO_SIGNAL: i32 = 0x20000;
#[cfg(any(target_os = "openbsd", target_os = "netbsd"))]
const NO_SIGNAL: i32 = 0x400;
#[cfg(any(target_os = "illumos", target_os = "solaris"))]
const NO_SIGNAL: i32 = 0x200;
/// Apple has no such flag (the socket option SO_NOSIGPIPE is set instead), and Windows has no such signal.
#[cfg(not(any(
    target_os = "linux",
    target_os = "android",
    target_os = "freebsd",
    target_os = "dragonfly",
    target_os = "openbsd",
    target_os = "netbsd",
    target_os = "illumos",
    target_os = "solaris",
)))]
const NO_SIGNAL: i32 = 0;

/// One end of a byte stream.
#[derive(Debug)]
pub(crate) enum Stream {
    /// A TCP socket.
    Tcp(TcpStream),
    /// A Unix domain stream socket.
    #[cfg(unix)]
    Unix(mio::net::UnixStream),
    /// Something that can only be read, such as standard input.
    #[cfg(unix)]
    Input(Input),
    /// A socket of a simulated network.
    #[cfg(feature = "simulation")]
    Simulated(simulated::Stream),
}

impl Stream {
    /// Starts to connect to `address`, from `local` if that is given. The connection exists when the socket
    /// becomes writable and [`Stream::finish_connecting`] says so.
    ///
    /// The error names the call that failed, since binding and connecting fail for different reasons.
    pub(crate) fn connect(
        address: SocketAddr,
        local: Option<SocketAddr>,
    ) -> Result<Self, (ConnectStep, io::Error)> {
        let opened = |error| (ConnectStep::Connect, error);
        let socket = Socket::new(
            Domain::for_address(address),
            Type::STREAM,
            Some(Protocol::TCP),
        )
        .map_err(opened)?;
        socket.set_nonblocking(true).map_err(opened)?;
        suppress_pipe_signal(&socket).map_err(opened)?;
        if let Some(local) = local {
            let bound = |error| (ConnectStep::Bind, error);
            #[cfg(unix)]
            socket.set_reuse_address(true).map_err(bound)?;
            socket.bind(&SockAddr::from(local)).map_err(bound)?;
        }
        start(&socket, &SockAddr::from(address)).map_err(opened)?;
        Ok(Self::Tcp(TcpStream::from_std(socket.into())))
    }

    /// Starts to connect to the Unix socket at `path`; a leading NUL names Linux's abstract namespace.
    #[cfg(unix)]
    pub(crate) fn connect_path(path: &std::path::Path) -> io::Result<Self> {
        let address = SockAddr::unix(path)?;
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        suppress_pipe_signal(&socket)?;
        start(&socket, &address)?;
        let stream = std::os::unix::net::UnixStream::from(std::os::fd::OwnedFd::from(socket));
        Ok(Self::Unix(mio::net::UnixStream::from_std(stream)))
    }

    /// Takes over a connected socket of the standard library.
    pub(crate) fn adopt_tcp(stream: std::net::TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        suppress_pipe_signal(&SockRef::from(&stream))?;
        Ok(Self::Tcp(TcpStream::from_std(stream)))
    }

    /// Takes over a connected Unix socket of the standard library.
    #[cfg(unix)]
    pub(crate) fn adopt_unix(stream: std::os::unix::net::UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        suppress_pipe_signal(&SockRef::from(&stream))?;
        Ok(Self::Unix(mio::net::UnixStream::from_std(stream)))
    }

    /// Reads a duplicate of `descriptor`.
    #[cfg(unix)]
    pub(crate) fn adopt_input(descriptor: std::os::fd::BorrowedFd<'_>) -> io::Result<Self> {
        Ok(Self::Input(Input {
            file: descriptor.try_clone_to_owned()?.into(),
            pollable: true,
        }))
    }

    /// Asks, once the socket has become writable, how the connect went: `Ok(true)` it is there, `Ok(false)` the
    /// event was spurious, `Err` why it failed.
    pub(crate) fn finish_connecting(&self) -> io::Result<bool> {
        match self {
            Self::Tcp(stream) => {
                is_connected(stream.take_error()?, || stream.peer_addr().map(drop))
            }
            #[cfg(unix)]
            Self::Unix(stream) => {
                is_connected(stream.take_error()?, || stream.peer_addr().map(drop))
            }
            #[cfg(unix)]
            Self::Input(_) => Ok(true),
            #[cfg(feature = "simulation")]
            Self::Simulated(stream) => stream.finish_connecting(),
        }
    }

    /// Reads what is there, at most `buffer`, which is never empty: a read into nothing looks like an end. A signal may
    /// interrupt it; then there is as much to be done as before.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        debug_assert!(!buffer.is_empty(), "a read of 0 must mean the end");
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            #[cfg(unix)]
            Self::Unix(stream) => stream.read(buffer),
            #[cfg(unix)]
            Self::Input(input) => input.file.read(buffer),
            #[cfg(feature = "simulation")]
            Self::Simulated(stream) => stream.read(buffer),
        }
    }

    /// [`read`](Self::read), of what nearly every stream is; `None` for the others, which are to be read that way.
    // What comes from one place only is looked at where it comes from, and not put together first.
    #[inline(always)]
    pub(crate) fn read_usual(&mut self, buffer: &mut [u8]) -> Option<io::Result<usize>> {
        match self {
            Self::Tcp(stream) => Some(stream.read(buffer)),
            #[cfg(unix)]
            Self::Unix(_) | Self::Input(_) => None,
            #[cfg(feature = "simulation")]
            Self::Simulated(stream) => Some(stream.read(buffer)),
        }
    }

    /// [`write`](Self::write) of one piece, to what nearly every stream is; `None` for the others. The standard library's
    /// own `write` never raises SIGPIPE either. A signal may interrupt it.
    #[inline(always)]
    pub(crate) fn write_usual(&mut self, bytes: &[u8]) -> Option<io::Result<usize>> {
        match self {
            Self::Tcp(stream) => Some(stream.write(bytes)),
            #[cfg(unix)]
            Self::Unix(_) | Self::Input(_) => None,
            #[cfg(feature = "simulation")]
            Self::Simulated(stream) => Some(stream.write(&[IoSlice::new(bytes)])),
        }
    }

    /// Writes `slices` in one call, without ever raising SIGPIPE. `slices` is not empty and holds no empty one.
    #[inline]
    pub(crate) fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        loop {
            // `try_io` because mio re-arms its Windows selector inside it.
            let written = match self {
                Self::Tcp(stream) => stream.try_io(|| send(&SockRef::from(stream), slices)),
                #[cfg(unix)]
                Self::Unix(stream) => stream.try_io(|| send(&SockRef::from(stream), slices)),
                #[cfg(unix)]
                Self::Input(_) => Err(io::ErrorKind::BrokenPipe.into()),
                #[cfg(feature = "simulation")]
                Self::Simulated(stream) => stream.write(slices),
            };
            match written {
                Ok(written) => return Ok(written),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Sends a FIN behind everything that was written. That the peer has gone in the meantime is no failure.
    pub(crate) fn shutdown_write(&self) -> io::Result<()> {
        let done = match self {
            Self::Tcp(stream) => stream.shutdown(std::net::Shutdown::Write),
            #[cfg(unix)]
            Self::Unix(stream) => stream.shutdown(std::net::Shutdown::Write),
            #[cfg(unix)]
            Self::Input(_) => Ok(()),
            #[cfg(feature = "simulation")]
            Self::Simulated(stream) => stream.shutdown_write(),
        };
        match done {
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            done => done,
        }
    }

    /// The error that the kernel holds for this socket, which the call takes away.
    pub(crate) fn take_error(&self) -> Option<io::Error> {
        let error = match self {
            Self::Tcp(stream) => stream.take_error(),
            #[cfg(unix)]
            Self::Unix(stream) => stream.take_error(),
            #[cfg(unix)]
            Self::Input(_) => Ok(None),
            #[cfg(feature = "simulation")]
            Self::Simulated(stream) => Ok(stream.take_error()),
        };
        error.unwrap_or_else(Some)
    }

    /// The address at this end; `None` for what has none.
    pub(crate) fn local_address(&self) -> io::Result<Option<SocketAddr>> {
        match self {
            Self::Tcp(stream) => stream.local_addr().map(Some),
            #[cfg(unix)]
            Self::Unix(_) | Self::Input(_) => Ok(None),
            #[cfg(feature = "simulation")]
            Self::Simulated(stream) => stream.local_address(),
        }
    }

    /// The address at the other end; `None` for what has none.
    pub(crate) fn peer_address(&self) -> io::Result<Option<SocketAddr>> {
        match self {
            Self::Tcp(stream) => stream.peer_addr().map(Some),
            #[cfg(unix)]
            Self::Unix(_) | Self::Input(_) => Ok(None),
            #[cfg(feature = "simulation")]
            Self::Simulated(stream) => stream.peer_address(),
        }
    }

    /// Gives the descriptor away, to be used with the standard library. It must be deregistered.
    pub(crate) fn into_tcp(self) -> Result<std::net::TcpStream, Self> {
        match self {
            Self::Tcp(stream) => Ok(stream.into()),
            #[cfg(unix)]
            other => Err(other),
        }
    }

    /// As [`into_tcp`](Self::into_tcp), for Unix sockets.
    #[cfg(unix)]
    pub(crate) fn into_unix(self) -> Result<std::os::unix::net::UnixStream, Self> {
        match self {
            Self::Unix(stream) => Ok(stream.into()),
            other => Err(other),
        }
    }

    /// Whether a read or write that moved less than it could proves that the kernel has no more for now; see
    /// [`SHORT_TRANSFER_DRAINS`].
    #[inline]
    pub(crate) fn short_transfer_drains(&self) -> bool {
        match self {
            #[cfg(feature = "simulation")]
            Self::Simulated(stream) => stream.short_transfer_drains(),
            _ => SHORT_TRANSFER_DRAINS,
        }
    }

    /// Whether to close it takes it out of the selector, if it is the only descriptor of its socket.
    pub(crate) fn close_deregisters(&self) -> bool {
        match self {
            Self::Tcp(_) => CLOSE_DEREGISTERS,
            #[cfg(unix)]
            Self::Unix(_) => CLOSE_DEREGISTERS,
            #[cfg(unix)]
            Self::Input(_) => false,
            #[cfg(feature = "simulation")]
            Self::Simulated(_) => false,
        }
    }

    /// Whether a read may be followed by a second one that blocks the loop, because the descriptor is shared with
    /// programs that want it blocking.
    pub(crate) fn reads_may_block(&self) -> bool {
        #[cfg(unix)]
        if let Self::Input(input) = self {
            return input.pollable;
        }
        false
    }

    /// Whether it is only read, and there is no other side to wait for.
    pub(crate) fn is_input(&self) -> bool {
        #[cfg(unix)]
        return matches!(self, Self::Input(_));
        #[cfg(not(unix))]
        false
    }

    /// Whether the source is always ready, because the kernel has no readiness for it (a regular file).
    pub(crate) fn is_always_readable(&self) -> bool {
        #[cfg(unix)]
        if let Self::Input(input) = self {
            return !input.pollable;
        }
        false
    }
}

impl Source for Stream {
    fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        interests: Interest,
    ) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.register(registry, token, interests),
            #[cfg(unix)]
            Self::Unix(stream) => stream.register(registry, token, interests),
            #[cfg(unix)]
            Self::Input(input) => input.register(registry, token),
            #[cfg(feature = "simulation")]
            Self::Simulated(stream) => stream.register(registry, token, interests),
        }
    }

    fn reregister(
        &mut self,
        registry: &Registry,
        token: Token,
        interests: Interest,
    ) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.reregister(registry, token, interests),
            #[cfg(unix)]
            Self::Unix(stream) => stream.reregister(registry, token, interests),
            #[cfg(unix)]
            Self::Input(input) => input.reregister(registry, token),
            #[cfg(feature = "simulation")]
            Self::Simulated(stream) => stream.reregister(registry, token, interests),
        }
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.deregister(registry),
            #[cfg(unix)]
            Self::Unix(stream) => stream.deregister(registry),
            #[cfg(unix)]
            Self::Input(input) => input.deregister(registry),
            #[cfg(feature = "simulation")]
            Self::Simulated(stream) => stream.deregister(registry),
        }
    }
}

/// Which of the two calls behind `connect` failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConnectStep {
    /// Binding the local address.
    Bind,
    /// Opening the socket or connecting it.
    Connect,
}

/// Whether a connect has come to its end: the kernel holds its error, else it knows the peer as soon as there is one.
fn is_connected(
    error: Option<io::Error>,
    ask_peer: impl FnOnce() -> io::Result<()>,
) -> io::Result<bool> {
    if let Some(error) = error {
        return Err(error);
    }
    match ask_peer() {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
        Err(error) => Err(error),
    }
}

fn start(socket: &Socket, address: &SockAddr) -> io::Result<()> {
    match socket.connect(address) {
        Ok(()) => Ok(()),
        Err(error) if is_in_progress(&error) => Ok(()),
        Err(error) => Err(error),
    }
}

fn is_in_progress(error: &io::Error) -> bool {
    // EINPROGRESS has no stable `ErrorKind`; on Windows a connect under way would block. A connect that a signal
    // interrupted goes on in the background (connect(2)).
    #[cfg(unix)]
    {
        const EINPROGRESS: i32 = if cfg!(any(target_os = "linux", target_os = "android")) {
            115
        } else if cfg!(any(target_os = "illumos", target_os = "solaris")) {
            150
        } else {
            36
        };
        error.raw_os_error() == Some(EINPROGRESS) || error.kind() == io::ErrorKind::Interrupted
    }
    #[cfg(not(unix))]
    {
        error.kind() == io::ErrorKind::WouldBlock
    }
}

#[inline]
fn send(socket: &SockRef<'_>, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    match slices {
        // One slice is by far the most common case, and `send` is the cheaper call.
        [slice] => socket.send_with_flags(slice, NO_SIGNAL),
        slices => socket.send_vectored_with_flags(slices, NO_SIGNAL),
    }
}

/// Apple delivers SIGPIPE unless the socket itself forbids it.
#[cfg(target_vendor = "apple")]
fn suppress_pipe_signal(socket: &Socket) -> io::Result<()> {
    match socket.set_nosigpipe(true) {
        // Unix sockets of some versions refuse the option (socket2#631).
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        done => done,
    }
}

#[cfg(not(target_vendor = "apple"))]
#[expect(
    clippy::unnecessary_wraps,
    reason = "the same shape as on Apple's systems, where it can fail"
)]
fn suppress_pipe_signal(_socket: &Socket) -> io::Result<()> {
    Ok(())
}
