//! The answers to requests that are clear, and not to be served.

use crate::peer::Peer;
use crate::server::Server;

#[test]
fn each_refusal_has_its_status() {
    let server = Server::start(&["--body", "1000"]);
    let long = "x".repeat(16 << 10);
    for (request, status, closes) in [
        (
            "GET /none HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
            404,
            false,
        ),
        (
            "GET /bytes/many HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
            404,
            false,
        ),
        (
            "DELETE / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
            405,
            false,
        ),
        (
            "GET /echo HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
            405,
            false,
        ),
        ("\x16\x03\x01\x02\x00 hello of TLS".to_owned(), 400, true),
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), 400, true),
        ("GET / HTTP/2.0\r\n\r\n".to_owned(), 505, true),
        (
            "PUT /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n".to_owned(),
            413,
            true,
        ),
        (format!("GET /{long}"), 414, true),
        (format!("GET / HTTP/1.1\r\nX: {long}"), 431, true),
    ] {
        let mut peer = Peer::connect(server.address);
        peer.send(&request);
        let response = peer.response();
        let shown = &request[..request.len().min(60)];
        assert_eq!(response.status, status, "{shown:?}");
        let text = String::from_utf8(response.body).unwrap();
        assert!(text.starts_with(&status.to_string()), "{text:?}");
        let says_close = response.head.contains("Connection: close\r\n");
        assert_eq!(says_close, closes, "{shown:?}");
        if status == 405 {
            assert!(response.head.contains("Allow: "), "{}", response.head);
        }
        match closes {
            true => assert_eq!(peer.rest(), b""),
            false => {
                peer.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
                assert_eq!(peer.response().status, 200);
            }
        }
    }
}

/// The client sends its whole body before it reads. The response must not be lost in a reset.
#[test]
fn a_refusal_reaches_a_client_that_is_still_sending() {
    let server = Server::start(&["--body", "1000"]);
    for _ in 0..20 {
        let mut peer = Peer::connect(server.address);
        let length = 3 << 20;
        peer.send(format!(
            "PUT /upload HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n"
        ));
        peer.send("x".repeat(length));
        assert_eq!(peer.response().status, 413);
    }
}

#[test]
fn an_address_has_its_number_of_connections() {
    let server = Server::start(&["--per-address", "2"]);
    let mut peers: Vec<_> = (0..2).map(|_| Peer::connect(server.address)).collect();
    for peer in &mut peers {
        peer.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(peer.response().status, 200);
    }
    assert!(Peer::connect(server.address).is_over());
    drop(peers);
}
