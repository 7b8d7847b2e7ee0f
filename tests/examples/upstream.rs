//! Both ends of a connection through a proxy, in the hands of the test. Each wait has a deadline.
#![allow(
    clippy::unwrap_used,
    reason = "a test says what it expects by panicking"
)]

use std::net::{SocketAddr, TcpListener, TcpStream};

use crate::support::loopback;
use crate::transcript::{PATIENCE, ask_for};

pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("it listens");
    stream.set_nodelay(true).unwrap();
    with_patience(stream)
}

/// Gives each wait of the stream a deadline.
fn with_patience(stream: TcpStream) -> TcpStream {
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// A server behind a proxy.
pub(crate) struct Upstream(TcpListener);

impl Upstream {
    pub(crate) fn new() -> Self {
        Self::at(loopback())
    }

    pub(crate) fn at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        listener.set_nonblocking(true).unwrap();
        Self(listener)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    /// Waits for the next connection.
    pub(crate) fn accept(&self) -> TcpStream {
        let accepted = ask_for("a connection from the proxy", || self.0.accept().ok());
        with_patience(accepted.0)
    }

    pub(crate) fn has_connection(&self) -> bool {
        self.0.accept().is_ok()
    }
}
