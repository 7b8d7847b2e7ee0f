//! The bytes of both sides, their ends and their failures.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use socket2::SockRef;

use super::{Proxy, Upstream, assert_joined};
use crate::programs::has;
use crate::support::{DeadPort, assert_same_bytes, pattern};

const PAYLOAD_BYTES: usize = 64 << 20;

/// The limit on the memory of the proxy: far less than the payload.
const MOST_RESIDENT_BYTES: usize = 12 << 20;

/// Sends the payload of `sends`, ends, and expects the payload of `expects`.
fn exchange(mut stream: TcpStream, sends: u64, expects: u64) {
    let mut sending = stream.try_clone().unwrap();
    let sender = thread::spawn(move || {
        sending.write_all(&pattern(PAYLOAD_BYTES, sends)).unwrap();
        sending.shutdown(Shutdown::Write).unwrap();
    });
    let mut received = Vec::with_capacity(PAYLOAD_BYTES);
    stream.read_to_end(&mut received).unwrap();
    sender.join().unwrap();
    assert_same_bytes(&received, &pattern(PAYLOAD_BYTES, expects));
}

/// Sends 64 MiB each way at the same time.
pub(super) fn exchange_payloads(client: TcpStream, upstream: TcpStream) {
    let client = thread::spawn(move || exchange(client, 1, 2));
    exchange(upstream, 2, 1);
    client.join().unwrap();
}

#[test]
fn the_proxy_passes_64_mebibytes_each_way_byte_for_byte() {
    let upstream = Upstream::new();
    let proxy = Proxy::start(&[upstream.address()], &[]);
    exchange_payloads(proxy.connect(), upstream.accept());
    proxy.reports("clients: 0 now, 1 in all");
    if let Some(most) = proxy.program.most_resident_bytes() {
        assert!(most < MOST_RESIDENT_BYTES, "the proxy held {most} bytes");
    }
}

/// Lets `sender` send far more than the buffers on the way hold. `reader` takes single bytes for a second, and then the
/// rest.
fn assert_paused(proxy: &Proxy, mut sender: TcpStream, mut reader: TcpStream) {
    let mut sending = sender.try_clone().unwrap();
    let thread = thread::spawn(move || {
        sending.write_all(&pattern(PAYLOAD_BYTES, 1)).unwrap();
        sending.shutdown(Shutdown::Write).unwrap();
    });
    let mut received = Vec::with_capacity(PAYLOAD_BYTES);
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(1) {
        let mut byte = [0];
        reader.read_exact(&mut byte).unwrap();
        received.push(byte[0]);
    }
    assert!(
        !thread.is_finished(),
        "all was taken, though little is read"
    );
    // The other direction is as fast as ever.
    reader.write_all(b"hello").unwrap();
    let mut hello = [0; 5];
    sender.read_exact(&mut hello).unwrap();
    assert_eq!(&hello, b"hello");
    reader.read_to_end(&mut received).unwrap();
    thread.join().unwrap();
    assert_same_bytes(&received, &pattern(PAYLOAD_BYTES, 1));
    if let Some(most) = proxy.program.most_resident_bytes() {
        assert!(most < MOST_RESIDENT_BYTES, "the proxy held {most} bytes");
    }
}

#[test]
fn a_slow_client_pauses_the_server() {
    let upstream = Upstream::new();
    let proxy = Proxy::start(&[upstream.address()], &[]);
    let client = proxy.connect();
    assert_paused(&proxy, upstream.accept(), client);
}

#[test]
fn a_slow_server_pauses_the_client() {
    let upstream = Upstream::new();
    let proxy = Proxy::start(&[upstream.address()], &[]);
    let client = proxy.connect();
    assert_paused(&proxy, client, upstream.accept());
}

#[test]
fn socat_ends_its_side_and_still_gets_the_answer() {
    if !has("socat") {
        return;
    }
    let upstream = Upstream::new();
    let proxy = Proxy::start(&[upstream.address()], &[]);
    let mut socat = Command::new("socat")
        .args(["-t", "60", "-", &format!("TCP4:{}", proxy.address)])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    socat.stdin.take().unwrap().write_all(b"question").unwrap();
    let mut server = upstream.accept();
    let mut question = String::new();
    server.read_to_string(&mut question).unwrap();
    assert_eq!(question, "question");
    server.write_all(b"answer behind the end").unwrap();
    drop(server);
    let output = socat.wait_with_output().unwrap();
    assert_eq!(output.stdout, b"answer behind the end");
    assert!(output.status.success());
    proxy.reports("clients: 0 now, 1 in all");
}

/// Lets `failing` send bytes and a reset, and checks that `other` gets both.
fn assert_reset_is_carried(mut failing: TcpStream, mut other: TcpStream) {
    // As many as the kernel takes at once, whatever the other side reads.
    let sent = pattern(32 << 10, 3);
    failing.write_all(&sent).unwrap();
    SockRef::from(&failing)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
    drop(failing);
    let mut received = Vec::new();
    let error = other.read_to_end(&mut received).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert_same_bytes(&received, &sent);
}

#[test]
fn a_reset_arrives_as_a_reset_behind_the_bytes_before_it() {
    let upstream = Upstream::new();
    let proxy = Proxy::start(&[upstream.address()], &[]);
    for is_of_client in [true, false] {
        let mut client = proxy.connect();
        let mut server = upstream.accept();
        assert_joined(&mut client, &mut server);
        match is_of_client {
            true => assert_reset_is_carried(client, server),
            false => assert_reset_is_carried(server, client),
        }
    }
    proxy.reports("clients: 0 now, 2 in all");
}

#[test]
fn a_reset_behind_an_end_is_carried_too() {
    let upstream = Upstream::new();
    let proxy = Proxy::start(&[upstream.address()], &[]);
    let client = proxy.connect();
    let mut server = upstream.accept();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(server.read(&mut [0]).unwrap(), 0);
    assert_reset_is_carried(server, client);
}

#[test]
fn bytes_before_the_connection_to_the_server_are_not_lost() {
    let upstream = Upstream::new();
    // The first upstream is not there, so that the bytes wait for the second.
    let dead = DeadPort::new();
    let proxy = Proxy::start(&[dead.address(), upstream.address()], &[]);
    let mut client = proxy.connect();
    let sent = pattern(1 << 20, 4);
    let sending = sent.clone();
    let sender = thread::spawn(move || {
        client.write_all(&sending).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        client
    });
    let mut server = upstream.accept();
    let mut received = Vec::new();
    server.read_to_end(&mut received).unwrap();
    assert_same_bytes(&received, &sent);
    drop(server);
    assert_eq!(sender.join().unwrap().read(&mut [0]).unwrap(), 0);
}
