//! `proxy` between clients and servers of others, and between real HAProxies.
#![allow(
    clippy::unwrap_used,
    reason = "a test says what it expects by panicking"
)]

mod bytes;
mod haproxy;
mod headers;
mod servers;

// It has no I/O, and its own tests beside it.
#[path = "../../examples/proxy/header.rs"]
mod header;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::programs::{Program, start_server};
use crate::support::loopback;
use crate::transcript::ask_for;
use crate::upstream::{Upstream, connect};

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
