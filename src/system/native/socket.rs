//! Connecting and sending, alike for TCP and Unix sockets.

use std::io::{self, IoSlice};

use socket2::{SockAddr, SockRef, Socket};

use crate::system::errno::is_in_progress;

/// The flag that turns SIGPIPE into an error, for a send to a peer that has gone.
///
/// A host in C or C++ may have left that signal at its default, which ends the process. std protects `write` but not
/// `write_vectored`.
#[cfg(all(unix, not(any(target_vendor = "apple", target_os = "redox"))))]
const NO_SIGNAL: i32 = libc::MSG_NOSIGNAL;
/// On Apple's systems a socket option, SO_NOSIGPIPE, does the same. Windows has no such signal.
#[cfg(any(not(unix), target_vendor = "apple", target_os = "redox"))]
const NO_SIGNAL: i32 = 0;

/// Starts to connect a non-blocking `socket`. A connect that goes on in the background is a success.
pub(super) fn start_connecting(socket: &Socket, address: &SockAddr) -> io::Result<()> {
    match socket.connect(address) {
        Err(error) if is_in_progress(&error) => Ok(()),
        done => done,
    }
}

/// Returns whether a connect has come to its end: the kernel holds its `error`, or else knows the peer.
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
        Err(error) => Err(error),
    }
}

/// Sends `slices` in one call, without SIGPIPE.
#[inline]
pub(super) fn send(socket: &SockRef<'_>, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    match slices {
        // One slice is by far the commonest case, and `send` is the cheaper call.
        [slice] => socket.send_with_flags(slice, NO_SIGNAL),
        slices => socket.send_vectored_with_flags(slices, NO_SIGNAL),
    }
}

/// Forbids SIGPIPE for `socket`: on Apple's systems the socket itself must forbid it.
#[cfg(target_vendor = "apple")]
pub(super) fn suppress_pipe_signal(socket: &Socket) -> io::Result<()> {
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
pub(super) fn suppress_pipe_signal(_socket: &Socket) -> io::Result<()> {
    Ok(())
}
