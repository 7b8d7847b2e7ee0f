//! Peers that take their time.

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use crate::peer::Peer;
use crate::server::{Server, eventually};

/// Sends a byte now and then until the connection is over, or `bytes` are sent.
#[expect(clippy::disallowed_methods, reason = "the peer is slow on purpose")]
fn drip(peer: &Peer, bytes: usize) -> thread::JoinHandle<bool> {
    let mut stream = peer.stream.try_clone().unwrap();
    thread::spawn(move || {
        for _ in 0..bytes {
            if stream.write_all(b"x").is_err() {
                return false;
            }
            thread::sleep(Duration::from_millis(20));
        }
        true
    })
}

fn has_metric(server: &Server, line: &str) -> bool {
    let mut monitor = Peer::connect(server.address);
    monitor.send("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
    let metrics = String::from_utf8(monitor.response().body).unwrap();
    metrics.lines().any(|it| it == line)
}

/// Slowloris: each byte is activity, and the head never ends.
#[test]
fn a_head_that_drips_meets_its_deadline() {
    let server = Server::start(&["--head-time", "0.3"]);
    let mut peer = Peer::connect(server.address);
    peer.send("GET / HTTP/1.1\r\nHost: a\r\nX: ");
    let dripping = drip(&peer, 6_000);
    let response = peer.response();
    assert_eq!(response.status, 408);
    assert!(
        response.head.contains("Connection: close\r\n"),
        "{}",
        response.head
    );
    // The server ends its side at once, and resets a peer that goes on sending.
    assert_eq!(peer.rest(), b"");
    assert!(!dripping.join().unwrap(), "the peer could send to the end");
}

#[test]
fn a_body_that_drips_meets_its_deadline() {
    let server = Server::start(&["--body-time", "0.3"]);
    let mut peer = Peer::connect(server.address);
    peer.send("PUT /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
    let dripping = drip(&peer, 6_000);
    assert_eq!(peer.response().status, 408);
    assert_eq!(peer.rest(), b"");
    assert!(!dripping.join().unwrap(), "the peer could send to the end");
}

/// A second status line would be taken for a part of the body.
#[test]
fn a_response_that_has_begun_is_cut_at_the_deadline() {
    let server = Server::start(&["--body-time", "0.3"]);
    let mut peer = Peer::connect(server.address);
    peer.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
    let dripping = drip(&peer, 6_000);
    assert!(peer.is_over());
    assert!(!dripping.join().unwrap(), "the peer could send to the end");
    // It is not the least rate that has closed it.
    assert!(has_metric(&server, "netloop_late_requests_total 1"));
}

/// Sends a request in parts. `false` if it was not whole within `time`, so that the server has refused it.
#[expect(clippy::disallowed_methods, reason = "the peer rests on purpose")]
fn asks_in_parts(peer: &mut Peer, time: Duration) -> bool {
    let begun = Instant::now();
    for (part, status) in [
        ("PUT /upload HTTP/1.1\r\nHost: a\r\n", None),
        (
            "Expect: 100-continue\r\nContent-Length: 1\r\n\r\n",
            Some(100),
        ),
        ("1", Some(200)),
    ] {
        // It fails behind the deadline.
        let _ = peer.stream.write_all(part.as_bytes());
        let Some(status) = status else {
            thread::sleep(Duration::from_millis(100));
            continue;
        };
        let found = peer.response().status;
        if found == 408 {
            assert!(begun.elapsed() >= time, "never early");
            return false;
        }
        assert_eq!(found, status);
    }
    true
}

/// The times count for each request, and not for the connection.
#[test]
#[expect(clippy::disallowed_methods, reason = "the peer rests on purpose")]
fn a_client_may_rest_between_two_requests() {
    // A busy machine may need longer for a request, and gets longer.
    for seconds in [1, 2, 4, 8, 16] {
        let (time, text) = (Duration::from_secs(seconds), seconds.to_string());
        let server = Server::start(&["--head-time", &text, "--body-time", &text]);
        let mut peer = Peer::connect(server.address);
        if asks_in_parts(&mut peer, time) {
            thread::sleep(time + Duration::from_millis(500));
            if asks_in_parts(&mut peer, time) {
                return;
            }
        }
    }
    panic!("no request was whole in time");
}

/// The limits of `Limits::internet` hold for this server.
#[test]
fn a_peer_that_says_or_reads_nothing_is_closed() {
    let server = Server::start(&[]);
    let mut silent = Peer::connect(server.address);
    let mut deaf = Peer::connect(server.address);
    deaf.send("GET /bytes/1000000000000 HTTP/1.1\r\nHost: a\r\n\r\n");
    eventually("the closes of both", || {
        let are_closed = has_metric(&server, "netloop_silent_peers_total 1")
            && has_metric(&server, "netloop_slow_receivers_total 1");
        are_closed.then_some(())
    });
    assert!(silent.is_over() && deaf.is_over());
}
