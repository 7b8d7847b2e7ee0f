//! Several requests at once.

use std::io::Write;
use std::net::Shutdown;
use std::thread;

use crate::peer::{Peer, assert_same, pattern};
use crate::server::Server;

/// Different requests, so that an order that is not theirs shows.
fn requests(count: usize) -> (String, Vec<Vec<u8>>) {
    let mut requests = String::new();
    let mut bodies = Vec::new();
    for number in 0..count {
        let length = number % 7 * 13;
        if number % 3 == 0 {
            let body = "x".repeat(length);
            requests += &format!(
                "POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{body}"
            );
            bodies.push(format!("{length} bytes\n").into_bytes());
        } else {
            requests += &format!("GET /bytes/{length} HTTP/1.1\r\nHost: a\r\n\r\n");
            bodies.push(pattern(length));
        }
    }
    (requests, bodies)
}

#[test]
fn a_pipeline_is_answered_in_its_order() {
    let server = Server::start(&[]);
    let (requests, bodies) = requests(1_000);
    let mut peer = Peer::connect(server.address);
    peer.send(requests);
    for body in bodies {
        let response = peer.response();
        assert_eq!((response.status, response.body), (200, body));
    }
}

#[test]
fn a_pipeline_byte_by_byte_is_answered_alike() {
    let server = Server::start(&[]);
    let (requests, bodies) = requests(21);
    let mut peer = Peer::connect(server.address);
    for byte in requests.as_bytes().chunks(1) {
        peer.send(byte);
    }
    for body in bodies {
        assert_eq!(peer.response().body, body);
    }
}

#[test]
fn requests_behind_a_download_wait_for_its_end() {
    let server = Server::start(&[]);
    let large = 20_000_000;
    // Made first: the server closes a peer that computes for long and reads nothing meanwhile.
    let expected = pattern(large);
    let mut peer = Peer::connect(server.address);
    let request = format!("GET /bytes/{large} HTTP/1.1\r\nHost: a\r\n\r\n");
    peer.send(request.repeat(3) + "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    for _ in 0..3 {
        assert_same(&peer.response().body, &expected);
    }
    assert_eq!(peer.response().body, b"Hello, world!\n");
}

/// The client ends its side after its requests, as `nc -N` does.
#[test]
fn a_client_that_ends_its_side_gets_every_response() {
    let server = Server::start(&[]);
    let large = 8_000_000;
    // Made first: the server closes a peer that computes for long and reads nothing meanwhile.
    let expected = pattern(large);
    let mut peer = Peer::connect(server.address);
    peer.send(format!("GET /bytes/{large} HTTP/1.1\r\nHost: a\r\n\r\n").repeat(2));
    peer.stream.shutdown(Shutdown::Write).unwrap();
    for _ in 0..2 {
        assert_same(&peer.response().body, &expected);
    }
    assert_eq!(peer.rest(), b"");
}

#[test]
fn many_responses_wait_for_a_client_that_reads_late() {
    let server = Server::start(&[]);
    let mut peer = Peer::connect(server.address);
    let count = 50_000;
    let mut stream = peer.stream.try_clone().unwrap();
    // The sender blocks until the responses are read.
    let sender = thread::spawn(move || {
        let request = "GET /bytes/99 HTTP/1.1\r\nHost: a\r\n\r\n".repeat(100);
        for _ in 0..count / 100 {
            stream.write_all(request.as_bytes()).unwrap();
        }
    });
    for _ in 0..count {
        assert_eq!(peer.response().body.len(), 99);
    }
    sender.join().unwrap();
}
