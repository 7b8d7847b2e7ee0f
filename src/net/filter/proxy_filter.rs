//! The filter of an accepted connection that begins with a PROXY header. All bytes after it pass as they are.

use std::io::IoSlice;
use std::net::SocketAddr;

use crate::net::error::{Error, Result};

use super::interface::{Decoded, Filter, FilterOutput};
use super::proxy_header::ProxyHeader;

#[derive(Debug)]
pub(crate) struct ProxyFilter {
    /// The address of the peer at the accept; `None` on a Unix socket.
    proxy: Option<SocketAddr>,
    is_optional: bool,
    progress: Progress,
}

#[derive(Debug)]
enum Progress {
    Awaited {
        /// Whether the first byte was received.
        has_begun: bool,
    },
    Over(Option<ProxyHeader>),
}

impl ProxyFilter {
    pub(crate) fn new(proxy: Option<SocketAddr>, is_optional: bool) -> Self {
        Self {
            proxy,
            is_optional,
            progress: Progress::Awaited { has_begun: false },
        }
    }

    pub(crate) fn header(&self) -> Option<&ProxyHeader> {
        match &self.progress {
            Progress::Over(header) => header.as_ref(),
            Progress::Awaited { .. } => None,
        }
    }

    /// Returns the proxy's address, if a header has come.
    pub(crate) fn proxy(&self) -> Option<SocketAddr> {
        self.header().and(self.proxy)
    }

    /// Parses the header in front of `input`. Returns its length, 0 without one, and `None` while bytes are missing.
    fn take_header(&mut self, input: &[u8]) -> Result<Option<usize>> {
        if self.is_optional && ProxyHeader::is_absent(input) {
            self.progress = Progress::Over(None);
            return Ok(Some(0));
        }
        let parsed = ProxyHeader::parse(input).map_err(|error| self.at_proxy(error.to_string()))?;
        let Some((header, length)) = parsed else {
            let has_begun = !input.is_empty();
            self.progress = Progress::Awaited { has_begun };
            return Ok(None);
        };
        self.progress = Progress::Over(Some(header));
        Ok(Some(length))
    }

    fn at_proxy(&self, text: String) -> Error {
        match self.proxy {
            Some(proxy) => {
                let text = format!("{proxy}: {text}");
                Error::with_code(Error::PROXY_HEADER, text).at(proxy.into())
            }
            None => Error::with_code(Error::PROXY_HEADER, text),
        }
    }
}

impl Filter for ProxyFilter {
    fn is_ready(&self) -> bool {
        matches!(self.progress, Progress::Over(_))
    }

    fn decode(&mut self, input: &mut [u8], _: &mut FilterOutput<'_>) -> Result<Decoded> {
        let header_bytes = match self.is_ready() {
            true => 0,
            false => match self.take_header(input)? {
                Some(length) => length,
                None => return Ok(Decoded::used(0)),
            },
        };
        Ok(Decoded::used(input.len()).in_place(header_bytes..input.len()))
    }

    fn encode(&mut self, bytes: &[IoSlice<'_>], to_peer: &mut Vec<u8>) -> Result<usize> {
        let before = to_peer.len();
        for slice in bytes {
            to_peer.extend_from_slice(slice);
        }
        Ok(to_peer.len() - before)
    }

    fn peer_ended(&mut self) -> Result<()> {
        let place = match self.progress {
            Progress::Over(_) => return Ok(()),
            Progress::Awaited { has_begun: true } => "within",
            Progress::Awaited { has_begun: false } => "before",
        };
        Err(self.at_proxy(format!("the connection ends {place} its PROXY header")))
    }

    fn peer_address(&self) -> Option<SocketAddr> {
        self.header().and_then(ProxyHeader::client)
    }
}

#[cfg(test)]
mod tests;
