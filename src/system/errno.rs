//! The decisions that depend on an error number. The numbers come from `libc` or `windows-sys`, because they differ
//! between systems, and on Linux between processors.

use std::io;

/// Gives the number of an error, from its POSIX name and its Winsock name; `None` if the system has no such error.
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

/// Whether a read or a write failed only for lack of memory (ENOBUFS, ENOMEM). The connection is then intact.
pub(crate) fn is_out_of_buffers(error: &io::Error) -> bool {
    const ENOBUFS: Option<i32> = number!(ENOBUFS, WSAENOBUFS);
    is(error, ENOBUFS) || error.kind() == io::ErrorKind::OutOfMemory
}

/// Whether a signal or a lack of memory made the read or write fail. The same call may succeed if it is made again.
pub(crate) fn is_transient(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Interrupted || is_out_of_buffers(error)
}

/// Whether a registration failed only for lack of memory, or because of the system's limit on registrations (ENOSPC).
pub(crate) fn is_out_of_registrations(error: &io::Error) -> bool {
    is_out_of_buffers(error) || error.kind() == io::ErrorKind::StorageFull
}

/// Whether the error of a connect only means that the kernel continues to connect.
pub(super) fn is_in_progress(error: &io::Error) -> bool {
    // EINPROGRESS has no stable `ErrorKind`. On Windows the error of a connect under way is WSAEWOULDBLOCK.
    const EINPROGRESS: Option<i32> = number!(EINPROGRESS, WSAEWOULDBLOCK);
    // The kernel also continues a connect that a signal has interrupted (connect(2)).
    is(error, EINPROGRESS) || error.kind() == io::ErrorKind::Interrupted
}

/// Returns the error that libuv reports in the place of `error`. Apple's systems return EPROTOTYPE from a write to a
/// connection that was just reset. Windows also returns numbers outside of Winsock.
pub(crate) fn canonical(error: io::Error, is_of_write: bool) -> io::Error {
    let number = error.raw_os_error();
    let other = number.and_then(|number| canonical_number(number, is_of_write));
    other.map_or(error, io::Error::from_raw_os_error)
}

fn canonical_number(number: i32, is_of_write: bool) -> Option<i32> {
    const EPROTOTYPE: Option<i32> = number!(EPROTOTYPE, WSAEPROTOTYPE);
    const ECONNRESET: Option<i32> = number!(ECONNRESET, WSAECONNRESET);
    if is_of_write && Some(number) == EPROTOTYPE {
        return ECONNRESET;
    }
    let mut aliases = ALIASES.iter();
    aliases
        .find(|(it, _)| *it == number)
        .map(|(_, winsock)| *winsock)
}

/// The numbers outside of Winsock that Windows returns for errors of a connection (`win/error.c` of libuv).
#[cfg(windows)]
const ALIASES: &[(i32, i32)] = {
    use windows_sys::Win32::Networking::WinSock::{
        WSAECONNABORTED, WSAECONNREFUSED, WSAECONNRESET, WSAEHOSTUNREACH, WSAENETUNREACH,
        WSAENOTCONN, WSAESHUTDOWN, WSAETIMEDOUT,
    };
    &[
        (64, WSAECONNRESET),     // ERROR_NETNAME_DELETED
        (121, WSAETIMEDOUT),     // ERROR_SEM_TIMEOUT
        (230, WSAESHUTDOWN),     // ERROR_BAD_PIPE
        (233, WSAESHUTDOWN),     // ERROR_PIPE_NOT_CONNECTED
        (1225, WSAECONNREFUSED), // ERROR_CONNECTION_REFUSED
        (1231, WSAENETUNREACH),  // ERROR_NETWORK_UNREACHABLE
        (1232, WSAEHOSTUNREACH), // ERROR_HOST_UNREACHABLE
        (1236, WSAECONNABORTED), // ERROR_CONNECTION_ABORTED
        (2250, WSAENOTCONN),     // ERROR_NOT_CONNECTED
    ]
};
#[cfg(not(windows))]
const ALIASES: &[(i32, i32)] = &[];

/// Whether `error` is EINVAL. Apple's systems and Solaris return it from `setsockopt` and `getpeername` once the
/// connection is gone.
pub(super) fn is_shut_down(error: &io::Error) -> bool {
    const EINVAL: Option<i32> = number!(EINVAL, WSAEINVAL);
    is(error, EINVAL)
}

/// Returns the error of a connect that failed at once. OpenBSD returns EINVAL in the place of ECONNREFUSED.
pub(super) fn of_connect(error: io::Error) -> io::Error {
    match cfg!(target_os = "openbsd") && is_shut_down(&error) {
        true => io::ErrorKind::ConnectionRefused.into(),
        false => error,
    }
}

fn is(error: &io::Error, number: Option<i32>) -> bool {
    number.is_some() && error.raw_os_error() == number
}

const TRIES: u32 = 8;

/// Makes `call`, and repeats it while a signal interrupts it. Returns EINTR after [`TRIES`] interrupted calls.
#[inline]
pub(super) fn retry_interrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    for _ in 1..TRIES {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
    call()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_prototype_of_a_write_is_a_reset() {
        let Some(prototype) = number!(EPROTOTYPE, WSAEPROTOTYPE) else {
            return;
        };
        let error = || io::Error::from_raw_os_error(prototype);
        let written = canonical(error(), true);
        assert_eq!(written.kind(), io::ErrorKind::ConnectionReset);
        assert_eq!(canonical(error(), false).raw_os_error(), Some(prototype));
        let own = canonical(io::ErrorKind::BrokenPipe.into(), true);
        assert_eq!(own.kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    #[cfg(windows)]
    fn a_deleted_network_name_is_a_reset() {
        let error = canonical(io::Error::from_raw_os_error(64), false);
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }
}
