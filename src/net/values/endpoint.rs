//! The endpoints to listen on or to connect to, and their text form. No resolver is called: a name stays a name.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// An endpoint to listen on or to connect to: an address, a name or a path.
///
/// [`IntoEndpoint`](crate::IntoEndpoint) makes an endpoint from text or from a pair. `Display` writes the form that
/// users type: `127.0.0.1:3000`, `[::1]:3000`, `localhost:3000`, `/run/app.sock`, and `@name` for a socket without a
/// file.
///
/// ```
/// use netloop::{Endpoint, IntoEndpoint};
///
/// let endpoint = "[::1]:3000".into_endpoint()?;
/// assert!(matches!(endpoint, Endpoint::Socket(_)));
/// assert_eq!(endpoint.to_string(), "[::1]:3000");
/// assert_eq!(("localhost", 80).into_endpoint()?.port(), Some(80));
/// # Ok::<(), netloop::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// An IP address and a port. No lookup is needed.
    Socket(SocketAddr),
    /// A name and a port. A resolver turns the name into addresses.
    Name {
        /// The host's name, or an IPv6 address whose named zone (`fe80::1%eth0`) only the system's resolver knows.
        host: String,
        /// The port.
        port: u16,
    },
    /// The path of a Unix domain socket; behind a NUL byte, a name in Linux's abstract namespace, without a file.
    Path(PathBuf),
}

impl Endpoint {
    /// The port; `None` for a path.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        match self {
            Self::Socket(address) => Some(address.port()),
            Self::Name { port, .. } => Some(*port),
            Self::Path(_) => None,
        }
    }

    /// Returns the endpoint as Node writes it in errors: without brackets around IPv6, and without port 0.
    pub(crate) fn in_error_text(&self) -> impl fmt::Display + '_ {
        InErrorText(self)
    }
}

/// The family of an IP address, displayed with Node's words `IPv4` and `IPv6`.
///
/// ```
/// use netloop::{ConnectOptions, Family, ip_family};
///
/// assert_eq!(ip_family("::1"), Some(Family::IPv6));
/// assert_eq!(Family::IPv6.to_string(), "IPv6");
/// // A name that has addresses of both families is reached by this one.
/// let options = ConnectOptions::new().family(Family::IPv4);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// An IPv4 address.
    IPv4,
    /// An IPv6 address.
    IPv6,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(address) => address.fmt(formatter),
            // Among hosts, only an IPv6 address with a zone has colons. Brackets separate the address from the port.
            Self::Name { host, port } if host.contains(':') => write!(formatter, "[{host}]:{port}"),
            Self::Name { host, port } => write!(formatter, "{host}:{port}"),
            Self::Path(path) => write_path(formatter, path),
        }
    }
}

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Self {
        Self::Socket(address)
    }
}

impl fmt::Display for Family {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::IPv4 => "IPv4",
            Self::IPv6 => "IPv6",
        })
    }
}

struct InErrorText<'a>(&'a Endpoint);

impl fmt::Display for InErrorText<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Endpoint::Socket(address) => {
                write!(formatter, "{}", address.ip())?;
                match address {
                    SocketAddr::V6(address) if address.scope_id() != 0 => {
                        write!(formatter, "%{}", address.scope_id())?;
                    }
                    _ => {}
                }
            }
            Endpoint::Name { host, .. } => formatter.write_str(host)?,
            Endpoint::Path(path) => write_path(formatter, path)?,
        }
        match self.0.port() {
            None | Some(0) => Ok(()),
            Some(port) => write!(formatter, ":{port}"),
        }
    }
}

/// Writes a path. A name in the abstract namespace gets `@` in the place of each NUL byte, as in `ss`.
fn write_path(formatter: &mut fmt::Formatter<'_>, path: &Path) -> fmt::Result {
    let text = path.to_string_lossy();
    match text.strip_prefix('\0') {
        Some(name) => write!(formatter, "@{}", name.replace('\0', "@")),
        None => formatter.write_str(&text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_reads_as_it_is_typed_and_in_errors_as_in_node() {
        let socket = |text: &str| Endpoint::Socket(text.parse().expect("it is an address"));
        let name = |host: &str, port| Endpoint::Name {
            host: host.to_owned(),
            port,
        };
        for (endpoint, typed, in_errors) in [
            (socket("127.0.0.1:3000"), "127.0.0.1:3000", "127.0.0.1:3000"),
            (socket("127.0.0.1:0"), "127.0.0.1:0", "127.0.0.1"),
            (socket("[::1]:3000"), "[::1]:3000", "::1:3000"),
            (socket("[::]:0"), "[::]:0", "::"),
            (socket("[fe80::1%2]:80"), "[fe80::1%2]:80", "fe80::1%2:80"),
            (name("localhost", 80), "localhost:80", "localhost:80"),
            (
                name("fe80::1%eth0", 80),
                "[fe80::1%eth0]:80",
                "fe80::1%eth0:80",
            ),
            (
                Endpoint::Path("/run/x.sock".into()),
                "/run/x.sock",
                "/run/x.sock",
            ),
            (Endpoint::Path("\0x\0y".into()), "@x@y", "@x@y"),
        ] {
            assert_eq!(endpoint.to_string(), typed);
            assert_eq!(endpoint.in_error_text().to_string(), in_errors);
        }
    }

    #[test]
    fn a_family_is_displayed_with_the_words_of_node() {
        assert_eq!(format!("{:>5}", Family::IPv4), " IPv4");
        assert_eq!(Family::IPv6.to_string(), "IPv6");
    }
}
