//! `proxy` between clients and servers of others, and between real HAProxies.
#![allow(
    clippy::unwrap_used,
    reason = "a test says what it expects by panicking"
)]

mod bytes;
mod haproxy;
mod headers;
mod servers;

// The parser has no I/O, and its own tests beside it.
#[path = "../../examples/proxy/header/mod.rs"]
mod header;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use crate::programs::{Program, start_server};
use crate::support::loopback;
use crate::transcript::{PATIENCE, ask_for};

/// The proxy, where it listens, and where its statistics are.
struct Proxy {
    program: Program,
    address: SocketAddr,
    statistics: SocketAddr,
}

impl Proxy {
    /// Starts the proxy in front of `upstreams`.
    fn start(upstreams: &[SocketAddr], arguments: &[&str]) -> Self {
        let own = loopback().to_string();
        let mut all = vec!["--listen", &own, "--statistics", &own];
        let places: Vec<String> = upstreams.iter().map(SocketAddr::to_string).collect();
        for place in &places {
            all.extend(["--to", place.as_str()]);
        }
        all.extend(arguments);
        let (mut program, address) = start_server("proxy", &all);
        let line = program.output.next_line();
        let statistics = line.strip_prefix("statistics ");
        Self {
            program,
            address,
            statistics: statistics.and_then(|it| it.parse().ok()).unwrap(),
        }
    }

    fn connect(&self) -> TcpStream {
        connect(self.address)
    }

    fn statistics(&self) -> String {
        let mut text = String::new();
        connect(self.statistics).read_to_string(&mut text).unwrap();
        text
    }

    /// Waits until the statistics say `line`.
    fn reports(&self, line: &str) {
        let mut text = String::new();
        ask_for(&format!("{line:?} in the statistics"), || {
            text = self.statistics();
            text.contains(line).then_some(())
        });
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    with_patience(TcpStream::connect(address).expect("it listens"))
}

/// Gives each wait of the stream a deadline.
fn with_patience(stream: TcpStream) -> TcpStream {
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// A server behind the proxy, in the hands of the test.
struct Upstream(TcpListener);

impl Upstream {
    fn new() -> Self {
        Self::at(loopback())
    }

    fn at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        listener.set_nonblocking(true).unwrap();
        Self(listener)
    }

    fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    /// Waits for the next connection.
    fn accept(&self) -> TcpStream {
        let accepted = ask_for("a connection from the proxy", || self.0.accept().ok());
        with_patience(accepted.0)
    }

    fn has_connection(&self) -> bool {
        self.0.accept().is_ok()
    }
}

/// Sends a question through a pair of sockets, and an answer back.
fn assert_joined(client: &mut TcpStream, upstream: &mut TcpStream) {
    client.write_all(b"question").unwrap();
    let mut question = [0; 8];
    upstream.read_exact(&mut question).unwrap();
    assert_eq!(&question, b"question");
    upstream.write_all(b"answer").unwrap();
    let mut answer = [0; 6];
    client.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"answer");
}
