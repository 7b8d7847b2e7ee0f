//! The names of the system's errors, and Node's wording for each.
//!
//! The number identifies an error. The kind could not: the errors that matter most to `accept` (EMFILE, ENFILE,
//! ENOBUFS) have no [`io::ErrorKind`], and EACCES and EPERM share one. The kind serves where there is no number, or no
//! row for it.

use std::io::{self, ErrorKind};

use crate::system::errno::number;

/// One row: the name of a system error, its wording (libuv's), and the number and kind that identify it.
#[derive(Debug)]
pub(crate) struct Errno {
    pub(crate) name: &'static str,
    pub(crate) wording: &'static str,
    /// The number on this system; `None` if the system has no such error.
    number: Option<i32>,
    /// The kind that identifies this row alone. `None` if there is none, and for EPERM, whose kind identifies EACCES.
    kind: Option<ErrorKind>,
}

impl Errno {
    pub(crate) fn of(error: &io::Error) -> Option<&'static Self> {
        let number = error.raw_os_error();
        let has_number = |row: &&Self| number.is_some() && row.number == number;
        let by_number = ERRORS.iter().find(has_number);
        by_number.or_else(|| ERRORS.iter().find(|row| row.kind == Some(error.kind())))
    }

    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        ERRORS.iter().find(|row| row.name == name)
    }

    #[cfg(test)]
    pub(crate) fn to_io(&self) -> io::Error {
        match (self.number, self.kind) {
            (Some(number), _) => io::Error::from_raw_os_error(number),
            (None, Some(kind)) => kind.into(),
            (None, None) => io::Error::other(self.wording),
        }
    }
}

/// The rows. The commoner errors come first, because the search is linear.
#[rustfmt::skip]
const ERRORS: &[Errno] = &[
    row("EAGAIN", "resource temporarily unavailable", number!(EAGAIN, WSAEWOULDBLOCK), Some(ErrorKind::WouldBlock)),
    row("ECONNRESET", "connection reset by peer", number!(ECONNRESET, WSAECONNRESET), Some(ErrorKind::ConnectionReset)),
    row("ECONNREFUSED", "connection refused", number!(ECONNREFUSED, WSAECONNREFUSED), Some(ErrorKind::ConnectionRefused)),
    row("EPIPE", "broken pipe", number!(EPIPE, WSAESHUTDOWN), Some(ErrorKind::BrokenPipe)),
    row("ETIMEDOUT", "connection timed out", number!(ETIMEDOUT, WSAETIMEDOUT), Some(ErrorKind::TimedOut)),
    row("EADDRINUSE", "address already in use", number!(EADDRINUSE, WSAEADDRINUSE), Some(ErrorKind::AddrInUse)),
    row("EADDRNOTAVAIL", "address not available", number!(EADDRNOTAVAIL, WSAEADDRNOTAVAIL), Some(ErrorKind::AddrNotAvailable)),
    row("EACCES", "permission denied", number!(EACCES, WSAEACCES), Some(ErrorKind::PermissionDenied)),
    row("EPERM", "operation not permitted", number!(EPERM), None),
    row("ENOENT", "no such file or directory", number!(ENOENT), Some(ErrorKind::NotFound)),
    row("EMFILE", "too many open files", number!(EMFILE, WSAEMFILE), None),
    row("ENFILE", "file table overflow", number!(ENFILE), None),
    row("ENOBUFS", "no buffer space available", number!(ENOBUFS, WSAENOBUFS), None),
    row("ENOMEM", "not enough memory", number!(ENOMEM), Some(ErrorKind::OutOfMemory)),
    row("ECONNABORTED", "software caused connection abort", number!(ECONNABORTED, WSAECONNABORTED), Some(ErrorKind::ConnectionAborted)),
    row("ENOTCONN", "socket is not connected", number!(ENOTCONN, WSAENOTCONN), Some(ErrorKind::NotConnected)),
    row("EHOSTUNREACH", "host is unreachable", number!(EHOSTUNREACH, WSAEHOSTUNREACH), Some(ErrorKind::HostUnreachable)),
    row("ENETUNREACH", "network is unreachable", number!(ENETUNREACH, WSAENETUNREACH), Some(ErrorKind::NetworkUnreachable)),
    row("ENETDOWN", "network is down", number!(ENETDOWN, WSAENETDOWN), Some(ErrorKind::NetworkDown)),
    row("EHOSTDOWN", "host is down", number!(EHOSTDOWN, WSAEHOSTDOWN), None),
    row("EINTR", "interrupted system call", number!(EINTR, WSAEINTR), Some(ErrorKind::Interrupted)),
    row("EINVAL", "invalid argument", number!(EINVAL, WSAEINVAL), Some(ErrorKind::InvalidInput)),
    row("EBADF", "bad file descriptor", number!(EBADF, WSAEBADF), None),
    row("ENOTSOCK", "socket operation on non-socket", number!(ENOTSOCK, WSAENOTSOCK), None),
    row("EISCONN", "socket is already connected", number!(EISCONN, WSAEISCONN), None),
    row("EALREADY", "connection already in progress", number!(EALREADY, WSAEALREADY), None),
    row("EINPROGRESS", "operation in progress", number!(EINPROGRESS, WSAEINPROGRESS), None),
    row("EAFNOSUPPORT", "address family not supported", number!(EAFNOSUPPORT, WSAEAFNOSUPPORT), None),
    row("ENOTSUP", "operation not supported on socket", number!(ENOTSUP, WSAEOPNOTSUPP), Some(ErrorKind::Unsupported)),
    row("EPROTONOSUPPORT", "protocol not supported", number!(EPROTONOSUPPORT, WSAEPROTONOSUPPORT), None),
    row("ENOPROTOOPT", "protocol not available", number!(ENOPROTOOPT, WSAENOPROTOOPT), None),
    row("EPROTOTYPE", "protocol wrong type for socket", number!(EPROTOTYPE, WSAEPROTOTYPE), None),
    row("EPROTO", "protocol error", number!(EPROTO), None),
    row("EDESTADDRREQ", "destination address required", number!(EDESTADDRREQ, WSAEDESTADDRREQ), None),
    row("EMSGSIZE", "message too long", number!(EMSGSIZE, WSAEMSGSIZE), None),
    row("ENONET", "machine is not on the network", ENONET, None),
    row("EEXIST", "file already exists", number!(EEXIST), Some(ErrorKind::AlreadyExists)),
    row("ENOTDIR", "not a directory", number!(ENOTDIR), Some(ErrorKind::NotADirectory)),
    row("EISDIR", "illegal operation on a directory", number!(EISDIR), Some(ErrorKind::IsADirectory)),
    row("ELOOP", "too many symbolic links encountered", number!(ELOOP), None),
    row("ENAMETOOLONG", "name too long", number!(ENAMETOOLONG), None),
    row("EROFS", "read-only file system", number!(EROFS), Some(ErrorKind::ReadOnlyFilesystem)),
    row("ENOSPC", "no space left on device", number!(ENOSPC), Some(ErrorKind::StorageFull)),
    row("ENODEV", "no such device", number!(ENODEV), None),
    row("ENXIO", "no such device or address", number!(ENXIO), None),
    row("EFAULT", "bad address in system call argument", number!(EFAULT, WSAEFAULT), None),
    row("EIO", "i/o error", number!(EIO), None),
];

#[cfg(any(target_os = "linux", target_os = "android"))]
const ENONET: Option<i32> = Some(libc::ENONET);
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const ENONET: Option<i32> = None;

const fn row(
    name: &'static str,
    wording: &'static str,
    number: Option<i32>,
    kind: Option<ErrorKind>,
) -> Errno {
    Errno {
        name,
        wording,
        number,
        kind,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn numbers_and_kinds_agree_with_the_standard_library() {
        let unknown = io::Error::from_raw_os_error(i32::MAX).kind();
        for row in ERRORS {
            let Some(number) = row.number else { continue };
            let kind = io::Error::from_raw_os_error(number).kind();
            if row.name == "ENOTSUP" && kind == unknown {
                // Rust 1.85 has no kind for ENOTSUP; newer versions have one.
                continue;
            }
            match row.kind {
                Some(expected) => assert_eq!(kind, expected, "{}", row.name),
                // The kind must not identify another row, except EPERM's, which identifies EACCES.
                None => assert!(
                    !ERRORS.iter().any(|other| other.kind == Some(kind)) || row.name == "EPERM",
                    "{}",
                    row.name
                ),
            }
        }
    }

    #[test]
    fn every_name_number_and_kind_is_there_once() {
        let names: HashSet<_> = ERRORS.iter().map(|row| row.name).collect();
        assert_eq!(names.len(), ERRORS.len());
        let numbers: Vec<_> = ERRORS.iter().filter_map(|row| row.number).collect();
        assert_eq!(numbers.iter().collect::<HashSet<_>>().len(), numbers.len());
        let kinds: Vec<_> = ERRORS.iter().filter_map(|row| row.kind).collect();
        assert_eq!(kinds.iter().collect::<HashSet<_>>().len(), kinds.len());
    }

    #[test]
    fn the_number_decides_and_the_kind_only_where_it_is_unknown() {
        let name = |error: io::Error| Errno::of(&error).map(|errno| errno.name);
        if cfg!(unix) {
            // EPERM and EACCES have the same kind, `PermissionDenied`.
            assert_eq!(name(io::Error::from_raw_os_error(1)), Some("EPERM"));
            assert_eq!(name(io::Error::from_raw_os_error(13)), Some("EACCES"));
        }
        assert_eq!(name(ErrorKind::PermissionDenied.into()), Some("EACCES"));
        assert_eq!(name(ErrorKind::ConnectionReset.into()), Some("ECONNRESET"));
        assert_eq!(
            name(io::Error::new(ErrorKind::TimedOut, "mine")),
            Some("ETIMEDOUT")
        );
        assert_eq!(name(ErrorKind::Other.into()), None);
    }
}
