//! The memory of the server, with peers that do not read.

use std::io::{ErrorKind, Write};

use crate::peer::Peer;
use crate::server::{Server, eventually};

/// The most that a server may have ever had: its program, and the queues and the bytes that wait for each connection.
fn limit(connections: u64) -> u64 {
    (16 << 20) + connections * (512 << 10)
}

/// Sends `bytes` again and again, until the server takes no further byte of any of `peers`.
fn fill(peers: &mut [Peer], bytes: &[u8]) {
    for peer in &mut *peers {
        peer.stream.set_nonblocking(true).unwrap();
    }
    let mut rounds_without = 0;
    eventually("a server that takes no more", || {
        let mut taken = 0;
        for peer in &mut *peers {
            match peer.stream.write(bytes) {
                Ok(length) => taken += length,
                // On a slow machine the peer meets the limit on slow receivers before the buffers are full.
                Err(error) => assert!(
                    matches!(
                        error.kind(),
                        ErrorKind::WouldBlock | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe
                    ),
                    "{error}"
                ),
            }
        }
        rounds_without = if taken == 0 { rounds_without + 1 } else { 0 };
        (rounds_without == 20).then_some(())
    });
}

fn connect(server: &Server, count: usize) -> Vec<Peer> {
    (0..count).map(|_| Peer::connect(server.address)).collect()
}

#[test]
fn downloads_that_are_not_read_take_no_memory() {
    let server = Server::start(&[]);
    let mut peers = connect(&server, 40);
    for (number, peer) in peers.iter_mut().enumerate() {
        let path = if number % 2 == 0 { "bytes" } else { "chunked" };
        peer.send(format!(
            "GET /{path}/1000000000000 HTTP/1.1\r\nHost: a\r\n\r\n"
        ));
        // The head has come, so that the download has begun.
        peer.stream.peek(&mut [0]).unwrap();
    }
    assert!(
        server.most_resident_bytes() < limit(40),
        "{}",
        server.most_resident_bytes()
    );
    // The server is there for others.
    let mut other = Peer::connect(server.address);
    other.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(other.response().status, 200);
}

#[test]
fn a_pipeline_whose_responses_are_not_read_takes_no_memory() {
    let server = Server::start(&[]);
    let mut peers = connect(&server, 20);
    let requests = "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n".repeat(1_000);
    fill(&mut peers, requests.as_bytes());
    assert!(
        server.most_resident_bytes() < limit(20),
        "{}",
        server.most_resident_bytes()
    );
}

#[test]
fn an_echo_that_is_not_read_takes_no_memory() {
    let server = Server::start(&[]);
    let mut peers = connect(&server, 20);
    for peer in &mut peers {
        // One long chunk.
        let head = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        peer.send(format!("{head}10000000\r\n"));
    }
    fill(&mut peers, &[b'x'; 64 << 10]);
    assert!(
        server.most_resident_bytes() < limit(20),
        "{}",
        server.most_resident_bytes()
    );
}
