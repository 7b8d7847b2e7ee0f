//! Requests in which two servers could see different things: each is refused, and the connection ends.

use crate::peer::Peer;
use crate::server::Server;

#[test]
fn no_request_is_smuggled() {
    let server = Server::start(&[]);
    let chunked = "POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let fields = |fields: &str| format!("POST /upload HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n");
    for (request, status) in [
        (
            fields("Content-Length: 6\r\nTransfer-Encoding: chunked") + "0\r\n\r\nG",
            400,
        ),
        (
            fields("Transfer-Encoding: chunked\r\nContent-Length: 6") + "0\r\n\r\nG",
            400,
        ),
        (fields("Content-Length: 1\r\nContent-Length: 2"), 400),
        (fields("Content-Length: 1, 1"), 400),
        (fields("Content-Length: +1"), 400),
        (fields("Content-Length : 1"), 400),
        (fields("Transfer-Encoding: xchunked"), 400),
        (fields("Transfer-Encoding: chunked, identity"), 400),
        (fields("Transfer-Encoding: gzip, chunked"), 501),
        (fields("X: 1\r\n Content-Length: 1"), 400),
        (fields("X: 1\rTransfer-Encoding: chunked"), 400),
        (fields("Host: b"), 400),
        (format!("{chunked}0x1\r\nx\r\n"), 400),
        (format!("{chunked}+1\r\nx\r\n"), 400),
        (format!("{chunked}1\nx\r\n"), 400),
        (format!("{chunked}1\r\nx\n"), 400),
        (format!("{chunked}1\r\nxx\r\n"), 400),
        (format!("{chunked}00000000000000001\r\nx\r\n"), 400),
        (format!("{chunked}ffffffffffffffff\r\nx\r\n"), 413),
        (format!("{chunked}0\r\n folded: 1\r\n\r\n"), 400),
    ] {
        let mut peer = Peer::connect(server.address);
        peer.send(format!("{request}GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
        let response = peer.response();
        assert_eq!(response.status, status, "{request:?}");
        assert!(
            response.head.contains("Connection: close\r\n"),
            "{}",
            response.head
        );
        assert_eq!(String::from_utf8(peer.rest()).unwrap(), "", "{request:?}");
    }
}

/// The response of an echo has begun when the bad chunk comes. Its end has to be missing.
#[test]
fn an_echo_of_a_bad_chunk_has_no_end() {
    let server = Server::start(&[]);
    let mut peer = Peer::connect(server.address);
    peer.send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
    assert_eq!(peer.response().status, 200);
    peer.send("x\r\n");
    let rest = String::from_utf8(peer.rest()).unwrap();
    assert_eq!(rest, "5\r\nhello\r\n");
}
