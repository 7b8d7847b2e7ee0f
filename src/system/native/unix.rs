//! Unix domain sockets of the operating system.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;

use mio::net::UnixStream;
use socket2::{Domain, SockAddr, SockRef, Socket, Type};

use super::shared::Descriptor;
use super::{Adopted, Shared, socket};

pub(crate) fn connect(path: &Path) -> io::Result<UnixStream> {
    let address = SockAddr::unix(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket::suppress_pipe_signal(&socket)?;
    socket::start_connecting(&socket, &address)?;
    let stream = std::os::unix::net::UnixStream::from(OwnedFd::from(socket));
    Ok(UnixStream::from_std(stream))
}

pub(crate) fn adopt(
    stream: Shared<std::os::unix::net::UnixStream>,
) -> io::Result<Adopted<Shared<UnixStream>>> {
    let socket = stream.get().as_socket();
    socket::check_stream(&socket)?;
    let (_, error) = socket::check_connected(&socket, stream.get().peer_addr())?;
    socket.set_nonblocking(true)?;
    socket::suppress_pipe_signal(&socket)?;
    Ok(Adopted {
        stream: stream.map(UnixStream::from_std),
        peer: None,
        error,
    })
}

pub(crate) fn finish_connecting(stream: &UnixStream) -> io::Result<bool> {
    socket::is_connected(stream.take_error()?, || stream.peer_addr().map(drop))
}

pub(crate) fn send(stream: &UnixStream, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    stream.try_io(|| socket::send(&SockRef::from(stream), slices))
}

pub(crate) fn peek(stream: &UnixStream) -> io::Result<usize> {
    stream.try_io(|| SockRef::from(stream).peek(&mut [MaybeUninit::uninit()]))
}
