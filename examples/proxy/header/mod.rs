//! The header of the PROXY protocol, in which a proxy tells the server behind it from where a client has come: versions 1
//! (a line of text) and 2 (binary), as the specification of HAProxy defines them.
//!
//! Without I/O: [`Header::parse`] is a function of the bytes that have arrived. Its verdict on a header is the same
//! wherever the stream is cut.

mod fault;
mod v1;
mod v2;

#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};

pub(crate) use fault::Fault;

/// The content of a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Header {
    /// The proxy speaks for itself, as in a health check: the addresses of its own connection count.
    Local,
    /// The proxy does not know the addresses of the client, or has no form for them.
    Unknown,
    /// The ends of a connection over IP: the client, and the address at which the client has reached the proxy.
    Inet {
        transport: Transport,
        source: SocketAddr,
        destination: SocketAddr,
    },
    /// The ends of a connection between Unix sockets: paths, which may be empty, or abstract names behind a NUL byte.
    Unix {
        transport: Transport,
        source: Vec<u8>,
        destination: Vec<u8>,
    },
}

/// The protocol between the client and the first proxy. Version 1 knows streams alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Stream,
    Datagram,
}

/// The verdict on the bytes that have arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Parsed {
    /// The bytes are the beginning of a header. Never the verdict on as many bytes as are allowed.
    Incomplete,
    /// A whole header. The bytes behind its `length` are the client's.
    Complete { header: Header, length: usize },
    /// The bytes are no header, whatever follows.
    Invalid(Fault),
}

impl Header {
    /// Parses the header at the front of `bytes`, which may have up to `max_bytes`: 16 or more. Version 1 has a limit of
    /// its own, 107 bytes. Version 2 takes up to 232 bytes for its addresses. The rest is for TLVs, which are skipped.
    pub(crate) fn parse(bytes: &[u8], max_bytes: usize) -> Parsed {
        if begins(bytes, v2::SIGNATURE) {
            v2::parse(bytes, max_bytes)
        } else if begins(bytes, v1::SIGNATURE) {
            v1::parse(bytes, max_bytes)
        } else {
            Parsed::Invalid(Fault::NoHeader)
        }
    }

    /// Returns the header of a connection over TCP. It is unknown if an address is missing, as for a Unix socket.
    pub(crate) fn of(source: Option<SocketAddr>, destination: Option<SocketAddr>) -> Self {
        match source.zip(destination) {
            Some((source, destination)) => Self::Inet {
                transport: Transport::Stream,
                source,
                destination,
            },
            None => Self::Unknown,
        }
    }

    /// Returns the header as a line of version 1, which has words for connections over TCP alone.
    pub(crate) fn to_v1(&self) -> Vec<u8> {
        v1::write(self)
    }

    /// Returns the header in the form of version 2.
    pub(crate) fn to_v2(&self) -> Vec<u8> {
        v2::write(self)
    }
}

/// Whether `bytes` begins with `signature`, or may do so once it is longer.
fn begins(bytes: &[u8], signature: &[u8]) -> bool {
    let length = bytes.len().min(signature.len());
    bytes[..length] == signature[..length]
}

/// Brings both addresses into one family. A listener of both families shows its IPv4 peers as mapped IPv6 addresses,
/// and the server behind the proxy compares addresses as they are written.
fn in_one_family(source: SocketAddr, destination: SocketAddr) -> [SocketAddr; 2] {
    let canonical = [source, destination].map(|end| (end.ip().to_canonical(), end.port()));
    match canonical {
        [(IpAddr::V4(_), _), (IpAddr::V4(_), _)] => canonical.map(SocketAddr::from),
        _ => canonical.map(|(address, port)| match address {
            IpAddr::V4(address) => SocketAddr::from((address.to_ipv6_mapped(), port)),
            IpAddr::V6(address) => SocketAddr::from((address, port)),
        }),
    }
}
