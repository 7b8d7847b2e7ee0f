//! `serve PORT echo` before clients that send much, that read slowly, and that are many.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::Command;
use std::sync::{Arc, Barrier, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use crate::programs::{Program, has, report_skipped, start_server};
use crate::transcript::PATIENCE;

const PAYLOAD_BYTES: usize = 64 << 20;

const CONNECTIONS: usize = 1000;

/// The bytes that one of the thousand sends: altogether as many as the large payload. They fit in the buffers of kernel
/// and server for a connection, so that a client may send all of them before it reads anything.
const SMALL_PAYLOAD_BYTES: usize = 64 << 10;

/// Enough for debug builds on a busy machine; it takes about a second otherwise.
const MUCH_PATIENCE: Duration = PATIENCE.saturating_mul(4);

/// Bytes in which nothing is ever at the right place by chance.
fn payload(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    fastrand::Rng::with_seed(seed).fill(&mut bytes);
    bytes
}

fn connect(address: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(address).expect("the server listens");
    socket
        .set_read_timeout(Some(PATIENCE))
        .expect("the time is not zero");
    socket
        .set_write_timeout(Some(PATIENCE))
        .expect("the time is not zero");
    socket
}

fn start_echo() -> (Program, SocketAddr) {
    start_server("serve", &["0", "echo"])
}

/// Compares without printing megabytes.
fn assert_same(received: &[u8], sent: &[u8]) {
    assert_eq!(received.len(), sent.len(), "all comes back, and no more");
    if received != sent {
        let at = received
            .iter()
            .zip(sent)
            .position(|(got, want)| got != want);
        panic!("they differ first at {at:?}");
    }
}

/// Reads a byte at a time until `until`, then all the rest up to the end.
fn read_slowly_at_first(socket: &mut TcpStream, length: usize, until: Instant) -> Vec<u8> {
    let mut received = Vec::with_capacity(length);
    while received.len() < length && Instant::now() < until {
        let mut byte = [0];
        socket.read_exact(&mut byte).expect("there is more to come");
        received.push(byte[0]);
        // With a thousand of us, all the others shall be slow readers at the same time.
        thread::yield_now();
    }
    socket.read_to_end(&mut received).expect("the server ends");
    received
}

#[test]
fn echo_returns_64_mebibytes_from_socat_byte_for_byte() {
    if !has("socat") {
        return;
    }
    let (mut server, address) = start_echo();
    let sent = Arc::new(payload(1, PAYLOAD_BYTES));
    // The time that -t gives to the way back begins at the end of the way there.
    let patience = MUCH_PATIENCE.as_secs().to_string();
    let mut socat = Command::new("socat")
        .args(["-t", &patience, "-", &format!("TCP4:{address}")])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = socat.stdin.take().unwrap();
    let mut output = socat.stdout.take().unwrap();
    let writing = Arc::clone(&sent);
    let writer = thread::spawn(move || input.write_all(&writing));
    let (report, reported) = std::sync::mpsc::channel();
    let reader = thread::spawn(move || {
        let mut received = Vec::with_capacity(PAYLOAD_BYTES);
        let outcome = output.read_to_end(&mut received);
        let _ = report.send(outcome.map(|_| received));
    });
    let received = reported.recv_timeout(MUCH_PATIENCE);
    // By its handle, also when it hangs.
    let _ = socat.kill();
    socat.wait().unwrap();
    assert_same(&received.unwrap().unwrap(), &sent);
    reader.join().unwrap();
    writer.join().unwrap().unwrap();
    assert!(server.is_running());
}

#[test]
fn echo_returns_64_mebibytes_to_a_reader_of_single_bytes() {
    let (mut server, address) = start_echo();
    let sent = Arc::new(payload(2, PAYLOAD_BYTES));
    let mut slow = connect(address);
    let mut writing = slow.try_clone().unwrap();
    let to_send = Arc::clone(&sent);
    let writer = thread::spawn(move || {
        writing.write_all(&to_send)?;
        writing.shutdown(Shutdown::Write)
    });
    let neighbour = thread::spawn(move || {
        let mut socket = connect(address);
        let mut answer = [0; 5];
        for _ in 0..100 {
            socket.write_all(b"hello").unwrap();
            socket.read_exact(&mut answer).unwrap();
            assert_eq!(&answer, b"hello");
        }
    });
    let received = read_slowly_at_first(
        &mut slow,
        sent.len(),
        Instant::now() + Duration::from_secs(1),
    );
    neighbour.join().expect("a slow reader delays nobody");
    writer.join().unwrap().unwrap();
    assert_same(&received, &sent);
    assert!(server.is_running());
    if let Some(most) = server.most_resident_bytes() {
        assert!(
            most < PAYLOAD_BYTES / 2,
            "the server held {most} bytes, though nobody read"
        );
    }
}

/// Lets a thousand connections, all there before the first byte, send a payload each. They read when all have sent: a
/// byte at a time for `slow_time`, then all.
fn echo_to_a_thousand(slow_time: Duration) {
    if !may_open(CONNECTIONS + 200) {
        return report_skipped("limit of descriptors above 1,200 (ulimit -n)");
    }
    let (mut server, address) = start_echo();
    let sockets: Vec<_> = (0..CONNECTIONS).map(|_| connect(address)).collect();
    let all_have_sent = Arc::new(Barrier::new(CONNECTIONS));
    let slow_until = Arc::new(OnceLock::new());
    let clients: Vec<_> = (1..)
        .zip(sockets)
        .map(|(seed, mut socket)| {
            let (all_have_sent, slow_until) = (Arc::clone(&all_have_sent), Arc::clone(&slow_until));
            let client = move || {
                let sent = payload(seed, SMALL_PAYLOAD_BYTES);
                let outcome = socket.write_all(&sent);
                // No thread may fail before this, as the others would wait for ever.
                all_have_sent.wait();
                outcome.expect("all is taken, though nothing is read");
                socket.shutdown(Shutdown::Write).expect("it is connected");
                let until = *slow_until.get_or_init(|| Instant::now() + slow_time);
                let received = read_slowly_at_first(&mut socket, sent.len(), until);
                assert_same(&received, &sent);
            };
            thread::Builder::new()
                .stack_size(128 << 10)
                .spawn(client)
                .expect("there is memory for a thousand threads")
        })
        .collect();
    let failed = clients
        .into_iter()
        .filter_map(|client| client.join().err())
        .count();
    assert_eq!(failed, 0, "connections that did not get their bytes back");
    assert!(server.is_running());
}

/// Whether this process, and what it starts, may open so many files.
fn may_open(files: usize) -> bool {
    let asked = Command::new("sh").args(["-c", "ulimit -n"]).output();
    let answer = asked.map(|output| output.stdout).unwrap_or_default();
    let answer = String::from_utf8_lossy(&answer);
    let answer = answer.trim();
    answer == "unlimited" || answer.parse().is_ok_and(|limit: usize| limit >= files)
}

#[test]
fn echo_returns_everything_to_a_thousand_at_once() {
    echo_to_a_thousand(Duration::ZERO);
}

#[test]
fn echo_returns_all_to_a_thousand_readers_of_single_bytes() {
    echo_to_a_thousand(Duration::from_secs(1));
}

#[test]
fn discard_reads_everything_and_answers_with_the_count() {
    let (_server, address) = start_server("serve", &["0", "discard"]);
    let mut socket = connect(address);
    socket.write_all(&payload(3, 16 << 20)).unwrap();
    socket.shutdown(Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).unwrap();
    assert_eq!(answer, (16_u64 << 20).to_be_bytes());
}

#[test]
fn flood_pours_for_as_long_as_it_is_read() {
    let (mut server, address) = start_server("serve", &["0", "flood"]);
    let mut socket = connect(address);
    let mut poured = vec![0; 1 << 20];
    let block: Vec<u8> = (0..64 << 10)
        .map(|i: u32| (i ^ (i >> 8)).to_le_bytes()[0])
        .collect();
    for _ in 0..32 {
        socket.read_exact(&mut poured).unwrap();
        assert!(poured.chunks(block.len()).all(|chunk| chunk == block));
    }
    drop(socket);
    connect(address).read_exact(&mut poured).unwrap();
    assert!(server.is_running());
}

#[test]
fn broadcast_sends_to_all_but_the_speaker() {
    let (_server, address) = start_server("serve", &["0", "broadcast"]);
    // Each is known to be there when it has heard its neighbour.
    let mut sockets: Vec<TcpStream> = Vec::new();
    let mut heard = [0; 5];
    for _ in 0..4 {
        let mut newcomer = connect(address);
        if let Some(first) = sockets.first_mut() {
            newcomer.write_all(b"hello").unwrap();
            first.read_exact(&mut heard).unwrap();
            for other in &mut sockets[1..] {
                other.read_exact(&mut heard).unwrap();
            }
        }
        sockets.push(newcomer);
    }
    sockets[0].write_all(b"to all").unwrap();
    sockets[0].shutdown(Shutdown::Write).unwrap();
    let mut to_all = [0; 6];
    for other in &mut sockets[1..] {
        other.read_exact(&mut to_all).unwrap();
        assert_eq!(&to_all, b"to all");
    }
    let mut rest = Vec::new();
    sockets[0].read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"", "nobody hears itself");
}

#[test]
fn an_idle_timeout_closes_silent_clients() {
    let (_server, address) = start_server("serve", &["0", "echo", "--idle-timeout", "1"]);
    let begun = Instant::now();
    let mut silent = connect(address);
    let mut rest = Vec::new();
    silent.read_to_end(&mut rest).unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(1), "never early");
}
