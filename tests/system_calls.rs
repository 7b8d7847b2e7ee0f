//! The system calls of the loop, as strace sees them in the example `serve`: one receive and one send for each message,
//! else only waits. While nothing happens there is none at all (I10).
#![allow(
    clippy::unwrap_used,
    reason = "a test says what it expects by panicking"
)]

use std::collections::BTreeMap;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

#[allow(dead_code, reason = "not all of it is needed here")]
#[path = "examples/programs.rs"]
mod programs;
#[path = "support/mod.rs"]
mod support;
#[allow(dead_code, reason = "not all of it is needed here")]
#[path = "examples/transcript.rs"]
mod transcript;

use programs::{example, report_skipped};
use support::{in_own_process, strace_works};
use transcript::{PATIENCE, Transcript, ask_for};

/// The ways to receive and to send of which there may be one for each message.
const RECEIVES: [&str; 4] = ["recvfrom", "recvmsg", "read", "readv"];
const SENDS: [&str; 4] = ["sendto", "sendmsg", "write", "writev"];

/// `serve` under strace, which ends with its handle.
struct Traced {
    strace: Child,
    /// The process that is traced. It is ended by itself: strace would leave it running if it were killed.
    server: Option<u32>,
    address: SocketAddr,
    trace: PathBuf,
}

impl Traced {
    fn start(arguments: &[&str]) -> Self {
        static STARTED: AtomicUsize = AtomicUsize::new(0);
        let trace = std::env::temp_dir().join(format!(
            "netloop-trace-{}-{}",
            std::process::id(),
            STARTED.fetch_add(1, Ordering::Relaxed)
        ));
        let serve = example("serve");
        // The shell says its process id before it becomes the server.
        let mut strace = Command::new("strace")
            .args(["-f", "-qq", "-s", "16", "-o"])
            .arg(&trace)
            .args(["sh", "-c", r#"echo "$$"; exec "$@""#, "sh"])
            .arg(serve.get_program())
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = Transcript::of("serve", strace.stdout.take().unwrap());
        let mut traced = Self {
            strace,
            server: None,
            address: (Ipv4Addr::UNSPECIFIED, 0).into(),
            trace,
        };
        traced.server = Some(output.next_line().parse().unwrap());
        let line = output.next_line();
        traced.address = line.strip_prefix("listening ").unwrap().parse().unwrap();
        traced
    }

    /// Ends the server, and returns its calls between the receives of the messages `begin` and `end`.
    fn calls_between(mut self, begin: &str, end: &str) -> Calls {
        self.end();
        let trace = fs::read_to_string(&self.trace).unwrap();
        let is_receipt = |line: &str, text: &str| {
            RECEIVES.iter().any(|receive| line.contains(receive)) && line.contains(text)
        };
        let mut lines = trace.lines();
        lines
            .find(|line| is_receipt(line, begin))
            .unwrap_or_else(|| panic!("{begin} is not in the trace"));
        let between: Vec<&str> = lines
            .by_ref()
            .take_while(|line| !is_receipt(line, end))
            .collect();
        Calls::count(&between)
    }

    fn end(&mut self) {
        match self.server {
            Some(server) => {
                let kill = format!("kill -KILL {server}");
                let _ = Command::new("sh")
                    .args(["-c", &kill])
                    .stderr(Stdio::null())
                    .status();
            }
            None => drop(self.strace.kill()),
        }
        let _ = self.strace.wait();
    }
}

impl Drop for Traced {
    fn drop(&mut self) {
        if !matches!(self.strace.try_wait(), Ok(Some(_))) {
            self.end();
        }
        let _ = fs::remove_file(&self.trace);
    }
}

/// The number of times that each call was made.
#[derive(Debug)]
struct Calls(BTreeMap<String, usize>);

impl Calls {
    /// From lines like `1234 recvfrom(5, "hello", 131072, 0, NULL, NULL) = 5`. A call that is resumed is counted where
    /// it began.
    fn count(lines: &[&str]) -> Self {
        let mut counts = BTreeMap::new();
        for line in lines {
            let (_, call) = line.trim_start().split_once(' ').unwrap();
            if let Some((name, _)) = call.trim_start().split_once('(') {
                if !name.starts_with("<...") && !name.starts_with("---") {
                    *counts.entry(name.to_owned()).or_default() += 1;
                }
            }
        }
        Self(counts)
    }

    fn of(&self, names: &[&str]) -> usize {
        let counts = names.iter().filter_map(|&name| self.0.get(name));
        counts.sum()
    }

    /// The names of all calls that are none of `expected`.
    fn others(&self, expected: &[&str]) -> Vec<&str> {
        let names = self.0.keys().map(String::as_str);
        names.filter(|name| !expected.contains(name)).collect()
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let peer = TcpStream::connect(address).unwrap();
    peer.set_nodelay(true).unwrap();
    peer.set_read_timeout(Some(PATIENCE)).unwrap();
    peer
}

/// Sends `message` and waits until it is back.
fn round_trip(mut peer: &TcpStream, message: &[u8]) {
    peer.write_all(message).unwrap();
    receive(peer, message);
}

fn receive(mut peer: &TcpStream, message: &[u8]) {
    let mut answer = vec![0; message.len()];
    peer.read_exact(&mut answer).unwrap();
    assert_eq!(answer, message);
}

/// Sends `rounds` messages over each of 64 connections and counts what calls that takes: one after the other, and from
/// all at once.
fn echo_calls(arguments: &[&str], rounds: usize) -> (Calls, usize) {
    let server = Traced::start(arguments);
    let peers: Vec<TcpStream> = (0..64).map(|_| connect(server.address)).collect();
    for peer in &peers {
        round_trip(peer, b"warm");
    }
    round_trip(&peers[0], b"now begin");
    for round in 0..rounds {
        let message = [b'a' + u8::try_from(round % 26).unwrap(); 64];
        if round % 2 == 0 {
            for peer in &peers {
                round_trip(peer, &message);
            }
        } else {
            for mut peer in &peers {
                peer.write_all(&message).unwrap();
            }
            for peer in &peers {
                receive(peer, &message);
            }
        }
    }
    round_trip(&peers[0], b"now end");
    let calls = server.calls_between("now begin", "now end");
    (calls, peers.len() * rounds)
}

/// One receive and one send for each message, within 3 %, and beside them only waiting.
fn assert_one_each(arguments: &[&str]) {
    let (calls, messages) = echo_calls(arguments, 40);
    let (receives, sends) = (calls.of(&RECEIVES), calls.of(&SENDS));
    report(&format!(
        "{arguments:?}: {messages} messages took {receives} receives, {sends} sends and {} waits",
        calls.of(&["epoll_wait"])
    ));
    for (what, count) in [("receives", receives), ("sends", sends)] {
        let within = messages * 97 / 100..=messages * 103 / 100;
        assert!(within.contains(&count), "{count} {what}: {calls:?}");
    }
    let expected = [&RECEIVES[..], &SENDS[..], &["epoll_wait"]].concat();
    assert_eq!(calls.others(&expected), [""; 0], "{calls:?}");
    assert!(calls.of(&["epoll_wait"]) <= messages, "{calls:?}");
}

/// Shows what is measured even if the test passes.
fn report(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

#[test]
fn an_echoed_message_takes_one_receive_one_send_and_a_wait() {
    if !strace_works() {
        return report_skipped("strace");
    }
    assert_one_each(&["0", "echo"]);
}

// D26 of benches/DECISIONS.md: activity does not touch a timer, let alone one of the system's.
#[test]
fn an_idle_timeout_takes_no_call_of_the_system() {
    if !strace_works() {
        return report_skipped("strace");
    }
    assert_one_each(&["0", "echo", "--idle-timeout", "60"]);
}

// The options are the listener's, the address comes with the accept, and to close a socket is to deregister it.
#[test]
fn a_connection_that_comes_asks_and_goes_takes_six_calls() {
    if !strace_works() {
        return report_skipped("strace");
    }
    const VISITS: usize = 200;
    let server = Traced::start(&["0", "echo"]);
    let witness = connect(server.address);
    round_trip(&witness, b"now begin");
    for _ in 0..VISITS {
        let mut visitor = connect(server.address);
        round_trip(&visitor, b"visit");
        visitor.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(visitor.read(&mut [0]).unwrap(), 0, "the server ends too");
    }
    round_trip(&witness, b"now end");
    let calls = server.calls_between("now begin", "now end");
    report(&format!("{VISITS} visits: {calls:?}"));
    // A message and an end are received; and an accept finds no peer where it was not told how many there are.
    for (what, names, each) in [
        ("accepts", &["accept4"][..], 2),
        ("registrations", &["epoll_ctl"], 1),
        ("receives", &RECEIVES, 2),
        ("sends", &SENDS, 1),
        ("closes", &["close"], 1),
    ] {
        // The witness's own message is answered within what is counted.
        let most = VISITS * each + 2;
        let count = calls.of(names);
        assert!(count <= most, "{count} {what}: {calls:?}");
    }
    // The standard library asks for a descriptor's flags before it closes it, in a debug build.
    let others = ["epoll_wait", "accept4", "epoll_ctl", "close", "fcntl"];
    let expected = [&RECEIVES[..], &SENDS[..], &others].concat();
    assert_eq!(calls.others(&expected), [""; 0], "{calls:?}");
}

/// A shell that lets the test and its server have as many descriptors as the system allows.
const MANY_DESCRIPTORS: &str = r#"ulimit -n "$(ulimit -H -n)"; exec "$@""#;

/// The number of connections that one process can have: the server or its peers.
fn most_connections() -> usize {
    let limits = fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let soft = line.unwrap().split_whitespace().nth(3).unwrap();
    let most = soft.parse::<usize>().unwrap_or(usize::MAX) - 100;
    most.min(10_000)
}

/// Lets a second pass in which nothing comes from the server.
fn wait_a_second(mut peer: &TcpStream) {
    peer.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    let begun = Instant::now();
    let silence = peer.read(&mut [0]).unwrap_err();
    assert!(matches!(
        silence.kind(),
        ErrorKind::WouldBlock | ErrorKind::TimedOut
    ));
    assert!(begun.elapsed() >= Duration::from_millis(990));
    peer.set_read_timeout(Some(PATIENCE)).unwrap();
}

/// Counts the calls of a server that has nothing to do for a second but to hold its connections.
fn assert_silent(arguments: &[&str]) {
    let server = Traced::start(arguments);
    let count = most_connections();
    let mut peers: Vec<TcpStream> = Vec::with_capacity(count);
    while peers.len() < count {
        peers.push(connect(server.address));
        if peers.len() % 100 == 0 {
            // The newest is accepted last: no peer has to wait in the kernel's queue.
            round_trip(peers.last().unwrap(), b"here");
        }
    }
    for peer in &peers {
        round_trip(peer, b"warm");
    }
    let descriptors = format!("/proc/{}/fd", server.server.unwrap());
    ask_for("server with all connections", || {
        (fs::read_dir(&descriptors).ok()?.count() >= count).then_some(())
    });
    round_trip(&peers[0], b"now begin");
    wait_a_second(&peers[0]);
    round_trip(&peers[0], b"now end");
    let calls = server.calls_between("now begin", "now end");
    report(&format!(
        "{arguments:?}: {count} connections, a second: {calls:?}"
    ));
    // It answers the first message, and waits for the second.
    assert_eq!(calls.of(&SENDS), 1, "{calls:?}");
    assert_eq!(calls.of(&["epoll_wait"]), 1, "{calls:?}");
    let expected = [&SENDS[..], &["epoll_wait"]].concat();
    assert_eq!(calls.others(&expected), [""; 0], "{calls:?}");
}

// I10
#[test]
fn ten_thousand_idle_connections_take_no_call_for_a_second() {
    if !strace_works() {
        return report_skipped("strace");
    }
    in_own_process(MANY_DESCRIPTORS, || assert_silent(&["0", "echo"]));
}

// I10: the timers are looked at when one is due, and not before.
#[test]
fn idle_connections_with_a_timeout_take_no_call_for_a_second() {
    if !strace_works() {
        return report_skipped("strace");
    }
    in_own_process(MANY_DESCRIPTORS, || {
        assert_silent(&["0", "echo", "--idle-timeout", "600"]);
    });
}
