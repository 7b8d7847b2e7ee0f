//! What the system's error numbers are called, and how Node words them.
//!
//! The standard library has an [`io::ErrorKind`] for most of them, but none for the ones that matter most at accept
//! (EMFILE, ENFILE, ENOBUFS), and one kind for EACCES and EPERM together. So the number decides where it is known,
//! and the kind where it is not: on systems that are not in the table, and for errors that are not from the system.

use std::io::{self, ErrorKind};

/// A name of a system error and its wording, which is libuv's.
#[derive(Debug)]
pub(crate) struct Errno {
    /// `ECONNREFUSED` and the like.
    pub(crate) name: &'static str,
    /// What Node says of it.
    pub(crate) wording: &'static str,
    /// What this system says for it; 0 where it has no such error, or where we do not know.
    number: i32,
    /// The kind that means this error and no other row's; for EACCES, which shares its kind with EPERM, the likelier.
    kind: Option<ErrorKind>,
}

impl Errno {
    /// The row for an error: by its number, else by its kind.
    pub(crate) fn of(error: &io::Error) -> Option<&'static Self> {
        let number = error.raw_os_error().filter(|&number| number != 0);
        let by_number = number.and_then(|number| ERRORS.iter().find(|row| row.number == number));
        by_number.or_else(|| ERRORS.iter().find(|row| row.kind == Some(error.kind())))
    }

    /// The row with this name.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        ERRORS.iter().find(|row| row.name == name)
    }

    /// The error that the system would give.
    #[cfg(test)]
    pub(crate) fn to_io(&self) -> io::Error {
        match (self.number, self.kind) {
            (0, Some(kind)) => kind.into(),
            (0, None) => io::Error::other(self.wording),
            (number, _) => io::Error::from_raw_os_error(number),
        }
    }
}

/// The columns are Linux, the BSDs with Apple's systems, and Winsock. The commoner ones come first, since the search
/// is linear.
#[rustfmt::skip]
const ERRORS: &[Errno] = &[
    row("EAGAIN", "resource temporarily unavailable", [11, 35, 10035], Some(ErrorKind::WouldBlock)),
    row("ECONNRESET", "connection reset by peer", [104, 54, 10054], Some(ErrorKind::ConnectionReset)),
    row("ECONNREFUSED", "connection refused", [111, 61, 10061], Some(ErrorKind::ConnectionRefused)),
    row("EPIPE", "broken pipe", [32, 32, 0], Some(ErrorKind::BrokenPipe)),
    row("ETIMEDOUT", "connection timed out", [110, 60, 10060], Some(ErrorKind::TimedOut)),
    row("EADDRINUSE", "address already in use", [98, 48, 10048], Some(ErrorKind::AddrInUse)),
    row("EADDRNOTAVAIL", "address not available", [99, 49, 10049], Some(ErrorKind::AddrNotAvailable)),
    row("EACCES", "permission denied", [13, 13, 10013], Some(ErrorKind::PermissionDenied)),
    row("EPERM", "operation not permitted", [1, 1, 0], None),
    row("ENOENT", "no such file or directory", [2, 2, 0], Some(ErrorKind::NotFound)),
    row("EMFILE", "too many open files", [24, 24, 10024], None),
    row("ENFILE", "file table overflow", [23, 23, 0], None),
    row("ENOBUFS", "no buffer space available", [105, 55, 10055], None),
    row("ENOMEM", "not enough memory", [12, 12, 0], Some(ErrorKind::OutOfMemory)),
    row("ECONNABORTED", "software caused connection abort", [103, 53, 10053], Some(ErrorKind::ConnectionAborted)),
    row("ENOTCONN", "socket is not connected", [107, 57, 10057], Some(ErrorKind::NotConnected)),
    row("EHOSTUNREACH", "host is unreachable", [113, 65, 10065], Some(ErrorKind::HostUnreachable)),
    row("ENETUNREACH", "network is unreachable", [101, 51, 10051], Some(ErrorKind::NetworkUnreachable)),
    row("ENETDOWN", "network is down", [100, 50, 10050], Some(ErrorKind::NetworkDown)),
    row("EHOSTDOWN", "host is down", [112, 64, 10064], None),
    row("EINTR", "interrupted system call", [4, 4, 10004], Some(ErrorKind::Interrupted)),
    row("EINVAL", "invalid argument", [22, 22, 10022], Some(ErrorKind::InvalidInput)),
    row("EBADF", "bad file descriptor", [9, 9, 10009], None),
    row("ENOTSOCK", "socket operation on non-socket", [88, 38, 10038], None),
    row("EISCONN", "socket is already connected", [106, 56, 10056], None),
    row("EALREADY", "connection already in progress", [114, 37, 10037], None),
    row("EINPROGRESS", "operation in progress", [115, 36, 10036], None),
    row("EAFNOSUPPORT", "address family not supported", [97, 47, 10047], None),
    row("ENOTSUP", "operation not supported on socket", [95, 45, 10045], Some(ErrorKind::Unsupported)),
    row("EPROTONOSUPPORT", "protocol not supported", [93, 43, 10043], None),
    row("ENOPROTOOPT", "protocol not available", [92, 42, 10042], None),
    row("EPROTOTYPE", "protocol wrong type for socket", [91, 41, 10041], None),
    row("EPROTO", "protocol error", [71, PROTOCOL_ERROR_ON_BSD, 0], None),
    row("EDESTADDRREQ", "destination address required", [89, 39, 10039], None),
    row("EMSGSIZE", "message too long", [90, 40, 10040], None),
    row("ENONET", "machine is not on the network", [64, 0, 0], None),
    row("EEXIST", "file already exists", [17, 17, 0], Some(ErrorKind::AlreadyExists)),
    row("ENOTDIR", "not a directory", [20, 20, 0], Some(ErrorKind::NotADirectory)),
    row("EISDIR", "illegal operation on a directory", [21, 21, 0], Some(ErrorKind::IsADirectory)),
    row("ELOOP", "too many symbolic links encountered", [40, 62, 0], None),
    row("ENAMETOOLONG", "name too long", [36, 63, 0], None),
    row("EROFS", "read-only file system", [30, 30, 0], Some(ErrorKind::ReadOnlyFilesystem)),
    row("ENOSPC", "no space left on device", [28, 28, 0], Some(ErrorKind::StorageFull)),
    row("ENODEV", "no such device", [19, 19, 0], None),
    row("ENXIO", "no such device or address", [6, 6, 0], None),
    row("EFAULT", "bad address in system call argument", [14, 14, 10014], None),
    row("EIO", "i/o error", [5, 5, 0], None),
];

/// The BSDs do not agree on this one.
const PROTOCOL_ERROR_ON_BSD: i32 = if cfg!(target_vendor = "apple") {
    100
} else if cfg!(target_os = "netbsd") {
    96
} else if cfg!(target_os = "openbsd") {
    95
} else {
    92
};

const fn row(
    name: &'static str,
    wording: &'static str,
    numbers: [i32; 3],
    kind: Option<ErrorKind>,
) -> Errno {
    Errno {
        name,
        wording,
        number: number_here(numbers),
        kind,
    }
}

/// The number on this system, out of those of the three families.
const fn number_here([linux, bsd, winsock]: [i32; 3]) -> i32 {
    // Three processors have numbers of their own on Linux, from 35 on.
    let generic_linux = cfg!(any(target_os = "linux", target_os = "android"))
        && !cfg!(any(
            target_arch = "mips",
            target_arch = "mips64",
            target_arch = "mips32r6",
            target_arch = "mips64r6",
            target_arch = "sparc",
            target_arch = "sparc64",
        ));
    let is_bsd = cfg!(any(
        target_vendor = "apple",
        target_os = "freebsd",
        target_os = "dragonfly",
        target_os = "netbsd",
        target_os = "openbsd",
    ));
    if cfg!(windows) {
        winsock
    } else if generic_linux {
        linux
    } else if is_bsd {
        bsd
    } else if linux == bsd {
        // From the days before the systems parted, so every other Unix has it too.
        linux
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn numbers_and_kinds_agree_with_the_standard_library() {
        for row in ERRORS.iter().filter(|row| row.number != 0) {
            let kind = io::Error::from_raw_os_error(row.number).kind();
            match row.kind {
                Some(expected) => assert_eq!(kind, expected, "{}", row.name),
                // Without a row of its own, its kind would have named another one.
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
        let numbers: Vec<_> = ERRORS
            .iter()
            .map(|row| row.number)
            .filter(|&number| number != 0)
            .collect();
        assert_eq!(numbers.iter().collect::<HashSet<_>>().len(), numbers.len());
        let kinds: Vec<_> = ERRORS.iter().filter_map(|row| row.kind).collect();
        assert_eq!(kinds.iter().collect::<HashSet<_>>().len(), kinds.len());
    }

    #[test]
    fn the_number_decides_and_the_kind_only_where_it_is_unknown() {
        let name = |error: io::Error| Errno::of(&error).map(|errno| errno.name);
        if cfg!(unix) {
            // Two errors of one kind.
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
