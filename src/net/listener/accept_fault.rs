//! What a failed `accept` means for the listener.

use std::io;

use crate::net::error::Errno;

/// Whose fault a failed `accept` is, and so what to do next.
///
/// Most loops have only one answer, and then either one bad peer slows all others, or the listener is deaf after
/// the first shortage: with edge-triggered polling no new event comes when descriptors are free again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AcceptFault {
    /// The process or the system has run out of descriptors or memory: rest, and come back without being told.
    Exhausted,
    /// This one connection is gone, and the next may be fine: go on at once, for the count only.
    Transient,
    /// A signal came first: the same call again.
    Interrupted,
    /// Nobody waits: the next edge tells.
    WouldBlock,
    /// The listener itself seems broken. Once may be bad luck; several in a row are the end of it.
    Fatal,
}

/// What `error`, given by `accept`, means.
pub(crate) fn classify_accept(error: &io::Error) -> AcceptFault {
    let Some(errno) = Errno::of(error) else {
        return AcceptFault::Fatal;
    };
    match errno.name {
        "EAGAIN" => AcceptFault::WouldBlock,
        "EINTR" => AcceptFault::Interrupted,
        "EMFILE" | "ENFILE" | "ENOBUFS" | "ENOMEM" => AcceptFault::Exhausted,
        // Linux passes on errors that are pending on the new connection (accept(2)), a firewall refuses with
        // EPERM, and Winsock has ENOTCONN for a peer that has reset already.
        "ECONNABORTED" | "ECONNRESET" | "EPERM" | "EPROTO" | "ETIMEDOUT" | "ENETDOWN"
        | "ENETUNREACH" | "EHOSTDOWN" | "EHOSTUNREACH" | "ENONET" | "ENOPROTOOPT" | "ENOTSUP"
        | "ENOTCONN" => AcceptFault::Transient,
        _ => AcceptFault::Fatal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(errno: &str) -> AcceptFault {
        classify_accept(&Errno::named(errno).expect("it is in the table").to_io())
    }

    #[test]
    fn shortages_rest_although_the_standard_library_has_no_kind_for_them() {
        for errno in ["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"] {
            assert_eq!(fault(errno), AcceptFault::Exhausted, "{errno}");
        }
    }

    #[test]
    fn one_connection_that_is_gone_is_no_fault_of_the_listener() {
        for errno in [
            "ECONNABORTED",
            "ECONNRESET",
            "EPERM",
            "EPROTO",
            "ENETDOWN",
            "ENETUNREACH",
            "EHOSTDOWN",
            "EHOSTUNREACH",
            "ENOPROTOOPT",
            "ENOTSUP",
            "ETIMEDOUT",
        ] {
            assert_eq!(fault(errno), AcceptFault::Transient, "{errno}");
        }
    }

    #[test]
    fn waiting_is_told_from_failing() {
        assert_eq!(fault("EAGAIN"), AcceptFault::WouldBlock);
        assert_eq!(fault("EINTR"), AcceptFault::Interrupted);
    }

    #[test]
    fn a_listener_that_is_none_is_broken() {
        for errno in ["EBADF", "EINVAL", "ENOTSOCK", "EFAULT"] {
            assert_eq!(fault(errno), AcceptFault::Fatal, "{errno}");
        }
        assert_eq!(
            classify_accept(&io::Error::other("what?")),
            AcceptFault::Fatal
        );
    }
}
