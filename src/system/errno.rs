//! The system's error numbers, and the decisions that depend on one.
//!
//! No number is written by hand: they differ between systems, and on Linux between processors.

use std::io;

/// The number of an error on this system, by its POSIX name and its Winsock name; `None` if the system has no such error.
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

/// Whether a failed write only tells that the kernel is short of memory (ENOBUFS, ENOMEM): the connection is intact.
pub(crate) fn is_out_of_buffers(error: &io::Error) -> bool {
    const ENOBUFS: Option<i32> = number!(ENOBUFS, WSAENOBUFS);
    is(error, ENOBUFS) || error.kind() == io::ErrorKind::OutOfMemory
}

/// Whether a failed connect goes on in the background.
pub(super) fn is_in_progress(error: &io::Error) -> bool {
    // EINPROGRESS has no stable `ErrorKind`. On Windows a connect under way would block.
    const EINPROGRESS: Option<i32> = number!(EINPROGRESS, WSAEWOULDBLOCK);
    // A connect that a signal has interrupted goes on too (connect(2)).
    is(error, EINPROGRESS) || error.kind() == io::ErrorKind::Interrupted
}

fn is(error: &io::Error, number: Option<i32>) -> bool {
    number.is_some() && error.raw_os_error() == number
}
