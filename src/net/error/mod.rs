//! Errors as Node tells them: the code, the call, the place, and the system's own error beneath.
//!
//! They know no socket and no handler. The table of [`Errno`] holds the names of system errors, and `hint` the advice.

mod errno;
mod hint;
mod syscall;

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use crate::net::values::Endpoint;

pub use syscall::Syscall;

pub(crate) use errno::Errno;

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure: the call that failed, the place, and the reason.
///
/// It carries the properties of Node's errors under the same names: [`code`](Self::code), [`syscall`](Self::syscall),
/// [`address`](Self::address), [`port`](Self::port), [`hostname`](Self::hostname). The text is Node's too, and
/// `{:#}` adds a line of advice about the commoner ones. So does `{:?}`, because `main` prints that form when it
/// returns an error; `{:#?}` shows the fields.
///
/// ```
/// use netloop::Error;
///
/// let error = Error::from(std::io::Error::from(std::io::ErrorKind::ConnectionReset));
/// assert_eq!(error.code(), "ECONNRESET");
/// assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
/// assert_eq!(std::io::Error::from(error).kind(), std::io::ErrorKind::ConnectionReset);
/// ```
// One pointer wide, because it lies in every `Result`, and almost none of them holds one. Shared, because a failed
// attempt is told when it fails and again among all of them.
#[derive(Clone)]
pub struct Error(Arc<Inner>);

struct Inner {
    code: &'static str,
    syscall: Option<Syscall>,
    endpoint: Option<Endpoint>,
    local: Option<SocketAddr>,
    attempts: Vec<Error>,
    source: io::Error,
}

/// The codes of the errors that do not come from the system.
impl Error {
    /// `ERR_INVALID_ARGUMENT`: an argument can never be right; the text tells a right one.
    pub const INVALID_ARGUMENT: &'static str = "ERR_INVALID_ARGUMENT";
    /// `ERR_SOCKET_BAD_PORT`: a port is no number from 0 to 65535.
    pub const BAD_PORT: &'static str = "ERR_SOCKET_BAD_PORT";
    /// `ERR_SOCKET_CLOSED`: the socket is closed.
    pub const SOCKET_CLOSED: &'static str = "ERR_SOCKET_CLOSED";
    /// `ERR_SOCKET_CLOSED_BEFORE_CONNECTION`: the socket was closed before there was a connection.
    pub const CLOSED_BEFORE_CONNECTION: &'static str = "ERR_SOCKET_CLOSED_BEFORE_CONNECTION";
    /// `ERR_QUEUE_LIMIT`: more bytes wait to be sent than the socket may queue.
    pub const QUEUE_LIMIT: &'static str = "ERR_QUEUE_LIMIT";
    /// `ERR_HANDLER_PANICKED`: a handler panicked, and its socket was destroyed.
    pub const HANDLER_PANICKED: &'static str = "ERR_HANDLER_PANICKED";
    /// `ERR_IP_BLOCKED`: the address is on the block list.
    pub const IP_BLOCKED: &'static str = "ERR_IP_BLOCKED";
    /// `ERR_LOOP_CLOSED`: the loop that the call was for is gone.
    pub const LOOP_CLOSED: &'static str = "ERR_LOOP_CLOSED";
    /// `ERR_MAILBOX_FULL`: more calls wait to be made in the loop's thread than it keeps.
    pub const MAILBOX_FULL: &'static str = "ERR_MAILBOX_FULL";
    /// `ERR_INVALID_HANDLE_TYPE`: the call works on TCP sockets only, and this is a Unix socket.
    pub const INVALID_HANDLE_TYPE: &'static str = "ERR_INVALID_HANDLE_TYPE";
    /// `ERR_STREAM_WRITE_AFTER_END`: a write came after the end of this side.
    pub const WRITE_AFTER_END: &'static str = "ERR_STREAM_WRITE_AFTER_END";
    /// `ERR_NO_DESCRIPTOR`: the socket or server has no descriptor of the system.
    pub const NO_DESCRIPTOR: &'static str = "ERR_NO_DESCRIPTOR";
    /// `ERR_OTHER`: an error that [`Error::other`] made, or an [`io::Error`] of no known kind.
    pub const OTHER: &'static str = "ERR_OTHER";
}

impl Error {
    /// The name of the failure, the same on every system: `ECONNREFUSED`, `EADDRINUSE`, `ENOTFOUND` and so on, or one of
    /// the codes above.
    /// An error of the system that has no name here is `UNKNOWN`.
    ///
    /// A failed lookup is `ENOTFOUND` or `EAI_AGAIN`. On Unix the [`SystemResolver`](crate::SystemResolver) cannot tell
    /// the two apart and gives `ENOTFOUND` for both; [`io`](Self::io) has the resolver's own text. A
    /// [`Resolver`](crate::Resolver) of your own gets `EAI_AGAIN` for an error of the kind `ResourceBusy`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.0.code
    }

    /// The call that failed; `None` if no call of the system was involved.
    #[must_use]
    pub fn syscall(&self) -> Option<Syscall> {
        self.0.syscall
    }

    /// The place that the call was about, whole.
    #[must_use]
    pub fn endpoint(&self) -> Option<&Endpoint> {
        self.0.endpoint.as_ref()
    }

    /// The IP address that the call was about; `None` if it was about a name or a path, or about neither.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        match self.endpoint()? {
            Endpoint::Socket(address) => Some(address.ip()),
            Endpoint::Name { .. } | Endpoint::Path(_) => None,
        }
    }

    /// The port that the call was about; `None` for a path, and for a lookup, as in Node.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        match self.0.syscall {
            Some(Syscall::Lookup) => None,
            _ => self.endpoint()?.port(),
        }
    }

    /// The name that the call was about; `None` if it was about an address or a path.
    #[must_use]
    pub fn hostname(&self) -> Option<&str> {
        match self.endpoint()? {
            Endpoint::Name { host, .. } => Some(host),
            Endpoint::Socket(_) | Endpoint::Path(_) => None,
        }
    }

    /// The path of the Unix socket that the call was about; `None` if it was about another place.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self.endpoint()? {
            Endpoint::Path(path) => Some(path),
            Endpoint::Socket(_) | Endpoint::Name { .. } => None,
        }
    }

    /// The local address to connect from, if one was asked for
    /// ([`local_address`](crate::ConnectOptions::local_address)).
    #[must_use]
    pub fn local(&self) -> Option<SocketAddr> {
        self.0.local
    }

    /// The error of each address of a name, in the order in which they were tried; empty unless it had several.
    #[must_use]
    pub fn attempts(&self) -> &[Self] {
        &self.0.attempts
    }

    /// The system's own error beneath. An error that does not come from the system has one with its kind and text.
    #[must_use]
    pub fn io(&self) -> &io::Error {
        &self.0.source
    }

    /// The kind of [`io`](Self::io).
    #[must_use]
    pub fn kind(&self) -> io::ErrorKind {
        self.0.source.kind()
    }

    /// The system's number for it, which differs between systems; `None` if it does not come from the system.
    #[must_use]
    pub fn raw_os_error(&self) -> Option<i32> {
        self.0.source.raw_os_error()
    }

    /// An error of your own with the code `ERR_OTHER`, for instance for
    /// [`destroy_with`](crate::Socket::destroy_with).
    ///
    /// ```
    /// let error = netloop::Error::other("the peer speaks another protocol");
    /// assert_eq!(error.to_string(), "the peer speaks another protocol");
    /// assert_eq!(error.code(), "ERR_OTHER");
    /// ```
    pub fn other(message: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::with_code(Self::OTHER, message)
    }

    /// An error with a code of your own, for instance for [`Resolver::resolve`](crate::Resolver::resolve).
    ///
    /// ```
    /// let error = netloop::Error::with_code("ESERVFAIL", "the name server has failed");
    /// assert_eq!(error.code(), "ESERVFAIL");
    /// assert_eq!(error.to_string(), "the name server has failed");
    /// ```
    pub fn with_code(
        code: &'static str,
        message: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        Self::assemble(code, None, io::Error::new(kind_of(code), message))
    }

    /// The failure of a call of the system.
    pub(crate) fn new(syscall: Syscall, source: io::Error) -> Self {
        let code = code_of(Some(syscall), &source);
        Self::assemble(code, Some(syscall), source)
    }

    /// The failure of all addresses of a name: with the code of the first, as in Node, and the place that the user asked
    /// for.
    pub(crate) fn aggregate(endpoint: Endpoint, attempts: Vec<Self>) -> Self {
        let (code, kind) = match attempts.first() {
            Some(first) => (first.code(), first.kind()),
            None => ("ENOTFOUND", io::ErrorKind::NotFound),
        };
        let mut error = Self::assemble(code, Some(Syscall::Connect), kind.into());
        if let Some(inner) = Arc::get_mut(&mut error.0) {
            inner.attempts = attempts;
        }
        error.at(endpoint)
    }

    /// The failure of a socket whose queue has reached its limit.
    pub(crate) fn queue_limit(limit: usize, peer: Option<SocketAddr>) -> Self {
        let error = Self::with_code(
            Self::QUEUE_LIMIT,
            format!("more than {limit} bytes would be queued for a peer that does not read them"),
        );
        match peer {
            Some(peer) => error.at(peer.into()),
            None => error,
        }
    }

    /// The same error, with the place that the call was about.
    #[must_use]
    pub(crate) fn at(mut self, endpoint: Endpoint) -> Self {
        if let Some(inner) = Arc::get_mut(&mut self.0) {
            inner.endpoint = Some(endpoint);
        }
        self
    }

    /// The same error, with the local address that was asked for.
    #[must_use]
    pub(crate) fn bound_to(mut self, local: SocketAddr) -> Self {
        if let Some(inner) = Arc::get_mut(&mut self.0) {
            inner.local = Some(local);
        }
        self
    }

    fn assemble(code: &'static str, syscall: Option<Syscall>, source: io::Error) -> Self {
        Self(Arc::new(Inner {
            code,
            syscall,
            endpoint: None,
            local: None,
            attempts: Vec::new(),
            source,
        }))
    }
}

/// The form `{:#}` has a second line with advice.
impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_call_and_code(formatter)?;
        if let Some(local) = self.0.local {
            let local = Endpoint::from(local);
            write!(formatter, " - Local ({})", local.in_error_text())?;
        }
        for (index, attempt) in self.0.attempts.iter().enumerate() {
            let before = if index == 0 { ": " } else { "; " };
            write!(formatter, "{before}{attempt}")?;
        }
        match hint::hint(self) {
            Some(hint) if formatter.alternate() => write!(formatter, "\n  hint: {hint}"),
            _ => Ok(()),
        }
    }
}

/// The text with its advice, because `main` prints this form when it returns the error; `{:#?}` shows the fields.
impl fmt::Debug for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !formatter.alternate() {
            return write!(formatter, "{self:#}");
        }
        formatter
            .debug_struct("Error")
            .field("code", &self.0.code)
            .field("syscall", &self.0.syscall)
            .field("endpoint", &self.0.endpoint)
            .field("local", &self.0.local)
            .field("attempts", &self.0.attempts)
            .field("io", &self.0.source)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.0.source)
    }
}

/// Takes over an error of the standard library, without a call or a place. An [`Error`] that was turned into one comes
/// back whole.
impl From<io::Error> for Error {
    fn from(source: io::Error) -> Self {
        match source.downcast::<Self>() {
            Ok(error) => error,
            Err(source) => Self::assemble(code_of(None, &source), None, source),
        }
    }
}

/// The same error once more: one answer may be told to many sources.
pub(crate) fn copy_of_io(error: &io::Error) -> io::Error {
    if let Some(number) = error.raw_os_error() {
        return io::Error::from_raw_os_error(number);
    }
    match inner(error) {
        Some(error) => to_io(error.clone()),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

/// An [`io::Error`] that loses nothing: the system's own as it was, every other with the whole error within.
pub(crate) fn to_io(error: Error) -> io::Error {
    match error.raw_os_error() {
        Some(number) => io::Error::from_raw_os_error(number),
        None => error.into(),
    }
}

/// The error that an [`io::Error`] was made of, if it was one of this crate.
fn inner(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}

/// Keeps the kind, the text and the whole error within: `downcast` gives it back.
impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        Self::new(error.kind(), error)
    }
}

impl Error {
    /// `connect ECONNREFUSED 127.0.0.1:1`, or with the wording, `listen EADDRINUSE: address already in use ::1:1`.
    fn write_call_and_code(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(syscall) = self.0.syscall else {
            return match self.raw_os_error() {
                Some(_) => write!(formatter, "{}: {}", self.0.code, self.wording()),
                None => write!(formatter, "{}", self.0.source),
            };
        };
        write!(formatter, "{syscall} {}", self.0.code)?;
        if self.has_wording(syscall) {
            write!(formatter, ": {}", self.wording())?;
        }
        match (syscall, self.endpoint()) {
            (Syscall::Lookup, Some(Endpoint::Name { host, .. })) => write!(formatter, " {host}"),
            (_, Some(endpoint)) => write!(formatter, " {}", endpoint.in_error_text()),
            (_, None) => Ok(()),
        }
    }

    /// Whether words follow the code. Node has them for `listen`, and for calls such as `poll` whose name says little. It
    /// is terse about the calls of every connection, but an error that was never the system's needs its own words.
    fn has_wording(&self, syscall: Syscall) -> bool {
        match syscall {
            Syscall::Lookup => !is_lookup_code(self.0.code) && Errno::named(self.0.code).is_none(),
            Syscall::Listen
            | Syscall::Open
            | Syscall::Poll
            | Syscall::Register
            | Syscall::SetOption => true,
            Syscall::Accept
            | Syscall::Bind
            | Syscall::Connect
            | Syscall::Read
            | Syscall::Shutdown
            | Syscall::Write => self.0.code == UNKNOWN || self.0.source.get_ref().is_some(),
        }
    }

    /// Node's words for an error of the system; an error that another resolver or library made has its own.
    fn wording(&self) -> String {
        match Errno::named(self.0.code) {
            Some(errno) if self.0.source.get_ref().is_none() => errno.wording.to_owned(),
            _ => self.0.source.to_string(),
        }
    }
}

const UNKNOWN: &str = "UNKNOWN";

/// The name of an error that the system, or a substitute for it, has returned.
fn code_of(syscall: Option<Syscall>, error: &io::Error) -> &'static str {
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

/// The code of a failed lookup, by number and kind; `None` if the failure is not the resolver's answer (EMFILE).
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

/// Whether it is one of the codes that a lookup alone has, which need no words beside them.
fn is_lookup_code(code: &str) -> bool {
    matches!(code, "ENOTFOUND" | "EAI_AGAIN")
}

/// The code of an answer of Winsock's resolver, which has numbers like any other error.
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

/// The kind of an error that does not come from the system.
fn kind_of(code: &str) -> io::ErrorKind {
    match code {
        Error::INVALID_ARGUMENT | Error::BAD_PORT => io::ErrorKind::InvalidInput,
        Error::SOCKET_CLOSED | Error::NO_DESCRIPTOR => io::ErrorKind::NotConnected,
        Error::CLOSED_BEFORE_CONNECTION => io::ErrorKind::ConnectionAborted,
        Error::QUEUE_LIMIT | Error::MAILBOX_FULL => io::ErrorKind::QuotaExceeded,
        Error::LOOP_CLOSED | Error::WRITE_AFTER_END => io::ErrorKind::BrokenPipe,
        Error::IP_BLOCKED => io::ErrorKind::PermissionDenied,
        "ENOTFOUND" => io::ErrorKind::NotFound,
        "EAI_AGAIN" => io::ErrorKind::WouldBlock,
        _ => io::ErrorKind::Other,
    }
}

#[cfg(test)]
mod tests;
