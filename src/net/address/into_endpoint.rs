//! The forms of an endpoint that users may give. The parser never panics, and refuses what this system could never use.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::path::{Path, PathBuf};

use crate::net::error::{Error, Result};
use crate::net::values::{Endpoint, Family};

/// An endpoint to listen on or to connect to, in any of these forms:
///
/// | given | is |
/// |---|---|
/// | `SocketAddr`, `SocketAddrV4`, `SocketAddrV6` | that address |
/// | `(IpAddr, u16)`, `(Ipv4Addr, u16)`, `(Ipv6Addr, u16)` | that address |
/// | `("localhost", 80)`, `("::1", 80)` | a name or an address, as Node takes `host` and `port` |
/// | `"127.0.0.1:80"`, `"[::1]:80"`, `"localhost:80"` | the same in one text |
/// | `"/run/app.sock"`, `"unix:app.sock"`, `Path`, `PathBuf` | a Unix domain socket |
/// | `"unix:@name"`, `"\0name"` | a socket in Linux's abstract namespace |
///
/// A literal address is never looked up, unless it has a named zone (`[fe80::1%eth0]:80`), whose number only the system
/// knows. A port alone is no endpoint: it does not say whether every address (`[::]:80`) or only this machine
/// (`localhost:80`) is meant.
///
/// ```
/// use netloop::IntoEndpoint;
///
/// let error = "localhost".into_endpoint().unwrap_err();
/// assert_eq!(error.code(), "ERR_INVALID_ARGUMENT");
/// assert!(error.to_string().contains("has no port"));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` says no place to listen on or to connect to",
    note = "a place is an address (`\"127.0.0.1:3000\"`, `(\"localhost\", 3000)`, a `SocketAddr`) or a path \
            (`\"/run/app.sock\"`)"
)]
pub trait IntoEndpoint {
    /// Makes the endpoint from this form.
    ///
    /// # Errors
    ///
    /// `ERR_SOCKET_BAD_PORT` if the port is not a number from 0 to 65535. `ERR_INVALID_ARGUMENT` for any other value
    /// that this system could never use. The text says what is wrong.
    fn into_endpoint(self) -> Result<Endpoint>;
}

/// Returns the family of `text` if it is an IP address, and `None` otherwise: Node's `net.isIP`.
///
/// An IPv6 address may have a zone (`fe80::1%eth0`), which the parser of the standard library refuses. No number in an
/// IPv4 address may have a leading zero.
///
/// ```
/// use netloop::{Family, ip_family};
///
/// assert_eq!(ip_family("127.0.0.1"), Some(Family::IPv4));
/// assert_eq!(ip_family("fe80::1%eth0"), Some(Family::IPv6));
/// assert_eq!(ip_family("localhost"), None);
/// ```
#[must_use]
#[doc(alias = "isIP")]
pub fn ip_family(text: &str) -> Option<Family> {
    if is_ipv4(text) {
        Some(Family::IPv4)
    } else if is_ipv6(text) {
        Some(Family::IPv6)
    } else {
        None
    }
}

/// Whether `text` is an IPv4 address in dotted decimal: Node's `net.isIPv4`.
///
/// ```
/// use netloop::is_ipv4;
///
/// assert!(is_ipv4("127.0.0.1"));
/// assert!(!is_ipv4("127.0.0.01") && !is_ipv4("127.1") && !is_ipv4("::1"));
/// ```
#[must_use]
#[doc(alias = "isIPv4")]
pub fn is_ipv4(text: &str) -> bool {
    text.parse::<Ipv4Addr>().is_ok()
}

/// Whether `text` is an IPv6 address, with or without a zone: Node's `net.isIPv6`.
///
/// ```
/// use netloop::is_ipv6;
///
/// assert!(is_ipv6("::1") && is_ipv6("fe80::1%eth0"));
/// assert!(!is_ipv6("[::1]") && !is_ipv6("127.0.0.1"));
/// ```
#[must_use]
#[doc(alias = "isIPv6")]
pub fn is_ipv6(text: &str) -> bool {
    split_zone(text).is_some()
}

/// Parses an IP address with or without a port: Node's `SocketAddress.parse`. An IPv6 address stands in brackets. The
/// port is 0 if `text` has none. `None` for any other text.
///
/// A zone must be a number (`[fe80::1%3]:80`), and is kept. For a named zone, the answer is `None`. Node parses the
/// text as a URL, and so accepts `0x7f.1`, and reads port 80 as 0. This function does neither.
///
/// ```
/// use netloop::parse_socket_address;
///
/// assert_eq!(parse_socket_address("[::1]:80"), Some("[::1]:80".parse().unwrap()));
/// assert_eq!(parse_socket_address("1.2.3.4"), Some("1.2.3.4:0".parse().unwrap()));
/// assert_eq!(parse_socket_address("localhost:80"), None);
/// ```
#[must_use]
#[doc(alias = "SocketAddress")]
pub fn parse_socket_address(text: &str) -> Option<SocketAddr> {
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    match text.strip_prefix('[').map(|rest| rest.strip_suffix(']')) {
        None => Some(SocketAddr::from((text.parse::<Ipv4Addr>().ok()?, 0))),
        Some(literal) => literal_address(literal?, 0).filter(SocketAddr::is_ipv6),
    }
}

impl IntoEndpoint for Endpoint {
    /// Checks the length and the bytes of a path, because [`Endpoint::Path`] can hold any path.
    fn into_endpoint(self) -> Result<Endpoint> {
        match self {
            Self::Path(path) => path_endpoint(path),
            other => Ok(other),
        }
    }
}

/// Makes the endpoint from a reference to any of the forms, by cloning the form.
impl<E: IntoEndpoint + Clone> IntoEndpoint for &E {
    fn into_endpoint(self) -> Result<Endpoint> {
        self.clone().into_endpoint()
    }
}

impl IntoEndpoint for &str {
    fn into_endpoint(self) -> Result<Endpoint> {
        if let Some(path) = self.strip_prefix("unix:") {
            // `@` stands for an abstract name's NUL byte, as in `ss` and systemd: configuration files hold no NUL.
            return match path.strip_prefix('@') {
                Some(name) => path_endpoint(PathBuf::from(format!("\0{name}"))),
                None => path_endpoint(PathBuf::from(path)),
            };
        }
        if self.starts_with(['/', '\0']) {
            return path_endpoint(PathBuf::from(self));
        }
        if is_ipv6(self) {
            return Err(invalid(format!(
                "{self:?} has no port, which goes behind brackets: \"[{self}]:80\""
            )));
        }
        let split = match self.rsplit_once(']') {
            Some((host, rest)) => host.strip_prefix('[').zip(rest.strip_prefix(':')),
            None => self.rsplit_once(':'),
        };
        let Some((host, port)) = split else {
            return Err(invalid(format!(
                "{self:?} has no port; expected \"host:port\", \"[IPv6]:port\", \"/path\" or \"unix:path\""
            )));
        };
        let Some(port) = parse_port(port) else {
            return Err(Error::with_code(
                Error::BAD_PORT,
                format!("Port should be >= 0 and < 65536. Received {port:?} in {self:?}."),
            ));
        };
        host_endpoint(host, port)
    }
}

impl IntoEndpoint for (&str, u16) {
    fn into_endpoint(self) -> Result<Endpoint> {
        let (host, port) = self;
        let bare = host
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        host_endpoint(bare.unwrap_or(host), port)
    }
}

impl IntoEndpoint for (String, u16) {
    fn into_endpoint(self) -> Result<Endpoint> {
        (self.0.as_str(), self.1).into_endpoint()
    }
}

impl IntoEndpoint for String {
    fn into_endpoint(self) -> Result<Endpoint> {
        self.as_str().into_endpoint()
    }
}

impl IntoEndpoint for &Path {
    fn into_endpoint(self) -> Result<Endpoint> {
        path_endpoint(self.to_owned())
    }
}

impl IntoEndpoint for PathBuf {
    fn into_endpoint(self) -> Result<Endpoint> {
        path_endpoint(self)
    }
}

macro_rules! address_into_endpoint {
    ($($form:ty),+) => {$(
        impl IntoEndpoint for $form {
            fn into_endpoint(self) -> Result<Endpoint> {
                Ok(Endpoint::Socket(SocketAddr::from(self)))
            }
        }
    )+};
}

address_into_endpoint!(SocketAddr, SocketAddrV4, SocketAddrV6);
address_into_endpoint!((IpAddr, u16), (Ipv4Addr, u16), (Ipv6Addr, u16));

/// The limit on the bytes of a path. The path must fit into `sun_path`, with a NUL byte at its end.
const LONGEST_PATH: usize = if cfg!(any(target_os = "linux", target_os = "android", windows)) {
    107
} else {
    103
};

/// Refuses a path, or an abstract name behind a NUL byte, that the kernel would truncate or refuse.
fn path_endpoint(path: PathBuf) -> Result<Endpoint> {
    let bytes = path.as_os_str().as_encoded_bytes();
    let problem = if bytes.is_empty() {
        "The path of a Unix socket is empty".to_owned()
    } else if bytes[0] == 0 {
        if !cfg!(any(target_os = "linux", target_os = "android")) {
            "Only Linux has Unix sockets without a file".to_owned()
        } else if bytes.len() == 1 {
            "The name of a Unix socket without a file is empty".to_owned()
        } else if bytes.len() > LONGEST_PATH + 1 {
            // An abstract name has a NUL byte in front, and needs none at its end.
            format!(
                "The name of a Unix socket has at most {LONGEST_PATH} bytes; received {}",
                bytes.len() - 1
            )
        } else {
            return Ok(Endpoint::Path(path));
        }
    } else if bytes.contains(&0) {
        format!("The path of a Unix socket has no NUL bytes; received {path:?}")
    } else if bytes.len() > LONGEST_PATH {
        format!(
            "The path of a Unix socket has at most {LONGEST_PATH} bytes; received {} in {path:?}",
            bytes.len()
        )
    } else {
        return Ok(Endpoint::Path(path));
    };
    Err(invalid(problem))
}

/// Refuses a name that no resolver could know. `host` has no brackets. An IPv6 address with a named zone is a name.
fn host_endpoint(host: &str, port: u16) -> Result<Endpoint> {
    if let Some(address) = literal_address(host, port) {
        return Ok(Endpoint::Socket(address));
    }
    let problem = if host.is_empty() {
        "the host is missing; \"[::]\" and \"0.0.0.0\" are every address of this machine, \"localhost\" is this machine"
    } else if host.contains(|character: char| character.is_whitespace() || character.is_control()) {
        "a host has no white space"
    } else if host.contains(':') && !is_ipv6(host) {
        "this is no IPv6 address, and a name has no colon"
    } else if host.contains(['/', '[', ']']) {
        "expected a name or an IP address"
    } else {
        return Ok(Endpoint::Name {
            host: host.to_owned(),
            port,
        });
    };
    Err(invalid(format!("Invalid host {host:?}: {problem}")))
}

/// Returns `None` for a name, and for an IPv6 address with a named zone, whose number only the system knows.
fn literal_address(host: &str, port: u16) -> Option<SocketAddr> {
    if let Ok(address) = host.parse::<Ipv4Addr>() {
        return Some(SocketAddr::from((address, port)));
    }
    let (address, zone) = split_zone(host)?;
    let scope_id = zone.map_or(Some(0), |zone| zone.parse().ok())?;
    Some(SocketAddrV6::new(address, port, 0, scope_id).into())
}

/// As in Node, a zone may have letters, digits, `-`, `.` and `:`.
fn split_zone(text: &str) -> Option<(Ipv6Addr, Option<&str>)> {
    let Some((address, zone)) = text.split_once('%') else {
        return text.parse().ok().map(|address| (address, None));
    };
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b':');
    if zone.is_empty() || !zone.bytes().all(allowed) {
        return None;
    }
    Some((address.parse().ok()?, Some(zone)))
}

/// Parses a port that consists of digits. `parse` alone would also accept `+80`.
fn parse_port(text: &str) -> Option<u16> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse().ok()
    } else {
        None
    }
}

fn invalid(message: String) -> Error {
    Error::with_code(Error::INVALID_ARGUMENT, message)
}

#[cfg(test)]
mod tests;
