//! The calls that can fail, with their names in Node's errors.

use std::fmt;

/// The call that failed. `Display` writes its name in Node's errors.
///
/// ```
/// use netloop::{Context, Error, EventLoop, SocketHandler, Syscall};
///
/// struct Client;
///
/// impl SocketHandler<Vec<String>> for Client {
///     fn on_data(&mut self, _: &mut Context<'_, Vec<String>>, _: &[u8]) {}
///     fn on_error(&mut self, cx: &mut Context<'_, Vec<String>>, error: &Error) {
///         cx.shared.push(match error.syscall() {
///             Some(Syscall::Connect | Syscall::Lookup) => "not reached".to_owned(),
///             Some(other) => format!("broken by {other}"),
///             None => error.code().to_owned(),
///         });
///     }
/// }
///
/// let mut event_loop = EventLoop::new()?;
/// // Nothing listens on port 1.
/// event_loop.connect("127.0.0.1:1", Client)?;
/// let mut log = Vec::new();
/// event_loop.run(&mut log)?;
/// assert_eq!(log, ["not reached"]);
/// # Ok::<(), netloop::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Syscall {
    /// `accept`: taking the next connection of a listener.
    Accept,
    /// `bind`: setting the local address of a connection, or making a UDP socket with its local address.
    Bind,
    /// `connect`: making a connection, including the wait for the peer's answer.
    Connect,
    /// `listen`: making a listening socket, including its bind, or adopting one.
    Listen,
    /// `getaddrinfo`: asking the resolver for the addresses of a name.
    Lookup,
    /// `open`: adopting a connection, a UDP socket or an input of the program.
    Open,
    /// `poll`: waiting for the kernel's events, or making the selector or the waker of a loop.
    Poll,
    /// `read`: receiving bytes.
    Read,
    /// `recvmsg`: receiving a datagram.
    Receive,
    /// `register`: registering a source with the kernel for events.
    Register,
    /// `send`: sending a datagram.
    Send,
    /// `setsockopt`: setting an option of a socket, or reading one.
    SetOption,
    /// `shutdown`: ending the outbound half of a connection, with a FIN.
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
            Self::Receive => "recvmsg",
            Self::Register => "register",
            Self::Send => "send",
            Self::SetOption => "setsockopt",
            Self::Shutdown => "shutdown",
            Self::Write => "write",
        })
    }
}
