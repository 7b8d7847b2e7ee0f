//! Errors as in Node: the code, the call that failed, its endpoint, and the system's own error.

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
use crate::system::errno::canonical;

pub use syscall::Syscall;

pub(crate) use errno::Errno;

use code::{code_of, kind_of};

/// `Result` with this crate's [`Error`].
///
/// ```
/// fn main() -> netloop::Result<()> {
///     let mut event_loop = netloop::EventLoop::new()?;
///     event_loop.run(&mut ())
/// }
/// ```
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error: the call that failed, its endpoint, and the reason.
///
/// An error has the properties of Node's errors under the same names: [`code`](Self::code), [`syscall`](Self::syscall),
/// [`address`](Self::address), [`port`](Self::port), [`hostname`](Self::hostname). An error that Node has too has
/// Node's text. `{:#}` adds a line of advice for the commoner errors, and so does `{:?}`, which `main` prints when it
/// returns an error. `{:#?}` shows the fields.
///
/// ```
/// use netloop::Error;
///
/// let error = Error::from(std::io::Error::from(std::io::ErrorKind::ConnectionReset));
/// assert_eq!(error.code(), "ECONNRESET");
/// assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
/// assert_eq!(std::io::Error::from(error).kind(), std::io::ErrorKind::ConnectionReset);
/// ```
// One pointer wide, because every `Result` has space for an error and hardly any holds one. Shared, because an
// attempt's error is reported twice: when the attempt fails, and in the list of all attempts.
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

impl Clone for Inner {
    fn clone(&self) -> Self {
        Self {
            code: self.code,
            syscall: self.syscall,
            endpoint: self.endpoint.clone(),
            local: self.local,
            attempts: self.attempts.clone(),
            source: copy_of_io(&self.source),
        }
    }
}

impl Error {
    /// The name of the error, the same on every system: `ECONNREFUSED`, `EADDRINUSE`, `ENOTFOUND` and so on. Other names
    /// are the constants of this type, Node's codes for a refused certificate, and the codes given to
    /// [`with_code`](Self::with_code). An error of the system without a name in this crate is `UNKNOWN`.
    ///
    /// A failed lookup has the code `ENOTFOUND` or `EAI_AGAIN`, or the code of your own [`Resolver`](crate::Resolver).
    /// Other codes are those of a limit or of the system, such as `ETIMEDOUT`. On Unix the
    /// [`system_resolver`](crate::system_resolver) cannot distinguish the first two, and returns `ENOTFOUND` for both.
    /// [`io`](Self::io) has the resolver's own text.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.0.code
    }

    /// The call that failed; `None` if the error names no call.
    #[must_use]
    pub fn syscall(&self) -> Option<Syscall> {
        self.0.syscall
    }

    /// The endpoint of the call: an address, a name or a path. `None` if the call had no endpoint.
    #[must_use]
    pub fn endpoint(&self) -> Option<&Endpoint> {
        self.0.endpoint.as_ref()
    }

    /// The IP address of the call; `None` if the call was for a name or a path, or had no endpoint.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        match self.endpoint()? {
            Endpoint::Socket(address) => Some(address.ip()),
            Endpoint::Name { .. } | Endpoint::Path(_) => None,
        }
    }

    /// The port of the call; `None` for a path, for a lookup (as in Node), and if the call had no endpoint.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        match self.0.syscall {
            Some(Syscall::Lookup) => None,
            _ => self.endpoint()?.port(),
        }
    }

    /// The host name of the call; `None` if the call was for an address or a path, or had no endpoint.
    #[must_use]
    pub fn hostname(&self) -> Option<&str> {
        match self.endpoint()? {
            Endpoint::Name { host, .. } => Some(host),
            Endpoint::Socket(_) | Endpoint::Path(_) => None,
        }
    }

    /// The path of the Unix socket of the call; `None` if the call had another endpoint or none.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self.endpoint()? {
            Endpoint::Path(path) => Some(path),
            Endpoint::Socket(_) | Endpoint::Name { .. } => None,
        }
    }

    /// The local address of a connect, if the user set it with [`local_address`](crate::ConnectOptions::local_address)
    /// or `local_port`.
    #[must_use]
    pub fn local(&self) -> Option<SocketAddr> {
        self.0.local
    }

    /// The errors of a connect to a name with several addresses: one error for each address, in the order in which the
    /// addresses are tried. Empty for every other error.
    #[must_use]
    pub fn attempts(&self) -> &[Self] {
        &self.0.attempts
    }

    /// The error of the system. If the error does not come from the system, an [`io::Error`] of the same kind.
    #[must_use]
    pub fn io(&self) -> &io::Error {
        &self.0.source
    }

    /// The kind of [`io`](Self::io).
    #[must_use]
    pub fn kind(&self) -> io::ErrorKind {
        self.0.source.kind()
    }

    /// The system's number for the error, which differs between systems. `None` if the error has no number.
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

    pub(crate) fn new(syscall: Syscall, source: io::Error) -> Self {
        let source = canonical(source, syscall == Syscall::Write);
        let code = code_of(Some(syscall), &source);
        Self::assemble(code, Some(syscall), source)
    }

    /// Makes one error of the errors of all attempts, for the user's `endpoint`. Its code is that of the first attempt,
    /// as in Node; ENOTFOUND without attempts.
    pub(crate) fn aggregate(endpoint: Endpoint, attempts: Vec<Self>) -> Self {
        let (code, kind) = match attempts.first() {
            Some(first) => (first.code(), first.kind()),
            None => ("ENOTFOUND", io::ErrorKind::NotFound),
        };
        let mut error = Self::assemble(code, Some(Syscall::Connect), kind.into());
        Arc::make_mut(&mut error.0).attempts = attempts;
        error.at(endpoint)
    }

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

    pub(crate) fn unread_bytes() -> Self {
        Self::with_code(
            Self::UNREAD_BYTES,
            "the peer has sent bytes in front of the filter that is to start, which nothing protects",
        )
    }

    /// Returns the error of a limit on slow peers, or of a deadline.
    pub(crate) fn timed_out(text: String) -> Self {
        Self::with_code("ETIMEDOUT", text)
    }

    pub(crate) fn total_queue_limit(limit: usize, peer: Option<SocketAddr>) -> Self {
        let error = Self::with_code(
            Self::TOTAL_QUEUE_LIMIT,
            format!(
                "more than {limit} bytes would be queued in all, and this peer had the most that it does not read"
            ),
        );
        match peer {
            Some(peer) => error.at(peer.into()),
            None => error,
        }
    }

    /// The clones of the error stay unchanged.
    #[must_use]
    pub(crate) fn at(mut self, endpoint: Endpoint) -> Self {
        Arc::make_mut(&mut self.0).endpoint = Some(endpoint);
        self
    }

    #[must_use]
    pub(crate) fn bound_to(mut self, local: SocketAddr) -> Self {
        Arc::make_mut(&mut self.0).local = Some(local);
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

/// Wraps an error of the standard library, without a call or an endpoint. If the [`io::Error`] contains an [`Error`] of
/// this crate, returns that one unchanged.
impl From<io::Error> for Error {
    fn from(source: io::Error) -> Self {
        match source.downcast::<Self>() {
            Ok(error) => error,
            Err(source) => Self::assemble(code_of(None, &source), None, source),
        }
    }
}

/// Copies an error, because several sources may get the answer of one lookup.
pub(crate) fn copy_of_io(error: &io::Error) -> io::Error {
    if let Some(number) = error.raw_os_error() {
        return io::Error::from_raw_os_error(number);
    }
    match inner(error) {
        Some(error) => to_io(error.clone()),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

/// A system error keeps only its number; every other error is kept whole, inside the [`io::Error`].
pub(crate) fn to_io(error: Error) -> io::Error {
    match error.raw_os_error() {
        Some(number) => io::Error::from_raw_os_error(number),
        None => error.into(),
    }
}

/// Returns the error of this crate inside of an [`io::Error`], if there is one.
fn inner(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}

/// Makes an [`io::Error`] with the same kind and text, from which `downcast` returns the whole error.
impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        Self::new(error.kind(), error)
    }
}

#[cfg(test)]
mod tests;
