//! Bodies in both directions, with curl at the other end.

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::thread;

use crate::peer::{Peer, assert_same, pattern};
use crate::server::Server;
use crate::tools::{curl, output, text};

const LARGE: usize = 64 << 20;

/// Runs a command with `input`, and returns its standard output.
fn fed(command: &mut Command, input: Vec<u8>) -> Vec<u8> {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let writer = thread::spawn(move || pipe.write_all(&input));
    let mut output = Vec::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_end(&mut output)
        .unwrap();
    assert!(child.wait().unwrap().success(), "{command:?}");
    writer.join().unwrap().unwrap();
    output
}

#[test]
fn a_large_download_is_right_to_the_byte() {
    let server = Server::start(&[]);
    for path in ["bytes", "chunked"] {
        let Some(mut curl) = curl() else { return };
        let url = server.url(&format!("/{path}/{LARGE}"));
        assert_same(&output(curl.args(["--fail", &url])), &pattern(LARGE));
    }
}

#[test]
fn a_large_upload_is_counted_to_the_byte() {
    let server = Server::start(&[]);
    // Of standard input curl does not know the length, so it sends chunks.
    let Some(mut curl) = curl() else { return };
    let counted = fed(
        curl.args(["-T", "-", &server.url("/upload")]),
        pattern(LARGE),
    );
    assert_eq!(String::from_utf8(counted).unwrap(), "67108864 bytes\n");
}

#[test]
fn a_large_body_is_sent_back_while_it_arrives() {
    let server = Server::start(&[]);
    let Some(mut chunked) = curl() else { return };
    let echo = fed(
        chunked.args(["-T", "-", &server.url("/echo")]),
        pattern(LARGE),
    );
    assert_same(&echo, &pattern(LARGE));
    // Curl reads the data of a POST whole, and sends their length.
    let Some(mut known) = curl() else { return };
    let known = known.args(["--data-binary", "@-", &server.url("/echo")]);
    assert_same(&fed(known, pattern(LARGE)), &pattern(LARGE));
}

#[test]
fn http_1_0_gets_bodies_without_chunks() {
    let server = Server::start(&[]);
    for (path, body) in [
        ("/", b"Hello, world!\n".to_vec()),
        ("/bytes/1000000", pattern(1_000_000)),
        ("/chunked/1000000", pattern(1_000_000)),
    ] {
        let Some(mut curl) = curl() else { return };
        let curl = curl.args(["--http1.0", "--fail", &server.url(path)]);
        assert_same(&output(curl), &body);
    }
    let mut peer = Peer::connect(server.address);
    peer.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /chunked/9 HTTP/1.0\r\n\r\n");
    let first = peer.response();
    assert!(
        first.head.contains("Connection: keep-alive\r\n"),
        "{}",
        first.head
    );
    let rest = String::from_utf8(peer.rest()).unwrap();
    assert!(
        rest.contains("Connection: close\r\n") && !rest.contains("chunked"),
        "{rest:?}"
    );
    assert!(rest.ends_with(&format!(
        "\r\n\r\n{}",
        String::from_utf8(pattern(9)).unwrap()
    )));
}

#[test]
fn a_client_that_waits_is_told_to_continue() {
    let server = Server::start(&[]);
    let expect = [
        "--expect100-timeout",
        "60",
        "-H",
        "Expect: 100-continue",
        "--verbose",
    ];
    let Some(mut curl) = curl() else { return };
    let curl = curl.args(expect).args(["--stderr", "-", "-d", "12345"]);
    let log = text(curl.arg(server.url("/upload")));
    assert!(log.contains("< HTTP/1.1 100 Continue"), "{log}");
    assert!(
        log.ends_with("5 bytes\n") || log.contains("\n5 bytes\n"),
        "{log}"
    );
}

#[test]
fn a_body_that_would_be_refused_is_not_asked_for() {
    let server = Server::start(&["--body", "4"]);
    for (path, length, status) in [("/upload", 5, 413), ("/none", 3, 404), ("/", 3, 405)] {
        let mut peer = Peer::connect(server.address);
        peer.send(format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: {length}\r\n\r\n"
        ));
        let response = peer.response();
        assert_eq!(response.status, status, "{path}");
        // The client may send the body or not: the next request could not be told from it.
        assert!(
            response.head.contains("Connection: close\r\n"),
            "{}",
            response.head
        );
        assert_eq!(peer.rest(), b"", "{path}");
    }
}

#[test]
fn a_body_of_no_interest_is_read_and_the_connection_goes_on() {
    let server = Server::start(&[]);
    let mut peer = Peer::connect(server.address);
    let body = "x".repeat(100_000);
    peer.send(format!(
        "POST /none HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n{body}"
    ));
    assert_eq!(peer.response().status, 404);
    peer.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(peer.response().body, b"Hello, world!\n");
}

#[test]
fn the_response_to_head_has_no_body() {
    let server = Server::start(&[]);
    let mut peer = Peer::connect(server.address);
    for path in ["/", "/bytes/1000000", "/chunked/1000000", "/none"] {
        peer.send(format!("HEAD {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
    }
    peer.send("HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let heads = String::from_utf8(peer.rest()).unwrap();
    let lengths: Vec<_> = heads
        .lines()
        .filter(|line| line.starts_with("Content-L"))
        .collect();
    let expected = ["14", "1000000", "15", "14"].map(|length| format!("Content-Length: {length}"));
    assert_eq!(lengths, expected);
    assert_eq!(heads.matches("\r\n\r\n").count(), 5);
    assert!(
        heads
            .split("\r\n\r\n")
            .all(|head| head.is_empty() || head.starts_with("HTTP/1.1 "))
    );
}

#[test]
fn curl_asks_twice_on_one_connection() {
    let server = Server::start(&[]);
    let Some(mut curl) = curl() else { return };
    let urls = [
        server.url("/"),
        server.url("/chunked/5"),
        server.url("/metrics"),
    ];
    let metrics = text(curl.args(&urls));
    let value = |name: &str| {
        let line = metrics.lines().find(|line| line.starts_with(name));
        let value = line.unwrap_or_else(|| panic!("no {name} in {metrics}"));
        value.rsplit(' ').next().unwrap().to_owned()
    };
    assert_eq!(value("netloop_accepted_total"), "1");
    assert_eq!(value("netloop_sockets "), "1");
    assert_eq!(value("http_responses_total{class=\"2xx\"}"), "2");
    assert_ne!(value("netloop_received_bytes_total"), "0");
}
