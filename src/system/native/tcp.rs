//! TCP sockets of the operating system.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::time::Duration;

use mio::net::TcpStream;
use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};

use super::shared::Descriptor;
use super::{Adopted, Shared, shared_ports, socket};
use crate::system::errno::is_shut_down;
use crate::system::options::{self, KeepAliveTimes};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConnectStep {
    Bind,
    /// Opening the socket or connecting it.
    Connect,
}

/// Opens a socket for a connect to `address`, and binds it to `local` if that is given. No packet is sent.
pub(crate) fn open(
    address: SocketAddr,
    local: Option<SocketAddr>,
) -> Result<TcpStream, (ConnectStep, io::Error)> {
    let opening = |error| (ConnectStep::Connect, error);
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )
    .map_err(opening)?;
    socket.set_nonblocking(true).map_err(opening)?;
    socket::suppress_pipe_signal(&socket).map_err(opening)?;
    if let Some(local) = local {
        let binding = |error| (ConnectStep::Bind, error);
        #[cfg(unix)]
        socket.set_reuse_address(true).map_err(binding)?;
        shared_ports::bind(&socket, local).map_err(binding)?;
    }
    Ok(TcpStream::from_std(socket.into()))
}

/// Starts to connect a socket, which is [open] for `address` and `local`. If `local` has port 0, and the port that
/// Linux chose already has a connection to `address`, connects another socket from another port instead.
pub(crate) fn connect(
    stream: TcpStream,
    address: SocketAddr,
    local: Option<SocketAddr>,
) -> io::Result<TcpStream> {
    let error = match start_connecting(&stream, address) {
        Ok(()) => return Ok(stream),
        Err(error) => error,
    };
    let is_taken = error.kind() == io::ErrorKind::AddrNotAvailable;
    let Some(local) = local.filter(|&local| is_taken && shared_ports::can_share(local)) else {
        return Err(error);
    };
    drop(stream);
    for candidate in shared_ports::candidates(local) {
        let Ok(stream) = open(address, Some(candidate)) else {
            continue;
        };
        match start_connecting(&stream, address) {
            Ok(()) => return Ok(stream),
            Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => {}
            Err(error) => return Err(error),
        }
    }
    Err(error)
}

pub(crate) fn start_connecting(stream: &TcpStream, address: SocketAddr) -> io::Result<()> {
    socket::start_connecting(&SockRef::from(stream), &SockAddr::from(address))
}

pub(crate) fn adopt(stream: Shared<std::net::TcpStream>) -> io::Result<Adopted<Shared<TcpStream>>> {
    let socket = stream.get().as_socket();
    socket::check_stream(&socket)?;
    let (peer, error) = socket::check_connected(&socket, stream.get().peer_addr())?;
    socket.set_nonblocking(true)?;
    socket::suppress_pipe_signal(&socket)?;
    Ok(Adopted {
        stream: stream.map(TcpStream::from_std),
        peer,
        error,
    })
}

pub(crate) fn finish_connecting(stream: &TcpStream) -> io::Result<bool> {
    socket::is_connected(stream.take_error()?, || stream.peer_addr().map(drop))
}

#[inline]
pub(crate) fn send(stream: &TcpStream, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    // Sends within `try_io`, because mio re-arms its selector there on Windows.
    stream.try_io(|| socket::send(&SockRef::from(stream), slices))
}

pub(crate) fn peek(stream: &TcpStream) -> io::Result<usize> {
    stream.peek(&mut [0])
}

/// Sets SO_LINGER to 0, so that the close sends a reset. As in libuv, succeeds also if the connection is gone already.
pub(crate) fn reset_on_close(stream: &TcpStream) -> io::Result<()> {
    match SockRef::from(stream).set_linger(Some(Duration::ZERO)) {
        Err(error) if is_shut_down(&error) => Ok(()),
        done => done,
    }
}

pub(crate) fn set_keep_alive(stream: &TcpStream, times: Option<KeepAliveTimes>) -> io::Result<()> {
    options::set_keep_alive(&SockRef::from(stream), times)
}

pub(crate) fn set_type_of_service(stream: &TcpStream, value: u8) -> io::Result<()> {
    let socket = SockRef::from(stream);
    match stream.local_addr()? {
        SocketAddr::V4(_) => socket.set_tos_v4(value.into()),
        SocketAddr::V6(_) => traffic_class::set(&socket, value),
    }
}

pub(crate) fn type_of_service(stream: &TcpStream) -> io::Result<u32> {
    let socket = SockRef::from(stream);
    match stream.local_addr()? {
        SocketAddr::V4(_) => socket.tos_v4(),
        SocketAddr::V6(_) => traffic_class::of(&socket),
    }
}

/// IPV6_TCLASS, on the systems for which socket2 has the option.
mod traffic_class {
    use std::io;

    use socket2::SockRef;

    #[cfg(any(
        target_os = "linux",
        target_os = "android",
        target_os = "freebsd",
        target_vendor = "apple"
    ))]
    pub(super) fn set(socket: &SockRef<'_>, value: u8) -> io::Result<()> {
        socket.set_tclass_v6(value.into())
    }

    #[cfg(any(
        target_os = "linux",
        target_os = "android",
        target_os = "freebsd",
        target_vendor = "apple"
    ))]
    pub(super) fn of(socket: &SockRef<'_>) -> io::Result<u32> {
        socket.tclass_v6()
    }

    #[cfg(not(any(
        target_os = "linux",
        target_os = "android",
        target_os = "freebsd",
        target_vendor = "apple"
    )))]
    pub(super) fn set(_: &SockRef<'_>, _: u8) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    #[cfg(not(any(
        target_os = "linux",
        target_os = "android",
        target_os = "freebsd",
        target_vendor = "apple"
    )))]
    pub(super) fn of(_: &SockRef<'_>) -> io::Result<u32> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
