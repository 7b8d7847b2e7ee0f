//! Errors as Node tells them: the code, the call, the place, and the system's own error beneath.
//!
//! They know no socket and no handler. The table of [`Errno`] holds the names of system errors, and `hint` the advice.

mod code;
mod errno;
mod hint;
mod syscall;
mod text;

use std::error::Error as StdError;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use crate::net::values::Endpoint;

pub use syscall::Syscall;

pub(crate) use errno::Errno;

use code::{code_of, kind_of};

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

impl Error {
    /// The name of the failure, the same on every system: `ECONNREFUSED`, `EADDRINUSE`, `ENOTFOUND` and so on, or one of
    /// the constants of this type. An error of the system that has no name here is `UNKNOWN`.
    ///
    /// A failed lookup is `ENOTFOUND` or `EAI_AGAIN`, or has the code that a [`Resolver`](crate::Resolver) of your own
    /// gave. On Unix the [`system_resolver`](crate::system_resolver) cannot tell the two apart and gives `ENOTFOUND` for
    /// both; [`io`](Self::io) has the resolver's own text.
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

#[cfg(test)]
mod tests;
