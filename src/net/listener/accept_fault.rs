//! The classification of failed `accept` calls, by what the listener does next.

use std::io;

use crate::net::error::Errno;

/// The cause of a failed `accept`. If all causes were treated alike, as in many event loops, one bad peer would slow
/// all others down. Or a listener without descriptors would never accept again, because no edge reports free ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AcceptFault {
    /// The process or the system has run out of descriptors. The listener refuses one peer, backs off and tries again
    /// by itself.
    OutOfDescriptors,
    /// The system has run out of memory. The listener backs off, and refuses no peer: no descriptor would help.
    OutOfMemory,
    /// The first connection of the backlog has failed, or a signal has interrupted the call. The listener accepts again
    /// at once. After several in a row it backs off, because the cause may be permanent (such as seccomp).
    Transient,
    WouldBlock,
    /// The listening socket itself is broken. Several such failures in a row end the listener.
    Fatal,
}

/// Returns the cause of `error`; transient for an unknown one, because another try costs little, and fatal failures end
/// the server.
pub(crate) fn classify_accept(error: &io::Error) -> AcceptFault {
    let name = Errno::of(error).map(|errno| errno.name);
    let row = name.and_then(|name| ROWS.iter().find(|(_, names)| names.contains(&name)));
    row.map_or(AcceptFault::Transient, |(fault, _)| *fault)
}

/// The errors of accept(2) on Linux and POSIX, and of Winsock. ENOSR and ESOCKTNOSUPPORT of Linux have no row.
const ROWS: &[(AcceptFault, &[&str])] = &[
    (AcceptFault::WouldBlock, &["EAGAIN"]),
    (AcceptFault::OutOfDescriptors, &["EMFILE", "ENFILE"]),
    (AcceptFault::OutOfMemory, &["ENOBUFS", "ENOMEM"]),
    // Linux returns errors that are pending on the new connection (accept(2)): EPERM if a firewall forbids it, EACCES
    // for a security module. Winsock returns ENOTCONN for a peer that has reset already.
    (
        AcceptFault::Transient,
        &[
            "EINTR",
            "ECONNABORTED",
            "ECONNRESET",
            "EPERM",
            "EACCES",
            "EPROTO",
            "ETIMEDOUT",
            "ENETDOWN",
            "ENETUNREACH",
            "EHOSTDOWN",
            "EHOSTUNREACH",
            "ENONET",
            "ENOPROTOOPT",
            "EPROTONOSUPPORT",
            "ENOTSUP",
            "ENOTCONN",
        ],
    ),
    (
        AcceptFault::Fatal,
        &["EBADF", "EINVAL", "ENOTSOCK", "EFAULT"],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(errno: &str) -> AcceptFault {
        classify_accept(&Errno::named(errno).expect("it is in the table").to_io())
    }

    #[test]
    fn a_shortage_of_descriptors_is_no_shortage_of_memory() {
        assert_eq!(fault("EMFILE"), AcceptFault::OutOfDescriptors);
        // Windows has no table of descriptors for the whole system.
        #[cfg(unix)]
        assert_eq!(fault("ENFILE"), AcceptFault::OutOfDescriptors);
        for errno in ["ENOBUFS", "ENOMEM"] {
            assert_eq!(fault(errno), AcceptFault::OutOfMemory, "{errno}");
        }
    }

    #[test]
    fn one_connection_that_is_gone_is_no_fault_of_the_listener() {
        for errno in [
            "ECONNABORTED",
            "ECONNRESET",
            "EPERM",
            "EACCES",
            "EPROTO",
            "ENETDOWN",
            "ENETUNREACH",
            "EHOSTDOWN",
            "EHOSTUNREACH",
            "ENONET",
            "ENOPROTOOPT",
            "EPROTONOSUPPORT",
            "ENOTSUP",
            "ENOTCONN",
            "ETIMEDOUT",
        ] {
            assert_eq!(fault(errno), AcceptFault::Transient, "{errno}");
        }
    }

    #[test]
    fn a_signal_and_an_unknown_error_are_transient() {
        assert_eq!(fault("EINTR"), AcceptFault::Transient);
        // The table of errors has no row for ENOSR and ESOCKTNOSUPPORT.
        #[cfg(target_os = "linux")]
        for number in [libc::ENOSR, libc::ESOCKTNOSUPPORT] {
            let error = io::Error::from_raw_os_error(number);
            assert_eq!(classify_accept(&error), AcceptFault::Transient);
        }
        assert_eq!(
            classify_accept(&io::Error::other("what?")),
            AcceptFault::Transient
        );
    }

    #[test]
    fn waiting_is_no_failure() {
        assert_eq!(fault("EAGAIN"), AcceptFault::WouldBlock);
    }

    #[test]
    fn an_error_of_the_listener_itself_is_fatal() {
        for errno in ["EBADF", "EINVAL", "ENOTSOCK", "EFAULT"] {
            assert_eq!(fault(errno), AcceptFault::Fatal, "{errno}");
        }
    }

    #[test]
    fn no_error_is_in_two_rows() {
        let names: Vec<_> = ROWS.iter().flat_map(|(_, names)| names.iter()).collect();
        let mut different = names.clone();
        different.sort_unstable();
        different.dedup();
        assert_eq!(different.len(), names.len());
    }
}
