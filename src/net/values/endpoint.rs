//! Where to listen or connect to, and who is at an end of a connection: what addresses are, and how they read.
//!
//! How they are made of text is in `into_endpoint`. Nothing here asks a resolver or a kernel: a name stays a name
//! until it is looked up.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

/// Where to listen, or where to connect to.
///
/// Usually made from text or from a pair, through [`IntoEndpoint`](crate::IntoEndpoint). It displays as one would type it:
/// `127.0.0.1:3000`, `[::1]:3000`, `localhost:3000`, `/run/app.sock`, and `@name` for a socket without a file.
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
    /// A name that a resolver turns into addresses, and a port.
    Name {
        /// The host's name; or an IPv6 address with a zone by name (`fe80::1%eth0`), since only the resolver knows
        /// the number of the zone.
        host: String,
        /// The port.
        port: u16,
    },
    /// The path of a Unix domain socket. One that begins with a NUL byte is in Linux's abstract namespace and has
    /// no file.
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

    /// The same place as Node writes it in the texts of its errors: without brackets around IPv6 and without port 0.
    pub(crate) fn in_error_text(&self) -> impl fmt::Display + '_ {
        InErrorText(self)
    }
}

/// Who is at an end of a connection.
///
/// ```
/// use netloop::{Address, Family};
///
/// let address = Address::from(std::net::SocketAddr::from(([127, 0, 0, 1], 80)));
/// assert_eq!(address.family(), Family::IPv4);
/// assert_eq!(address.to_string(), "127.0.0.1:80");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// An IP address and a port. On a listener that serves both families an IPv4 peer appears as `::ffff:a.b.c.d`.
    Socket(SocketAddr),
    /// A Unix domain socket: its path, and `None` for one without a name, as clients are.
    Unix(Option<Box<Path>>),
}

impl Address {
    /// The IP address; `None` for a Unix socket.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        self.as_socket().map(|address| address.ip())
    }

    /// The port; `None` for a Unix socket.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.as_socket().map(|address| address.port())
    }

    /// Which kind of address it is.
    #[must_use]
    pub fn family(&self) -> Family {
        match self {
            Self::Socket(SocketAddr::V4(_)) => Family::IPv4,
            Self::Socket(SocketAddr::V6(_)) => Family::IPv6,
            Self::Unix(_) => Family::Unix,
        }
    }

    /// The IP address and the port together; `None` for a Unix socket.
    #[must_use]
    pub fn as_socket(&self) -> Option<SocketAddr> {
        match self {
            Self::Socket(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }

    /// The path of a Unix socket; `None` for one without a name, and for an IP address.
    #[must_use]
    pub fn as_path(&self) -> Option<&Path> {
        match self {
            Self::Unix(path) => path.as_deref(),
            Self::Socket(_) => None,
        }
    }
}

/// The kind of an [`Address`], displayed with Node's words `IPv4` and `IPv6`, and `Unix`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// An IPv4 address.
    IPv4,
    /// An IPv6 address.
    IPv6,
    /// A Unix domain socket.
    Unix,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(address) => address.fmt(formatter),
            // Only a zone brings colons into a name, and then the port needs the brackets to be told from it.
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

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Socket(address)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(address) => address.fmt(formatter),
            Self::Unix(Some(path)) => write_path(formatter, path),
            Self::Unix(None) => formatter.write_str("(unnamed)"),
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::IPv4 => "IPv4",
            Self::IPv6 => "IPv6",
            Self::Unix => "Unix",
        })
    }
}

/// [`Endpoint::in_error_text`].
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

/// Shows a name of the abstract namespace with `@` where it has NUL bytes, as `ss` does.
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
    fn an_address_is_as_small_as_a_socket_address() {
        assert_eq!(size_of::<Address>(), 32);
    }

    #[test]
    fn an_endpoint_reads_as_one_would_type_it_and_in_errors_as_node_has_it() {
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
    fn every_kind_of_address_answers_for_what_it_has() {
        let socket: SocketAddr = "[::1]:80".parse().expect("it is an address");
        let ipv6 = Address::from(socket);
        assert_eq!((ipv6.ip(), ipv6.port()), (Some(socket.ip()), Some(80)));
        assert_eq!((ipv6.as_socket(), ipv6.as_path()), (Some(socket), None));
        assert_eq!(
            (ipv6.family(), ipv6.to_string()),
            (Family::IPv6, "[::1]:80".to_owned())
        );

        let path = Path::new("/run/x.sock");
        let unix = Address::Unix(Some(path.into()));
        assert_eq!(
            (unix.ip(), unix.port(), unix.as_socket()),
            (None, None, None)
        );
        assert_eq!((unix.as_path(), unix.family()), (Some(path), Family::Unix));
        assert_eq!(unix.to_string(), "/run/x.sock");
        assert_eq!(Address::Unix(None).to_string(), "(unnamed)");
        assert_eq!(format!("{:>5}", Family::IPv4), " IPv4");
    }
}
