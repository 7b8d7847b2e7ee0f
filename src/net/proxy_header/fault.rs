//! The reasons for which bytes are no header, in words for a log.

use std::fmt;

/// The reason for which bytes are no header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Neither version begins like this.
    NoHeader,
    /// The line of version 1 does not end in time.
    EndlessLine { max_bytes: usize },
    /// The line ends too early.
    Missing { field: &'static str },
    /// The line goes on where it should end.
    Surplus,
    /// A field of the line has no valid content.
    Field { field: &'static str, text: String },
    /// A version that this crate does not know.
    Version(u8),
    /// A command that version 2 does not have.
    Command(u8),
    /// A family of addresses that version 2 does not have, or its transport.
    Family(u8),
    /// The length of version 2 does not even cover the addresses.
    TooShort { length: usize, addresses: usize },
    /// The length of version 2 goes beyond the limit.
    TooLong { length: usize, max_bytes: usize },
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoHeader => write!(formatter, "no PROXY header at the beginning"),
            Self::EndlessLine { max_bytes } => write!(
                formatter,
                "the line of the PROXY header does not end within {max_bytes} bytes"
            ),
            Self::Missing { field } => write!(formatter, "the PROXY header has no {field}"),
            Self::Surplus => write!(
                formatter,
                "the PROXY header goes on behind the destination port"
            ),
            Self::Field { field, text } => {
                write!(formatter, "the PROXY header has the {field} {text:?}")
            }
            Self::Version(version) => {
                write!(
                    formatter,
                    "version {version} of the PROXY header is unknown"
                )
            }
            Self::Command(command) => {
                write!(
                    formatter,
                    "the PROXY header has the unknown command {command}"
                )
            }
            Self::Family(family) => write!(
                formatter,
                "the PROXY header has the unknown address family {family:#04x}"
            ),
            Self::TooShort { length, addresses } => write!(
                formatter,
                "the PROXY header has {length} bytes where the addresses take {addresses}"
            ),
            Self::TooLong { length, max_bytes } => write!(
                formatter,
                "the PROXY header has {length} bytes, and {max_bytes} are allowed"
            ),
        }
    }
}

impl std::error::Error for Fault {}
