//! The error numbers of the simulated kernel: those of the system that the program was built for, so that errors look
//! as they would there.

use std::io;

/// An error of a simulated call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Errno {
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
}

impl Errno {
    pub(crate) fn to_io(self) -> io::Error {
        io::Error::from_raw_os_error(self.number())
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn number(self) -> i32 {
        match self {
            Self::WouldBlock => 11,
            Self::Interrupted => 4,
            Self::NoBuffers => 105,
            Self::TooManyFiles => 24,
            Self::TableFull => 23,
            Self::Aborted => 103,
            Self::Reset => 104,
            Self::BrokenPipe => 32,
            Self::Refused => 111,
            Self::TimedOut => 110,
            Self::NotConnected => 107,
            Self::AddressInUse => 98,
            Self::InvalidArgument => 22,
            Self::Unreachable => 101,
        }
    }

    /// Winsock's numbers.
    #[cfg(windows)]
    fn number(self) -> i32 {
        match self {
            Self::WouldBlock => 10035,
            Self::Interrupted => 10004,
            Self::NoBuffers => 10055,
            Self::TooManyFiles | Self::TableFull => 10024,
            Self::Aborted => 10053,
            Self::Reset => 10054,
            Self::BrokenPipe => 10058,
            Self::Refused => 10061,
            Self::TimedOut => 10060,
            Self::NotConnected => 10057,
            Self::AddressInUse => 10048,
            Self::InvalidArgument => 10022,
            Self::Unreachable => 10051,
        }
    }

    /// The numbers of the BSDs, macOS among them.
    #[cfg(not(any(target_os = "linux", target_os = "android", windows)))]
    fn number(self) -> i32 {
        match self {
            Self::WouldBlock => 35,
            Self::Interrupted => 4,
            Self::NoBuffers => 55,
            Self::TooManyFiles => 24,
            Self::TableFull => 23,
            Self::Aborted => 53,
            Self::Reset => 54,
            Self::BrokenPipe => 32,
            Self::Refused => 61,
            Self::TimedOut => 60,
            Self::NotConnected => 57,
            Self::AddressInUse => 48,
            Self::InvalidArgument => 22,
            Self::Unreachable => 51,
        }
    }
}
