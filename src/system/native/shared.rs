//! A socket whose descriptor may have duplicates outside of the loop.

use std::io;
use std::net::SocketAddr;

use mio::net::{TcpListener, TcpStream, UdpSocket};
#[cfg(unix)]
use mio::net::{UnixListener, UnixStream};
use socket2::SockRef;

/// A socket that may have other holders, because the user gave it to the loop or borrows its descriptor. Such a holder
/// may clear O_NONBLOCK, which applies to all, or set SO_LINGER, which makes `close(2)` wait. The connection stays open
/// until all holders have closed their descriptors. The type also stands for a TCP socket whose protocol is not plain
/// TCP (MPTCP, SCTP).
#[derive(Debug)]
pub(crate) struct Shared<T: Descriptor> {
    /// Invariant: `Some` until [`into_inner`](Self::into_inner) or [`map`](Self::map), which consume the value.
    socket: Option<T>,
    /// Whether the socket is TCP itself, and not a protocol above it or beside it (MPTCP, SCTP).
    is_plain_tcp: bool,
}

pub(crate) trait Descriptor {
    /// Whether this is a type of TCP sockets. Sockets of the other types ignore SO_LINGER.
    const IS_TCP: bool;

    fn as_socket(&self) -> SockRef<'_>;
}

impl<T: Descriptor> Shared<T> {
    pub(crate) fn new(socket: T) -> Self {
        Self {
            is_plain_tcp: T::IS_TCP && is_plain_tcp(&socket.as_socket()),
            socket: Some(socket),
        }
    }

    pub(crate) fn get(&self) -> &T {
        self.socket
            .as_ref()
            .expect("only a call that consumes the value takes it")
    }

    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.socket
            .as_mut()
            .expect("only a call that consumes the value takes it")
    }

    pub(crate) fn map<U: Descriptor>(mut self, change: impl FnOnce(T) -> U) -> Shared<U> {
        let socket = self
            .socket
            .take()
            .expect("only a call that consumes the value takes it");
        Shared {
            socket: Some(change(socket)),
            is_plain_tcp: self.is_plain_tcp,
        }
    }

    /// Returns the socket for use outside of the loop, and leaves SO_LINGER as the other holders have set it.
    pub(crate) fn into_inner(mut self) -> T {
        self.socket
            .take()
            .expect("only a call that consumes the value takes it")
    }

    pub(crate) fn is_plain_tcp(&self) -> bool {
        self.is_plain_tcp
    }

    /// Sets O_NONBLOCK before a call such as a read or an accept. Another holder may have cleared it, and may have
    /// taken what the kernel reported: the call would wait.
    // Costs a system call each time: std and socket2 have no safe `recv` with MSG_DONTWAIT into initialised memory.
    pub(crate) fn forbid_blocking(&self) -> io::Result<()> {
        self.get().as_socket().set_nonblocking(true)
    }
}

impl Shared<TcpListener> {
    /// Accepts a connection. The inner `Err` is a connection of a listener that is not plain TCP (MPTCP, SCTP).
    pub(crate) fn accept(&self) -> io::Result<(Result<TcpStream, Shared<TcpStream>>, SocketAddr)> {
        self.forbid_blocking()?;
        let (stream, peer) = self.get().accept()?;
        let stream = match self.is_plain_tcp {
            true => {
                // Another holder may have set SO_LINGER on the listener, and the connection inherits it.
                forbid_lingering(&stream.as_socket());
                Ok(stream)
            }
            false => Err(Shared::new(stream)),
        };
        Ok((stream, peer))
    }
}

impl<T: Descriptor> Drop for Shared<T> {
    fn drop(&mut self) {
        if let Some(socket) = self.socket.as_ref().filter(|_| T::IS_TCP) {
            forbid_lingering(&socket.as_socket());
        }
    }
}

/// Turns SO_LINGER off, unless its time is zero, which asks for a reset. On Linux `close(2)` waits for that time even
/// if the socket is non-blocking. Without the option the kernel sends the same bytes in the background.
pub(crate) fn forbid_lingering(socket: &SockRef<'_>) {
    if let Ok(Some(time)) = socket.linger() {
        if !time.is_zero() {
            let _ = socket.set_linger(None);
        }
    }
}

#[cfg(any(target_os = "android", target_os = "freebsd", target_os = "linux"))]
fn is_plain_tcp(socket: &SockRef<'_>) -> bool {
    matches!(socket.protocol(), Ok(Some(socket2::Protocol::TCP)))
}

/// Returns `true`: some of these systems do not tell the protocol, and on the others a short read proves nothing for
/// plain TCP either.
#[cfg(not(any(target_os = "android", target_os = "freebsd", target_os = "linux")))]
fn is_plain_tcp(_: &SockRef<'_>) -> bool {
    true
}

macro_rules! descriptors {
    ($($kind:ty: $is_tcp:literal),+ $(,)?) => {$(
        impl Descriptor for $kind {
            const IS_TCP: bool = $is_tcp;

            fn as_socket(&self) -> SockRef<'_> {
                SockRef::from(self)
            }
        }
    )+};
}

descriptors! {
    TcpStream: true,
    TcpListener: true,
    std::net::TcpStream: true,
    std::net::TcpListener: true,
    UdpSocket: false,
}

#[cfg(unix)]
descriptors! {
    UnixStream: false,
    UnixListener: false,
    std::os::unix::net::UnixStream: false,
    std::os::unix::net::UnixListener: false,
}
