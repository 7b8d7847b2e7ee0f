//! The calls that can fail, by their names in Node's errors.

use std::fmt;

/// The call that failed, displayed by its name in Node's errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Syscall {
    /// `accept`: taking the next connection of a listener.
    Accept,
    /// `bind`: choosing the local address of a connection.
    Bind,
    /// `connect`: making a connection, until the peer has answered.
    Connect,
    /// `listen`: making a listener, with all that belongs to it, its address included.
    Listen,
    /// `getaddrinfo`: asking the resolver for the addresses of a name.
    Lookup,
    /// `open`: making a socket, or taking over one.
    Open,
    /// `poll`: waiting for the kernel's events.
    Poll,
    /// `read`: receiving bytes.
    Read,
    /// `register`: telling the kernel that we want a source's events.
    Register,
    /// `setsockopt`: setting an option.
    SetOption,
    /// `shutdown`: sending the end of the stream.
    Shutdown,
    /// `write`: sending bytes.
    Write,
}

impl fmt::Display for Syscall {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Accept => "accept",
            Self::Bind => "bind",
            Self::Connect => "connect",
            Self::Listen => "listen",
            Self::Lookup => "getaddrinfo",
            Self::Open => "open",
            Self::Poll => "poll",
            Self::Read => "read",
            Self::Register => "register",
            Self::SetOption => "setsockopt",
            Self::Shutdown => "shutdown",
            Self::Write => "write",
        })
    }
}
