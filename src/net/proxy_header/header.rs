//! The header of the PROXY protocol, in which a proxy tells the server behind it from where a client has come: versions 1
//! (a line of text) and 2 (binary), as the specification of HAProxy defines them.
//!
//! Without I/O: [`Header::parse`] is a function of the bytes that have arrived. Its verdict on a header is the same
//! wherever the stream is cut.

use std::net::SocketAddr;

use super::fault::Fault;
use super::{v1, v2};

/// The content of a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Header {
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
pub(super) enum Transport {
    Stream,
    Datagram,
}

/// The verdict on the bytes that have arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Parsed {
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
    pub(super) fn parse(bytes: &[u8], max_bytes: usize) -> Parsed {
        if begins(bytes, v2::SIGNATURE) {
            v2::parse(bytes, max_bytes)
        } else if begins(bytes, v1::SIGNATURE) {
            v1::parse(bytes, max_bytes)
        } else {
            Parsed::Invalid(Fault::NoHeader)
        }
    }
}

/// Whether `bytes` begins with `signature`, or may do so once it is longer.
fn begins(bytes: &[u8], signature: &[u8]) -> bool {
    let length = bytes.len().min(signature.len());
    bytes[..length] == signature[..length]
}
