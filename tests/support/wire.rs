//! The way of a peer's bytes: a plain socket, or TLS over it.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use socket2::SockRef;

#[cfg(feature = "over_tls")]
use super::over_tls::{self, Link};

/// A connection of a peer. It does not block.
#[derive(Debug)]
pub(crate) enum Wire {
    Plain(TcpStream),
    #[cfg(feature = "over_tls")]
    Tls(Link),
}

impl Wire {
    /// Begins TLS if the other end is a socket of a scene that speaks it.
    pub(crate) fn new(stream: TcpStream) -> Self {
        #[cfg(feature = "over_tls")]
        if let Some(side) = over_tls::side_of(&stream) {
            return Self::Tls(Link::new(stream, side));
        }
        Self::Plain(stream)
    }

    /// Begins TLS as a server.
    #[cfg(feature = "over_tls")]
    pub(crate) fn begin_tls(&mut self) {
        if let Self::Plain(stream) = self {
            let stream = stream.try_clone().unwrap();
            let side = netloop::TlsSide::Server(over_tls::server_config());
            *self = Self::Tls(Link::new(stream, side));
        }
    }

    /// The socket, to ask for its addresses.
    pub(crate) fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            #[cfg(feature = "over_tls")]
            Self::Tls(link) => link.socket(),
        }
    }

    pub(crate) fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(bytes),
            #[cfg(feature = "over_tls")]
            Self::Tls(link) => link.read(bytes),
        }
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            #[cfg(feature = "over_tls")]
            Self::Tls(link) => link.write(bytes),
        }
    }

    pub(crate) fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.write_all(bytes),
            #[cfg(feature = "over_tls")]
            Self::Tls(link) => link.write_all(bytes),
        }
    }

    pub(crate) fn half_close(&self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.shutdown(Shutdown::Write),
            #[cfg(feature = "over_tls")]
            Self::Tls(link) => link.half_close(),
        }
    }

    pub(crate) fn reset(self) {
        match self {
            Self::Plain(stream) => SockRef::from(&stream)
                .set_linger(Some(Duration::ZERO))
                .unwrap(),
            #[cfg(feature = "over_tls")]
            Self::Tls(link) => link.reset(),
        }
    }

    /// The plain socket; over TLS, one of a thread that speaks it.
    pub(crate) fn into_stream(self) -> TcpStream {
        match self {
            Self::Plain(stream) => stream,
            #[cfg(feature = "over_tls")]
            Self::Tls(link) => over_tls::bridge(link),
        }
    }
}
