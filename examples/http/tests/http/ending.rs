//! SIGTERM.

use rustix::process::Signal;

use crate::peer::{Peer, assert_same, pattern};
use crate::server::Server;

#[test]
fn requests_in_work_finish_and_idle_connections_end() {
    let large = 20_000_000;
    let expected = pattern(large);
    let mut server = Server::start(&["--shutdown-time", "60"]);
    // One has begun a head, one a body, and one has not read its download.
    let mut head = Peer::connect(server.address);
    head.send("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HT");
    assert_eq!(head.response().status, 200);
    let mut upload = Peer::connect(server.address);
    upload.send(
        "PUT /upload HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
    );
    assert_eq!(upload.response().status, 100);
    let mut download = Peer::connect(server.address);
    download.send(format!("GET /bytes/{large} HTTP/1.1\r\nHost: a\r\n\r\n"));
    download.stream.peek(&mut [0]).unwrap();

    // The youngest connection is asked last: its end tells that the others were asked.
    let mut idle = Peer::connect(server.address);
    idle.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(idle.response().status, 200);

    server.signal(Signal::TERM);
    server.says("terminating");
    assert_eq!(idle.rest(), b"");
    drop(idle);
    head.send("TP/1.1\r\nHost: a\r\n\r\n");
    let response = head.response();
    assert_eq!(response.body, b"Hello, world!\n");
    assert!(
        response.head.contains("Connection: close\r\n"),
        "{}",
        response.head
    );
    assert_eq!(head.rest(), b"");
    drop(head);
    upload.send("12345");
    assert_eq!(upload.response().body, b"5 bytes\n");
    assert_eq!(upload.rest(), b"");
    drop(upload);
    assert_same(&download.response().body, &expected);
    assert_eq!(download.rest(), b"");
    drop(download);
    assert_eq!(server.says("1 ended, "), "3 finished, 0 failed, 0 forced");
    assert!(server.exit().success());
}

#[test]
fn a_second_signal_forces() {
    let mut server = Server::start(&["--shutdown-time", "60"]);
    let mut peer = Peer::connect(server.address);
    peer.send(
        "PUT /upload HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
    );
    assert_eq!(peer.response().status, 100);
    server.signal(Signal::TERM);
    server.says("terminating");
    server.signal(Signal::TERM);
    server.says("forcing");
    assert!(peer.is_over());
    assert!(server.exit().success());
}
