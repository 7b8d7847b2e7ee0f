//! Sockets of the standard library, which a loop can adopt or return.

use std::net::{TcpListener, TcpStream};
#[cfg(unix)]
use std::os::unix::net::{UnixListener, UnixStream};

/// A connected socket of the standard library.
///
/// [`Socket::detach`](crate::Socket::detach) returns such a socket, which is non-blocking.
///
/// ```no_run
/// # use netloop::{EventLoop, SocketId};
/// # fn hand_over(event_loop: &mut EventLoop, id: SocketId) -> std::io::Result<()> {
/// if let Some((stream, unsent)) = event_loop.socket(id).detach() {
///     let mut stream = stream.into_tcp().expect("the server listens on a TCP port");
///     stream.set_nonblocking(false)?;
///     std::io::Write::write_all(&mut stream, &unsent)?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum StdStream {
    /// A TCP connection.
    Tcp(TcpStream),
    /// A connection over a Unix socket.
    #[cfg(unix)]
    Unix(UnixStream),
}

impl StdStream {
    /// Returns the TCP connection. For a connection of another kind, closes it and returns `None`.
    #[must_use]
    pub fn into_tcp(self) -> Option<TcpStream> {
        match self {
            Self::Tcp(stream) => Some(stream),
            #[cfg(unix)]
            Self::Unix(_) => None,
        }
    }

    /// Returns the connection over a Unix socket. For a connection of another kind, closes it and returns `None`.
    #[cfg(unix)]
    #[must_use]
    pub fn into_unix(self) -> Option<UnixStream> {
        match self {
            Self::Unix(stream) => Some(stream),
            Self::Tcp(_) => None,
        }
    }
}

impl From<TcpStream> for StdStream {
    fn from(stream: TcpStream) -> Self {
        Self::Tcp(stream)
    }
}

#[cfg(unix)]
impl From<UnixStream> for StdStream {
    fn from(stream: UnixStream) -> Self {
        Self::Unix(stream)
    }
}

/// A listening socket of the standard library.
///
/// [`Server::detach`](crate::Server::detach) returns such a listener, which is non-blocking.
///
/// ```
/// use netloop::{Context, EventLoop, SocketHandler};
/// # struct Echo;
/// # impl SocketHandler for Echo { fn on_data(&mut self, _: &mut Context<'_>, _: &[u8]) {} }
///
/// let mut event_loop: EventLoop = EventLoop::new()?;
/// let server = event_loop.listen("127.0.0.1:0", |_, _| Echo)?;
/// // Out of this loop, for another loop or process. The backlog stays.
/// let listener = event_loop.server(server).detach().expect("the server listens");
/// let listener = listener.into_tcp().expect("the server had an address, not a path");
/// println!("{}", listener.local_addr()?);
/// # Ok::<(), netloop::Error>(())
/// ```
#[derive(Debug)]
#[doc(alias = "BoundSocket")]
#[non_exhaustive]
pub enum StdListener {
    /// A listener on a TCP port.
    Tcp(TcpListener),
    /// A listener on a Unix socket.
    #[cfg(unix)]
    Unix(UnixListener),
}

impl StdListener {
    /// Returns the TCP listener. For a listener of another kind, closes it and returns `None`.
    #[must_use]
    pub fn into_tcp(self) -> Option<TcpListener> {
        match self {
            Self::Tcp(listener) => Some(listener),
            #[cfg(unix)]
            Self::Unix(_) => None,
        }
    }

    /// Returns the listener on a Unix socket. For a listener of another kind, closes it and returns `None`.
    #[cfg(unix)]
    #[must_use]
    pub fn into_unix(self) -> Option<UnixListener> {
        match self {
            Self::Unix(listener) => Some(listener),
            Self::Tcp(_) => None,
        }
    }
}
