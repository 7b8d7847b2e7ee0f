//! `socks5` with curl and proxychains as clients, and with handshakes byte by byte.
#![allow(
    clippy::unwrap_used,
    reason = "a test says what it expects by panicking"
)]

// The parsers have no I/O, and their own tests beside them.
#[path = "../../examples/socks5/protocol.rs"]
#[cfg_attr(
    not(target_os = "linux"),
    allow(dead_code, reason = "the networks that are unreachable are Linux's")
)]
mod protocol;

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::{Command, Output};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use socket2::SockRef;

use protocol::{Method, Reply, write_method, write_verdict};

use crate::programs::{Program, has, start_server};
use crate::support::{
    BlackHole, DeadPort, Disturbed, assert_same_bytes, has_ipv6, let_time_pass, loopback, pattern,
    until_undisturbed_with_more_time,
};
use crate::upstream::{Upstream, connect};

fn start(arguments: &[&str]) -> (Program, SocketAddr) {
    let own = loopback().to_string();
    start_server("socks5", &[&["--listen", &own], arguments].concat())
}

/// A server that answers one HTTP request, or none if the test does not come to that.
fn serve_once(place: SocketAddr) -> (SocketAddr, JoinHandle<String>) {
    let upstream = Upstream::at(place);
    let address = upstream.address();
    let server = thread::spawn(move || {
        let mut stream = upstream.accept();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            request.push(byte[0]);
        }
        let response = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nfrom behind";
        stream.write_all(response).unwrap();
        String::from_utf8(request).unwrap()
    });
    (address, server)
}

/// Runs curl with `proxy`, such as `socks5h://127.0.0.1:1080`.
fn curl(proxy: &str, url: &str) -> Output {
    Command::new("curl")
        .args([
            "-sS",
            "--max-time",
            "30",
            "--noproxy",
            "",
            "--proxy",
            proxy,
            url,
        ])
        .output()
        .unwrap()
}

fn read<const N: usize>(stream: &mut TcpStream) -> [u8; N] {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).unwrap();
    bytes
}

/// The request to connect to an address.
fn request(address: SocketAddr) -> Vec<u8> {
    let mut bytes = b"\x05\x01\0".to_vec();
    match address {
        SocketAddr::V4(address) => {
            bytes.push(1);
            bytes.extend(address.ip().octets());
        }
        SocketAddr::V6(address) => {
            bytes.push(4);
            bytes.extend(address.ip().octets());
        }
    }
    bytes.extend(address.port().to_be_bytes());
    bytes
}

fn request_by_name(name: &str, port: u16) -> Vec<u8> {
    let mut bytes = b"\x05\x01\0\x03".to_vec();
    bytes.push(u8::try_from(name.len()).unwrap());
    bytes.extend(name.as_bytes());
    bytes.extend(port.to_be_bytes());
    bytes
}

/// Greets, requests, and returns the reply; the proxy ends the connection behind it.
fn refusal(proxy: SocketAddr, request: &[u8]) -> u8 {
    let mut client = connect(proxy);
    client.write_all(b"\x05\x01\0").unwrap();
    assert_eq!(read(&mut client), write_method(Some(Method::None)));
    client.write_all(request).unwrap();
    let [version, reply, reserved, kind, rest @ ..] = read::<10>(&mut client);
    assert_eq!([version, reserved, kind], [5, 0, 1]);
    assert_eq!(rest, [0; 6]);
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
    reply
}

/// Makes a tunnel to a listener of the test.
fn tunnel(proxy: SocketAddr) -> (TcpStream, TcpStream) {
    try_tunnel(proxy).unwrap()
}

/// Makes a tunnel, unless the proxy ends the handshake.
fn try_tunnel(proxy: SocketAddr) -> io::Result<(TcpStream, TcpStream)> {
    let upstream = Upstream::new();
    let mut client = connect(proxy);
    client.write_all(b"\x05\x01\0")?;
    client.read_exact(&mut [0; 2])?;
    client.write_all(&request(upstream.address()))?;
    let mut reply = [0; 10];
    client.read_exact(&mut reply)?;
    let server = upstream.accept();
    let from = server.peer_addr().unwrap();
    assert_eq!(reply[..4], [5, 0, 0, 1]);
    // The address from which the connection was made.
    assert_eq!(reply[8..], from.port().to_be_bytes());
    Ok((client, server))
}

#[test]
fn curl_reaches_addresses_and_names() {
    if !has("curl") {
        return;
    }
    let (_program, proxy) = start(&[]);
    let mut rows = vec![("socks5", "127.0.0.1"), ("socks5h", "localhost")];
    if has_ipv6() {
        rows.extend([("socks5", "[::1]"), ("socks5h", "[::1]")]);
    }
    for (scheme, host) in rows {
        let place = match host.starts_with('[') {
            true => "[::1]:0",
            false => "127.0.0.1:0",
        };
        let (address, server) = serve_once(place.parse().unwrap());
        let url = format!("http://{host}:{}/path", address.port());
        let output = curl(&format!("{scheme}://{proxy}"), &url);
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            "from behind",
            "{output:?}"
        );
        assert!(server.join().unwrap().starts_with("GET /path HTTP/1.1\r\n"));
    }
}

#[test]
fn curl_needs_the_password_that_was_set() {
    if !has("curl") {
        return;
    }
    let (mut program, proxy) = start(&["--user", "ada:se:cret"]);
    let (address, server) = serve_once(loopback());
    let url = format!("http://{address}/");
    for wrong in ["", "ada:secret@", "bob:se%3Acret@", "ada:se%3Acre@"] {
        let output = curl(&format!("socks5://{wrong}{proxy}"), &url);
        assert_eq!(output.status.code(), Some(97), "{output:?}");
    }
    program.errors.expect(": another name or password\n");
    let output = curl(&format!("socks5://ada:se%3Acret@{proxy}"), &url);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "from behind");
    server.join().unwrap();
}

#[test]
fn proxychains_leads_a_program_through_the_proxy() {
    if !has("proxychains4") || !has("curl") {
        return;
    }
    let (mut program, proxy) = start(&["--user", "ada:secret"]);
    let (address, server) = serve_once("127.0.0.1:0".parse().unwrap());
    let scratch = crate::support::scratch_path();
    let config = scratch.path.with_file_name("proxychains.conf");
    // The name is resolved by the proxy.
    let text = format!(
        "strict_chain\nproxy_dns\n[ProxyList]\nsocks5 {} {} ada secret\n",
        proxy.ip(),
        proxy.port()
    );
    std::fs::write(&config, text).unwrap();
    let output = Command::new("proxychains4")
        .arg("-q")
        .arg("-f")
        .arg(&config)
        .args(["curl", "-sS", "--max-time", "30", "--noproxy", "*"])
        .arg(format!("http://localhost:{}/", address.port()))
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "from behind",
        "{output:?}"
    );
    server.join().unwrap();
    program.errors.expect(&format!(":{}\n", address.port()));
}

#[test]
fn a_handshake_in_single_bytes_or_all_at_once_makes_a_tunnel() {
    let (_program, proxy) = start(&["--user", "ada:secret"]);
    let upstream = Upstream::at("127.0.0.1:0".parse().unwrap());
    // A lookup takes long enough for the bytes behind the request to wait.
    let request = request_by_name("localhost", upstream.address().port());
    let messages = [
        b"\x05\x02\0\x02",
        &b"\x01\x03ada\x06secret"[..],
        &request,
        b"question",
    ];
    let all = messages.concat();
    for chunk_bytes in [1, 7, all.len()] {
        let mut client = connect(proxy);
        for chunk in all.chunks(chunk_bytes) {
            client.write_all(chunk).unwrap();
        }
        assert_eq!(read(&mut client), write_method(Some(Method::Password)));
        assert_eq!(read(&mut client), write_verdict(true));
        let mut server = upstream.accept();
        assert_eq!(read::<10>(&mut client)[1], Reply::Succeeded as u8);
        assert_eq!(&read::<8>(&mut server), b"question");
        server.write_all(b"answer").unwrap();
        assert_eq!(&read::<6>(&mut client), b"answer");
    }
}

#[test]
fn a_refusal_says_why() {
    let (_program, proxy) = start(&[]);
    let (_impatient_program, impatient) = start(&["--connect-timeout", "0.3"]);
    let dead = DeadPort::new();
    let silent = BlackHole::new();
    let localhost = DeadPort::localhost();
    let with_byte = |at: usize, byte| {
        let mut bytes = request(dead.address());
        bytes[at] = byte;
        bytes
    };
    for (proxy, request, reply) in [
        (proxy, request(dead.address()), Reply::Refused),
        (
            proxy,
            request_by_name("localhost", localhost.port()),
            Reply::Refused,
        ),
        (
            impatient,
            request(silent.address()),
            Reply::TimeToLiveExpired,
        ),
        (proxy, request_by_name("", 80), Reply::Failed),
        (proxy, request_by_name("no name", 80), Reply::Failed),
        // BIND, UDP ASSOCIATE, and a kind of address that is none.
        (proxy, with_byte(1, 2), Reply::UnknownCommand),
        (proxy, with_byte(1, 3), Reply::UnknownCommand),
        (proxy, with_byte(3, 2), Reply::UnknownAddress),
    ] {
        assert_eq!(
            refusal(proxy, &request),
            reply as u8,
            "{}",
            request.escape_ascii()
        );
    }
}

#[cfg(target_os = "linux")]
#[test]
fn an_unreachable_network_differs_from_an_unreachable_host() {
    crate::support::in_own_network("ip route add unreachable 198.51.100.0/24", || {
        let (_program, proxy) = start_server("socks5", &["--listen", "127.0.0.1:0"]);
        let to = |address: &str| refusal(proxy, &request(address.parse().unwrap()));
        assert_eq!(to("192.0.2.1:80"), Reply::NetworkUnreachable as u8);
        assert_eq!(to("198.51.100.1:80"), Reply::HostUnreachable as u8);
        let name = request_by_name("name.invalid", 80);
        assert_eq!(refusal(proxy, &name), Reply::HostUnreachable as u8);
    });
}

#[test]
fn private_addresses_are_forbidden_also_behind_names() {
    let (_program, proxy) = start(&["--public-only"]);
    let dead = DeadPort::localhost();
    let by_address = request(dead.address());
    assert_eq!(refusal(proxy, &by_address), Reply::NotAllowed as u8);
    let by_name = request_by_name("localhost", dead.port());
    assert_eq!(refusal(proxy, &by_name), Reply::NotAllowed as u8);
}

#[test]
fn a_client_without_an_offered_method_is_refused() {
    let (_program, open) = start(&[]);
    let (_program, locked) = start(&["--user", "ada:secret"]);
    for (proxy, greeting) in [
        (open, b"\x05\x01\x02".as_slice()),
        (open, b"\x05\0"),
        (locked, b"\x05\x02\0\x01"),
    ] {
        let mut client = connect(proxy);
        client.write_all(greeting).unwrap();
        // Bytes behind it are ignored.
        client.write_all(b"\x05\x01\0").unwrap();
        assert_eq!(read(&mut client), write_method(None));
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
    }
    let mut client = connect(locked);
    client
        .write_all(b"\x05\x01\x02\x01\x03ada\x05wrong")
        .unwrap();
    assert_eq!(read(&mut client), write_method(Some(Method::Password)));
    assert_eq!(read(&mut client), write_verdict(false));
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
}

#[test]
fn another_protocol_gets_no_answer() {
    let (mut program, proxy) = start(&[]);
    for bytes in [
        b"\x04\x01\0\x50\x7f\0\0\x01\0".as_slice(),
        b"GET / HTTP/1.0\r\n\r\n",
    ] {
        let mut client = connect(proxy);
        client.write_all(bytes).unwrap();
        assert_eq!(client.read(&mut [0]).unwrap_or(0), 0);
        let version = bytes[0];
        let words = format!(": version {version} is not spoken here\n");
        program.errors.expect(&words);
    }
}

#[test]
fn the_deadline_of_the_handshake_is_not_put_off() {
    let (mut program, proxy) = start(&["--handshake-timeout", "0.3"]);
    let mut trickling = connect(proxy);
    // Each byte is activity; the greeting has 255 methods and is not whole in time. The write fails after the deadline.
    let _ = trickling.write_all(b"\x05\xff");
    let mut writing = trickling.try_clone().unwrap();
    let trickle = thread::spawn(move || {
        for _ in 0..200 {
            if writing.write_all(b"\0").is_err() {
                return;
            }
            let_time_pass(Duration::from_millis(5));
        }
    });
    // The kernel tells of a reset once, and perhaps the other thread.
    assert_eq!(trickling.read(&mut [0]).unwrap_or(0), 0);
    trickle.join().unwrap();
    program
        .errors
        .expect(": the deadline of the socket has passed");
}

#[test]
fn a_tunnel_has_no_deadline_of_the_handshake() {
    until_undisturbed_with_more_time(|stretch| {
        let timeout = Duration::from_millis(300) * stretch;
        let seconds = timeout.as_secs_f64().to_string();
        let (_program, proxy) = start(&["--handshake-timeout", &seconds]);
        let begun = Instant::now();
        let (mut client, mut server) = match try_tunnel(proxy) {
            Ok(ends) => ends,
            Err(error) => {
                assert!(begun.elapsed() >= timeout, "{error}");
                return Disturbed::Yes;
            }
        };
        let_time_pass(timeout + Duration::from_millis(100));
        client.write_all(b"late").unwrap();
        assert_eq!(&read::<4>(&mut server), b"late");
        Disturbed::No
    });
}

#[test]
fn a_tunnel_carries_bytes_ends_and_resets() {
    let (_program, proxy) = start(&[]);
    let (mut client, mut server) = tunnel(proxy);
    let question = pattern(4 << 20, 1);
    let mut sending = client.try_clone().unwrap();
    let to_send = question.clone();
    let sender = thread::spawn(move || {
        sending.write_all(&to_send).unwrap();
        sending.shutdown(Shutdown::Write).unwrap();
    });
    let mut received = Vec::new();
    server.read_to_end(&mut received).unwrap();
    assert_same_bytes(&received, &question);
    sender.join().unwrap();
    server.write_all(b"answer").unwrap();
    drop(server);
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "answer");

    let (mut client, mut server) = tunnel(proxy);
    server.write_all(b"part").unwrap();
    SockRef::from(&server)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
    drop(server);
    assert_eq!(&read::<4>(&mut client), b"part");
    let error = client.read(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}
