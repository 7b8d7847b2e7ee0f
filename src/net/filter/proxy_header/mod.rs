//! The PROXY header, in which a proxy tells the server from where a client has come. HAProxy's specification defines
//! version 1 (a line of text) and version 2 (binary). The verdict does not depend on how reads cut the stream.

mod v1;
mod v2;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;

use crate::net::error::{Error, Result};

/// The limit on a header of version 2. The fixed part and the addresses have up to 232 bytes. A proxy that passes on
/// its clients' certificates in TLVs needs most of the rest.
const LONGEST_HEADER: usize = 4096;

/// The content of a header of the PROXY protocol: from where a client has come to a proxy.
///
/// [`ListenOptions::proxy_protocol`](crate::ListenOptions::proxy_protocol) makes a server read such headers, and
/// [`Socket::proxy_header`](crate::Socket::proxy_header) returns the one of a socket.
///
/// ```
/// use netloop::{Context, ProxyHeader, SocketHandler};
///
/// struct Session;
///
/// impl SocketHandler for Session {
///     fn on_connect(&mut self, cx: &mut Context<'_>) {
///         match cx.socket.proxy_header() {
///             Some(ProxyHeader::Local) => cx.socket.end(),
///             Some(header) => println!("{header:?}, by {:?}", cx.socket.proxy_address()),
///             None => println!("{:?}, without a proxy", cx.socket.peer_address()),
///         }
///     }
///     fn on_data(&mut self, _: &mut Context<'_>, _: &[u8]) {}
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProxyHeader {
    /// The proxy speaks for itself, as in a health check.
    Local,
    /// The proxy does not know the addresses of the client, or has no form for them.
    Unknown,
    /// The ends of a connection over IP.
    Inet {
        /// The address of the client.
        source: SocketAddr,
        /// The address at which the client has reached the proxy.
        destination: SocketAddr,
    },
    /// The ends of a connection between Unix sockets: paths, which may be empty, or abstract names after a NUL byte.
    Unix {
        /// The path of the client.
        source: Vec<u8>,
        /// The path at which the client has reached the proxy.
        destination: Vec<u8>,
    },
}

impl ProxyHeader {
    /// Parses the header at the front of `bytes`. Returns the header and its length, after which the client's bytes
    /// follow. `None` if `bytes` are only a header's beginning, which is never so from 4,096 bytes on.
    ///
    /// A line of version 1 has at most 107 bytes, and a header of version 2 at most 4,096. Its TLVs are skipped.
    ///
    /// ```
    /// use netloop::ProxyHeader;
    ///
    /// let bytes = b"PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\nhello";
    /// let parsed = ProxyHeader::parse(bytes)?;
    /// let header = ProxyHeader::Inet {
    ///     source: ([192, 0, 2, 1], 56324).into(),
    ///     destination: ([198, 51, 100, 2], 443).into(),
    /// };
    /// assert_eq!(parsed, Some((header, bytes.len() - 5)));
    /// assert_eq!(ProxyHeader::parse(&bytes[..20])?, None);
    /// assert!(ProxyHeader::parse(b"GET / HTTP/1.1\r\n").is_err());
    /// # Ok::<(), netloop::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ERR_PROXY_HEADER`](Error::PROXY_HEADER) if the bytes are no header, whatever follows. The text says why.
    pub fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>> {
        if begins(bytes, v2::SIGNATURE) {
            v2::parse(bytes)
        } else if begins(bytes, v1::SIGNATURE) {
            v1::parse(bytes)
        } else {
            Err(fault("no PROXY header at the beginning".to_owned()))
        }
    }

    pub(super) fn is_absent(bytes: &[u8]) -> bool {
        !begins(bytes, v2::SIGNATURE) && !begins(bytes, v1::SIGNATURE)
    }

    /// Returns the client's IP address and port; `None` unless this is [`Inet`](Self::Inet).
    pub fn client(&self) -> Option<SocketAddr> {
        match self {
            Self::Inet { source, .. } => Some(*source),
            Self::Local | Self::Unknown | Self::Unix { .. } => None,
        }
    }
}

/// Whether `bytes` begins with `signature`, or may do so once further bytes have come.
fn begins(bytes: &[u8], signature: &[u8]) -> bool {
    let length = bytes.len().min(signature.len());
    bytes[..length] == signature[..length]
}

fn fault(text: String) -> Error {
    Error::with_code(Error::PROXY_HEADER, text)
}
