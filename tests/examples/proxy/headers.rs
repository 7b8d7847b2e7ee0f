//! The PROXY protocol on both sides: from curl, in pieces, broken, too late, and from strangers.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use netloop::ProxyHeader;

use super::header::{of, to_v1, to_v2};
use super::{Proxy, Upstream, assert_joined};
use crate::programs::has;
use crate::support::{Disturbed, let_time_pass, until_undisturbed_with_more_time};
use crate::transcript::ask_for;

/// The source of connections to all of 127.0.0.0/8.
const TRUSTED: [&str; 2] = ["--accept-proxy", "127.0.0.1"];

/// Reads the header at the front of a connection, and not a byte more. `None` if the connection ends or fails first.
pub(super) fn read_header(stream: &mut TcpStream) -> Option<ProxyHeader> {
    let mut received = Vec::new();
    loop {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        received.push(byte[0]);
        let parsed = ProxyHeader::parse(&received);
        let parsed = parsed.unwrap_or_else(|fault| panic!("{fault}: {}", received.escape_ascii()));
        if let Some((header, length)) = parsed {
            assert_eq!(length, received.len());
            return Some(header);
        }
    }
}

pub(super) fn tcp(source: SocketAddr, destination: SocketAddr) -> ProxyHeader {
    of(Some(source), Some(destination))
}

/// Checks the header and the stream behind it for a client that a test has connected to a proxy in between.
fn assert_introduced(client: &mut TcpStream, upstream: &Upstream, header: &ProxyHeader) {
    let mut server = upstream.accept();
    assert_eq!(read_header(&mut server).as_ref(), Some(header));
    assert_joined(client, &mut server);
}

#[test]
fn a_server_learns_from_where_the_client_comes() {
    for version in ["1", "2"] {
        let upstream = Upstream::new();
        let proxy = Proxy::start(&[upstream.address()], &["--send-proxy", version]);
        let mut client = proxy.connect();
        let header = tcp(client.local_addr().unwrap(), proxy.address);
        assert_introduced(&mut client, &upstream, &header);
    }
}

#[test]
fn a_header_is_passed_on_from_version_to_version() {
    let source: SocketAddr = "[2001:db8::1]:56324".parse().unwrap();
    let destination: SocketAddr = "[2001:db8::2]:443".parse().unwrap();
    let header = tcp(source, destination);
    for version in ["1", "2"] {
        let upstream = Upstream::new();
        let arguments = [&TRUSTED[..], &["--send-proxy", version]].concat();
        let proxy = Proxy::start(&[upstream.address()], &arguments);
        for bytes in [to_v1(&header), to_v2(&header)] {
            let mut client = proxy.connect();
            client.write_all(&bytes).unwrap();
            assert_introduced(&mut client, &upstream, &header);
        }
    }
}

#[test]
fn the_ends_of_the_connection_stand_in_for_missing_addresses() {
    let upstream = Upstream::new();
    let arguments = [&TRUSTED[..], &["--send-proxy", "2"]].concat();
    let proxy = Proxy::start(&[upstream.address()], &arguments);
    for header in [ProxyHeader::Local, ProxyHeader::Unknown] {
        for bytes in [to_v1(&header), to_v2(&header)] {
            let mut client = proxy.connect();
            client.write_all(&bytes).unwrap();
            let own = tcp(client.local_addr().unwrap(), proxy.address);
            assert_introduced(&mut client, &upstream, &own);
        }
    }
}

#[test]
fn a_header_in_single_bytes_or_with_the_request_counts() {
    let upstream = Upstream::new();
    let proxy = Proxy::start(&[upstream.address()], &TRUSTED);
    let own: SocketAddr = "192.0.2.1:56324".parse().unwrap();
    for header in [to_v1(&tcp(own, own)), to_v2(&tcp(own, own))] {
        let mut client = proxy.connect();
        for byte in &header {
            client.write_all(&[*byte]).unwrap();
        }
        assert_joined(&mut client, &mut upstream.accept());

        // All at once, and an end behind it.
        let mut client = proxy.connect();
        client
            .write_all(&[&header, b"request".as_slice()].concat())
            .unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let mut request = String::new();
        upstream.accept().read_to_string(&mut request).unwrap();
        assert_eq!(request, "request");
    }
}

#[test]
fn bytes_without_a_valid_header_reach_no_server() {
    let upstream = Upstream::new();
    let mut proxy = Proxy::start(&[upstream.address()], &TRUSTED);
    let too_long = {
        let mut bytes = to_v2(&ProxyHeader::Local);
        bytes[14..16].copy_from_slice(&u16::MAX.to_be_bytes());
        bytes
    };
    let rows: [(&[u8], &str); 4] = [
        (
            b"GET / HTTP/1.0\r\n\r\n",
            "no PROXY header at the beginning",
        ),
        (
            b"PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n",
            "the PROXY header has no destination port",
        ),
        (
            &too_long,
            "the PROXY header has 65551 bytes, and 4096 are allowed",
        ),
        (b"PROXY UNKN", "the connection ends within its PROXY header"),
    ];
    for (bytes, words) in rows {
        let mut client = proxy.connect();
        client.write_all(bytes).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(client.read(&mut [0]).unwrap_or(0), 0);
        let peer = client.local_addr().unwrap();
        proxy.program.errors.expect(&format!("{peer}: {words}\n"));
    }
    // A check of the port alone has no header, too.
    drop(proxy.connect());
    proxy.reports("clients: 0 now, 0 in all, 5 without a valid header");
    assert!(!upstream.has_connection());
}

#[test]
fn a_header_has_to_be_whole_at_its_deadline() {
    let upstream = Upstream::new();
    let arguments = [&TRUSTED[..], &["--header-timeout", "0.3"]].concat();
    let mut proxy = Proxy::start(&[upstream.address()], &arguments);
    let mut silent = proxy.connect();
    let mut trickling = proxy.connect();
    let mut writing = trickling.try_clone().unwrap();
    // Each byte is activity, and none puts the deadline off.
    let trickle = thread::spawn(move || {
        let mut header = to_v2(&ProxyHeader::Local);
        header[14..16].copy_from_slice(&4000_u16.to_be_bytes());
        header.resize(200, 0);
        for byte in header {
            if writing.write_all(&[byte]).is_err() {
                return;
            }
            let_time_pass(Duration::from_millis(5));
        }
    });
    let error = silent.read(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    // The kernel tells of a reset once, and perhaps the other thread.
    assert_eq!(trickling.read(&mut [0]).unwrap_or(0), 0);
    trickle.join().unwrap();
    proxy
        .program
        .errors
        .expect("the handshake was not complete within 300ms");
    assert!(!upstream.has_connection());
}

#[test]
fn a_whole_header_takes_its_deadline_away() {
    until_undisturbed_with_more_time(|stretch| {
        let upstream = Upstream::new();
        let timeout = Duration::from_millis(300) * stretch;
        let seconds = timeout.as_secs_f64().to_string();
        let arguments = [&TRUSTED[..], &["--header-timeout", &seconds]].concat();
        let proxy = Proxy::start(&[upstream.address()], &arguments);
        let begun = Instant::now();
        let mut client = proxy.connect();
        // It fails if the deadline was first.
        let _ = client.write_all(&to_v2(&ProxyHeader::Local));
        let text = ask_for("a client with a header, or without", || {
            let text = proxy.statistics();
            (!text.contains(" 0 in all, 0 without a valid header")).then_some(text)
        });
        if !text.contains(" 1 in all") {
            assert!(begun.elapsed() >= timeout, "{text}");
            return Disturbed::Yes;
        }
        let mut server = upstream.accept();
        let_time_pass(timeout + Duration::from_millis(100));
        assert_joined(&mut client, &mut server);
        Disturbed::No
    });
}

#[test]
fn a_stranger_cannot_say_from_where_it_comes() {
    let upstream = Upstream::new();
    let arguments = ["--accept-proxy", "192.0.2.0/24", "--accept-proxy", "::1"];
    let proxy = Proxy::start(&[upstream.address()], &arguments);
    let mut stranger = proxy.connect();
    // The write may be answered with a reset already.
    let _ = stranger.write_all(b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nhello");
    assert_eq!(stranger.read(&mut [0]).unwrap_or(0), 0);
    proxy.reports("clients: 0 now, 0 in all, 1 without a valid header");
    assert!(!upstream.has_connection());
}

#[test]
fn curl_tells_its_address_in_a_header() {
    if !has("curl") {
        return;
    }
    let upstream = Upstream::new();
    let arguments = [&TRUSTED[..], &["--send-proxy", "2"]].concat();
    let proxy = Proxy::start(&[upstream.address()], &arguments);
    let address = proxy.address;
    let curl = thread::spawn(move || {
        Command::new("curl")
            .args(["-s", "--max-time", "30", "--haproxy-protocol"])
            .args([
                "-w",
                "%{local_ip}:%{local_port} %{remote_ip}:%{remote_port}",
            ])
            .arg(format!("http://{address}/"))
            .output()
            .unwrap()
    });
    let mut server = upstream.accept();
    let header = read_header(&mut server).unwrap();
    let response = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
    server.write_all(response).unwrap();
    drop(server);
    let output = String::from_utf8(curl.join().unwrap().stdout).unwrap();
    let (source, destination) = output.split_once(' ').unwrap();
    assert_eq!(
        header,
        tcp(source.parse().unwrap(), destination.parse().unwrap())
    );
}
