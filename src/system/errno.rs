//! The system's error numbers, and the decisions that depend on an error number.
//!
//! All numbers come from `libc` or `windows-sys`, because they differ between systems, and on Linux between processors.

use std::io;

/// Gives the number of an error on this system, from its POSIX name and its Winsock name; `None` if the system has no
/// such error.
macro_rules! number {
    ($posix:ident) => {{
        #[cfg(unix)]
        let number = Some(libc::$posix);
        #[cfg(not(unix))]
        let number: Option<i32> = None;
        number
    }};
    ($posix:ident, $winsock:ident) => {{
        #[cfg(unix)]
        let number = Some(libc::$posix);
        #[cfg(windows)]
        let number = Some(windows_sys::Win32::Networking::WinSock::$winsock);
        number
    }};
}

pub(crate) use number;

/// Whether a write failed only because the kernel is short of memory (ENOBUFS, ENOMEM). The connection is then intact.
pub(crate) fn is_out_of_buffers(error: &io::Error) -> bool {
    const ENOBUFS: Option<i32> = number!(ENOBUFS, WSAENOBUFS);
    is(error, ENOBUFS) || error.kind() == io::ErrorKind::OutOfMemory
}

/// Whether the error of a connect only means that the kernel continues to connect.
pub(super) fn is_in_progress(error: &io::Error) -> bool {
    // EINPROGRESS has no stable `ErrorKind`. On Windows the error of a connect under way is WSAEWOULDBLOCK.
    const EINPROGRESS: Option<i32> = number!(EINPROGRESS, WSAEWOULDBLOCK);
    // The kernel also continues a connect that a signal has interrupted (connect(2)).
    is(error, EINPROGRESS) || error.kind() == io::ErrorKind::Interrupted
}

fn is(error: &io::Error, number: Option<i32>) -> bool {
    number.is_some() && error.raw_os_error() == number
}
