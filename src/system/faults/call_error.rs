//! The errors that a fault, or the simulated kernel, returns from a call.

use std::io;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CallError {
    WouldBlock,
    Interrupted,
    NoBuffers,
    TooManyFiles,
    TableFull,
    Aborted,
    Reset,
    BrokenPipe,
    Refused,
    TimedOut,
    NotConnected,
    AddressInUse,
    InvalidArgument,
    Unreachable,
    AccessDenied,
    MessageTooLong,
    AddressNotAvailable,
}

impl CallError {
    pub(crate) fn to_io(self) -> io::Error {
        io::Error::from_raw_os_error(self.number())
    }

    fn number(self) -> i32 {
        #[cfg(unix)]
        use libc::{
            EACCES, EADDRINUSE, EADDRNOTAVAIL, EAGAIN, ECONNABORTED, ECONNREFUSED, ECONNRESET,
            EINTR, EINVAL, EMFILE, EMSGSIZE, ENETUNREACH, ENFILE, ENOBUFS, ENOTCONN, EPIPE,
            ETIMEDOUT,
        };
        // Winsock has no counterpart of ENFILE, so WSAEMFILE takes its place. The counterpart of EPIPE is WSAESHUTDOWN.
        #[cfg(windows)]
        use windows_sys::Win32::Networking::WinSock::{
            WSAEACCES as EACCES, WSAEADDRINUSE as EADDRINUSE, WSAEADDRNOTAVAIL as EADDRNOTAVAIL,
            WSAECONNABORTED as ECONNABORTED, WSAECONNREFUSED as ECONNREFUSED,
            WSAECONNRESET as ECONNRESET, WSAEINTR as EINTR, WSAEINVAL as EINVAL,
            WSAEMFILE as EMFILE, WSAEMFILE as ENFILE, WSAEMSGSIZE as EMSGSIZE,
            WSAENETUNREACH as ENETUNREACH, WSAENOBUFS as ENOBUFS, WSAENOTCONN as ENOTCONN,
            WSAESHUTDOWN as EPIPE, WSAETIMEDOUT as ETIMEDOUT, WSAEWOULDBLOCK as EAGAIN,
        };
        match self {
            Self::WouldBlock => EAGAIN,
            Self::Interrupted => EINTR,
            Self::NoBuffers => ENOBUFS,
            Self::TooManyFiles => EMFILE,
            Self::TableFull => ENFILE,
            Self::Aborted => ECONNABORTED,
            Self::Reset => ECONNRESET,
            Self::BrokenPipe => EPIPE,
            Self::Refused => ECONNREFUSED,
            Self::TimedOut => ETIMEDOUT,
            Self::NotConnected => ENOTCONN,
            Self::AddressInUse => EADDRINUSE,
            Self::InvalidArgument => EINVAL,
            Self::Unreachable => ENETUNREACH,
            Self::AccessDenied => EACCES,
            Self::MessageTooLong => EMSGSIZE,
            Self::AddressNotAvailable => EADDRNOTAVAIL,
        }
    }
}
