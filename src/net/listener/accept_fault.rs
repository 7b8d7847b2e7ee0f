//! The classification of failed `accept` calls, by what the listener does next.

use std::io;

use crate::net::error::Errno;

/// The cause of a failed `accept`, which decides the next step of the listener.
///
/// Many event loops treat all causes alike. Then one bad peer slows all others down, or a listener that ran out of
/// descriptors never accepts again. With edge-triggered polling, no event reports free descriptors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AcceptFault {
    /// The process or the system has run out of descriptors or memory. The listener backs off and tries again by
    /// itself, because no edge will report the end of the shortage.
    Exhausted,
    /// The connection at the head of the backlog has failed, and the next may be fine. The listener accepts on at once.
    Transient,
    /// A signal interrupted the call. The listener repeats the call.
    Interrupted,
    /// No peer waits. The next edge reports a peer.
    WouldBlock,
    /// The listening socket itself seems broken. Several such failures in a row end the listener.
    Fatal,
}

/// Returns the cause of `error`, which a call of `accept` has returned.
pub(crate) fn classify_accept(error: &io::Error) -> AcceptFault {
    let Some(errno) = Errno::of(error) else {
        return AcceptFault::Fatal;
    };
    match errno.name {
        "EAGAIN" => AcceptFault::WouldBlock,
        "EINTR" => AcceptFault::Interrupted,
        "EMFILE" | "ENFILE" | "ENOBUFS" | "ENOMEM" => AcceptFault::Exhausted,
        // Linux returns errors that are pending on the new connection (accept(2)). A connection that a firewall forbids
        // gives EPERM. Winsock returns ENOTCONN for a peer that has reset the connection already.
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
    fn a_shortage_is_recognised_without_a_kind_in_std() {
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
    fn waiting_is_no_failure() {
        assert_eq!(fault("EAGAIN"), AcceptFault::WouldBlock);
        assert_eq!(fault("EINTR"), AcceptFault::Interrupted);
    }

    #[test]
    fn an_error_of_the_listener_itself_is_fatal() {
        for errno in ["EBADF", "EINVAL", "ENOTSOCK", "EFAULT"] {
            assert_eq!(fault(errno), AcceptFault::Fatal, "{errno}");
        }
        assert_eq!(
            classify_accept(&io::Error::other("what?")),
            AcceptFault::Fatal
        );
    }
}
