//! The filter itself.

use std::io::IoSlice;
use std::net::SocketAddr;

use crate::net::error::{Error, Result};
use crate::net::filter::{Decoded, Filter, FilterOutput};

use super::header::{Header, Parsed};

/// The limit on the bytes of a header. Its addresses take up to 232, and the rest is for TLVs, which are skipped.
const MOST_BYTES: usize = 4096;

/// The header of the PROXY protocol, version 1 or 2, in front of the bytes of a client. A filter, which
/// [`ListenOptions::proxy_header`](crate::ListenOptions::proxy_header) sets, and which [`Socket::filter`](crate::Socket::filter)
/// returns.
///
/// The [`peer_address`](crate::Socket::peer_address) of the socket is then the client's, unless the proxy speaks for itself
/// (LOCAL, as in a health check) or does not know its client (UNKNOWN, or a Unix socket). A header has at most 4 KiB, and
/// [`Limits::handshake_timeout`](crate::Limits::handshake_timeout) limits the time that it takes.
#[derive(Debug)]
pub struct ProxyHeader {
    proxy: Option<SocketAddr>,
    header: Option<Header>,
}

impl ProxyHeader {
    /// Makes the filter of a connection from the proxy at this address.
    pub fn new(proxy: Option<SocketAddr>) -> Self {
        Self {
            proxy,
            header: None,
        }
    }

    /// Returns the address of the proxy: the peer of the connection as the kernel knows it.
    pub fn proxy_address(&self) -> Option<SocketAddr> {
        self.proxy
    }

    /// Returns the address at which the client has reached the first proxy.
    pub fn destination(&self) -> Option<SocketAddr> {
        match self.header {
            Some(Header::Inet { destination, .. }) => Some(destination),
            _ => None,
        }
    }
}

impl Filter for ProxyHeader {
    fn is_ready(&self) -> bool {
        self.header.is_some()
    }

    fn decode(&mut self, input: &mut [u8], _: &mut FilterOutput<'_>) -> Result<Decoded> {
        let mut start = 0;
        if self.header.is_none() {
            match Header::parse(input, MOST_BYTES) {
                // The bytes come again, with further ones behind them.
                Parsed::Incomplete => return Ok(Decoded::used(0)),
                Parsed::Invalid(fault) => return Err(Error::with_code(Error::PROXY_HEADER, fault)),
                Parsed::Complete { header, length } => {
                    self.header = Some(header);
                    start = length;
                }
            }
        }
        Ok(Decoded::used(input.len()).in_place(start..input.len()))
    }

    fn encode(&mut self, bytes: &[IoSlice<'_>], to_peer: &mut Vec<u8>) -> Result<usize> {
        let mut length = 0;
        for slice in bytes {
            to_peer.extend_from_slice(slice);
            length += slice.len();
        }
        Ok(length)
    }

    fn peer_ended(&mut self) -> Result<()> {
        match self.header {
            Some(_) => Ok(()),
            None => Err(Error::with_code(
                Error::PROXY_HEADER,
                "the proxy has ended within its PROXY header",
            )),
        }
    }

    fn peer_address(&self) -> Option<SocketAddr> {
        match self.header {
            Some(Header::Inet { source, .. }) => Some(source),
            _ => None,
        }
    }
}
