//! The codes of errors: the constants of this crate, and the codes that are derived from an [`io::Error`].

use std::io;

use super::errno::Errno;
use super::{Error, Syscall, inner};

/// The codes of the errors that do not come from the system.
impl Error {
    /// `ERR_INVALID_ARGUMENT`: an argument that is never valid. The text says why.
    pub const INVALID_ARGUMENT: &'static str = "ERR_INVALID_ARGUMENT";
    /// `ERR_SOCKET_BAD_PORT`: the port is not a number from 0 to 65535.
    pub const BAD_PORT: &'static str = "ERR_SOCKET_BAD_PORT";
    /// `ERR_SOCKET_CLOSED`: the socket is closed.
    pub const SOCKET_CLOSED: &'static str = "ERR_SOCKET_CLOSED";
    /// `ERR_SOCKET_CLOSED_BEFORE_CONNECTION`: the socket was closed before its connection was established.
    pub const CLOSED_BEFORE_CONNECTION: &'static str = "ERR_SOCKET_CLOSED_BEFORE_CONNECTION";
    /// `ERR_QUEUE_LIMIT`: the unsent bytes would pass `max_queued_bytes`.
    pub const QUEUE_LIMIT: &'static str = "ERR_QUEUE_LIMIT";
    /// `ERR_TOTAL_QUEUE_LIMIT`: the unsent bytes of all sockets would pass
    /// [`max_total_queued_bytes`](crate::Limits::max_total_queued_bytes), and this socket had the most.
    pub const TOTAL_QUEUE_LIMIT: &'static str = "ERR_TOTAL_QUEUE_LIMIT";
    /// `ERR_HANDLER_PANICKED`: a handler or a [filter](crate::Filter) panicked, and its socket was destroyed.
    pub const HANDLER_PANICKED: &'static str = "ERR_HANDLER_PANICKED";
    /// `ERR_INTERNAL`: a defect of this crate. The loop has closed the socket, and goes on. Please report it.
    pub const INTERNAL: &'static str = "ERR_INTERNAL";
    /// `ERR_IP_BLOCKED`: the address is on the block list.
    pub const IP_BLOCKED: &'static str = "ERR_IP_BLOCKED";
    /// `ERR_SOCKET_DGRAM_NOT_RUNNING`: the UDP socket is closed, or its name is being looked up.
    pub const DATAGRAM_NOT_RUNNING: &'static str = "ERR_SOCKET_DGRAM_NOT_RUNNING";
    /// `ERR_SOCKET_DGRAM_IS_CONNECTED`: the UDP socket is connected, and sends to its peer alone.
    pub const DATAGRAM_IS_CONNECTED: &'static str = "ERR_SOCKET_DGRAM_IS_CONNECTED";
    /// `ERR_SOCKET_DGRAM_NOT_CONNECTED`: the UDP socket has no peer, and the call names no address.
    pub const DATAGRAM_NOT_CONNECTED: &'static str = "ERR_SOCKET_DGRAM_NOT_CONNECTED";
    /// `ERR_FORKED`: this process was forked, and the loop belongs to its parent.
    pub const FORKED: &'static str = "ERR_FORKED";
    /// `ERR_LOOP_CLOSED`: the loop of this [`Remote`](crate::Remote) is gone.
    pub const LOOP_CLOSED: &'static str = "ERR_LOOP_CLOSED";
    /// `ERR_MAILBOX_FULL`: the number of posts that wait for the loop's thread is at its limit.
    pub const MAILBOX_FULL: &'static str = "ERR_MAILBOX_FULL";
    /// `ERR_INVALID_HANDLE_TYPE`: the method works on TCP sockets only, and the socket is of another kind.
    pub const INVALID_HANDLE_TYPE: &'static str = "ERR_INVALID_HANDLE_TYPE";
    /// `ERR_STREAM_WRITE_AFTER_END`: a write came after the end of this side.
    pub const WRITE_AFTER_END: &'static str = "ERR_STREAM_WRITE_AFTER_END";
    /// `ERR_NO_DESCRIPTOR`: the socket or server has no descriptor, because it is closed, simulated, or not made yet.
    pub const NO_DESCRIPTOR: &'static str = "ERR_NO_DESCRIPTOR";
    /// `ERR_INVALID_STATE`: the state of the socket does not allow the call.
    pub const INVALID_STATE: &'static str = "ERR_INVALID_STATE";
    /// `ERR_UNREAD_BYTES`: a filter cannot start, because bytes that came before its start are unread.
    pub const UNREAD_BYTES: &'static str = "ERR_UNREAD_BYTES";
    /// `ERR_FILTER`: a [filter](crate::Filter) has broken its contract, or its peer has ended too early.
    pub const FILTER: &'static str = "ERR_FILTER";
    /// `ERR_TLS_HANDSHAKE`: the handshake of TLS has failed. The commoner reasons to refuse a certificate have codes of
    /// their own, as in Node: `CERT_HAS_EXPIRED`, `ERR_TLS_CERT_ALTNAME_INVALID` and so on.
    #[cfg(feature = "tls")]
    pub const TLS_HANDSHAKE: &'static str = "ERR_TLS_HANDSHAKE";
    /// `ERR_TLS_PROTOCOL`: TLS has failed after its handshake.
    #[cfg(feature = "tls")]
    pub const TLS_PROTOCOL: &'static str = "ERR_TLS_PROTOCOL";
    /// `ERR_TLS_TRUNCATED`: the peer has ended without a close_notify, so that bytes may be missing.
    #[cfg(feature = "tls")]
    pub const TLS_TRUNCATED: &'static str = "ERR_TLS_TRUNCATED";
    /// `ERR_PROXY_HEADER`: a connection begins without a valid header of the PROXY protocol, or comes from an address that
    /// may not send one.
    pub const PROXY_HEADER: &'static str = "ERR_PROXY_HEADER";
    /// `ERR_OTHER`: an error that [`Error::other`] made, or an [`io::Error`] of no known kind.
    pub const OTHER: &'static str = "ERR_OTHER";
}

/// The code of an error without a row in the table of [`Errno`], if it comes from the system or from a failed call.
pub(super) const UNKNOWN: &str = "UNKNOWN";

pub(super) fn code_of(syscall: Option<Syscall>, error: &io::Error) -> &'static str {
    if syscall == Some(Syscall::Lookup) {
        if let Some(code) = lookup_code(error) {
            return code;
        }
    }
    match Errno::of(error) {
        Some(errno) => errno.name,
        None if error.raw_os_error().is_some() || syscall.is_some() => UNKNOWN,
        None => Error::OTHER,
    }
}

/// Returns the code of a failed lookup; `None` for any other error, such as EMFILE.
fn lookup_code(error: &io::Error) -> Option<&'static str> {
    if error.raw_os_error().is_some() {
        return winsock_lookup_code(error);
    }
    match error.kind() {
        io::ErrorKind::NotFound => Some("ENOTFOUND"),
        io::ErrorKind::WouldBlock | io::ErrorKind::ResourceBusy => Some("EAI_AGAIN"),
        _ => inner(error).map(Error::code),
    }
}

/// Whether only lookups have `code`. The text of such an error leaves out the wording.
pub(super) fn is_lookup_code(code: &str) -> bool {
    matches!(code, "ENOTFOUND" | "EAI_AGAIN")
}

#[cfg(windows)]
fn winsock_lookup_code(error: &io::Error) -> Option<&'static str> {
    use windows_sys::Win32::Networking::WinSock::{
        WSAHOST_NOT_FOUND, WSANO_DATA, WSANO_RECOVERY, WSATRY_AGAIN,
    };
    match error.raw_os_error()? {
        WSATRY_AGAIN => Some("EAI_AGAIN"),
        WSANO_RECOVERY | WSAHOST_NOT_FOUND | WSANO_DATA => Some("ENOTFOUND"),
        _ => None,
    }
}

#[cfg(not(windows))]
fn winsock_lookup_code(_: &io::Error) -> Option<&'static str> {
    None
}

/// Returns the kind for the code of an error that does not come from the system.
pub(super) fn kind_of(code: &str) -> io::ErrorKind {
    match code {
        Error::INVALID_ARGUMENT | Error::BAD_PORT => io::ErrorKind::InvalidInput,
        Error::SOCKET_CLOSED
        | Error::NO_DESCRIPTOR
        | Error::DATAGRAM_NOT_RUNNING
        | Error::DATAGRAM_NOT_CONNECTED => io::ErrorKind::NotConnected,
        Error::CLOSED_BEFORE_CONNECTION => io::ErrorKind::ConnectionAborted,
        Error::QUEUE_LIMIT | Error::TOTAL_QUEUE_LIMIT | Error::MAILBOX_FULL => {
            io::ErrorKind::QuotaExceeded
        }
        Error::LOOP_CLOSED | Error::WRITE_AFTER_END => io::ErrorKind::BrokenPipe,
        Error::IP_BLOCKED => io::ErrorKind::PermissionDenied,
        "ENOTFOUND" => io::ErrorKind::NotFound,
        "ETIMEDOUT" => io::ErrorKind::TimedOut,
        "EAI_AGAIN" => io::ErrorKind::WouldBlock,
        _ => io::ErrorKind::Other,
    }
}
