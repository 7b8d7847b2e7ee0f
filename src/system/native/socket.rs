//! The calls that TCP and Unix sockets have in common, such as connect, send and peek.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;

use socket2::{SockAddr, SockRef, Socket, Type};

use crate::system::errno::{is_in_progress, is_shut_down, of_connect};

/// Makes a send to a peer that has gone return EPIPE without SIGPIPE. A host program in C or C++ may have left this
/// signal at its default, which ends the process. std passes this flag in `write` but not in `write_vectored`.
#[cfg(all(unix, not(any(target_vendor = "apple", target_os = "redox"))))]
const NO_SIGNAL: i32 = libc::MSG_NOSIGNAL;
/// No flag: on Apple's systems the socket option SO_NOSIGPIPE does the same, Windows has no such signal, and libc has
/// no such flag for Redox.
#[cfg(any(not(unix), target_vendor = "apple", target_os = "redox"))]
const NO_SIGNAL: i32 = 0;

/// Starts to connect a non-blocking socket. Succeeds also if the kernel only continues to connect.
pub(super) fn start_connecting(socket: &Socket, address: &SockAddr) -> io::Result<()> {
    match socket.connect(address) {
        Err(error) if is_in_progress(&error) => Ok(()),
        Err(error) => Err(of_connect(error)),
        Ok(()) => Ok(()),
    }
}

/// Returns whether a connect has succeeded, or its `error` (SO_ERROR). Returns `false` if the connect is under way.
pub(super) fn is_connected(
    error: Option<io::Error>,
    ask_peer: impl FnOnce() -> io::Result<()>,
) -> io::Result<bool> {
    if let Some(error) = error {
        return Err(error);
    }
    match ask_peer() {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
        // The connection was made and is gone already. The first read tells how it ended, as in libuv.
        Err(error) if is_shut_down(&error) => Ok(true),
        Err(error) => Err(error),
    }
}

/// Makes a send return EAGAIN rather than wait, even if another holder of the socket has cleared O_NONBLOCK.
#[cfg(unix)]
const DO_NOT_WAIT: i32 = libc::MSG_DONTWAIT;
#[cfg(not(unix))]
const DO_NOT_WAIT: i32 = 0;

#[inline]
pub(super) fn send(socket: &SockRef<'_>, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    match slices {
        // Nearly all sends have one slice, and `send` costs less than `sendmsg`.
        [slice] => socket.send_with_flags(slice, NO_SIGNAL | DO_NOT_WAIT),
        slices => socket.send_vectored_with_flags(slices, NO_SIGNAL | DO_NOT_WAIT),
    }
}

/// Looks at the first received byte, without waiting even if the socket is in blocking mode.
#[cfg(unix)]
pub(super) fn peek_at_once(socket: &SockRef<'_>) -> io::Result<usize> {
    socket.recv_with_flags(&mut [MaybeUninit::uninit()], libc::MSG_PEEK | DO_NOT_WAIT)
}

#[cfg(not(unix))]
pub(super) fn peek_at_once(socket: &SockRef<'_>) -> io::Result<usize> {
    socket.peek(&mut [MaybeUninit::uninit()])
}

/// Checks that `socket` has or had a connection. If it never had one, returns the error of `asked`, the result of
/// `getpeername`. That call also fails once the connection is over. For a connection that is over, returns the pending
/// error too, if no unread byte precedes it: the kernel does not return that error again.
pub(super) fn check_connected<T>(
    socket: &SockRef<'_>,
    asked: io::Result<T>,
) -> io::Result<(Option<T>, Option<io::Error>)> {
    let error = match asked {
        Ok(peer) => return Ok((Some(peer), None)),
        Err(error) => error,
    };
    match peek_at_once(socket) {
        // Bytes or an end can be read. The kernel still has an error that comes after them.
        Ok(_) => Ok((None, None)),
        Err(peeked) => match peeked.kind() {
            // The socket was never connected, is connecting, or listens.
            io::ErrorKind::NotConnected
            | io::ErrorKind::WouldBlock
            | io::ErrorKind::InvalidInput => Err(error),
            // The pending error of a connection that has failed.
            _ => Ok((None, Some(peeked))),
        },
    }
}

/// Checks that `socket` is a stream. On a socket that keeps messages apart, an empty message would look like the end.
pub(super) fn check_stream(socket: &SockRef<'_>) -> io::Result<()> {
    match socket.r#type()? {
        Type::STREAM => Ok(()),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the socket keeps messages apart (datagrams, SOCK_SEQPACKET), and a loop reads streams of bytes",
        )),
    }
}

#[cfg(target_vendor = "apple")]
pub(super) fn suppress_pipe_signal(socket: &Socket) -> io::Result<()> {
    match socket.set_nosigpipe(true) {
        // In some versions of the system Unix sockets refuse the option (socket2#631).
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        done => done,
    }
}

#[cfg(not(target_vendor = "apple"))]
#[expect(
    clippy::unnecessary_wraps,
    reason = "the same shape as on Apple's systems, where it can fail"
)]
pub(super) fn suppress_pipe_signal(_socket: &Socket) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connect_whose_peer_is_gone_already_has_succeeded() {
        let asked = |kind: io::ErrorKind| is_connected(None, || Err(kind.into()));
        assert!(!asked(io::ErrorKind::NotConnected).unwrap());
        assert!(asked(io::ErrorKind::PermissionDenied).is_err());
        #[cfg(unix)]
        let invalid = libc::EINVAL;
        #[cfg(windows)]
        let invalid = windows_sys::Win32::Networking::WinSock::WSAEINVAL;
        let gone = is_connected(None, || Err(io::Error::from_raw_os_error(invalid)));
        assert!(gone.unwrap(), "the first read tells how it went");
    }
}
