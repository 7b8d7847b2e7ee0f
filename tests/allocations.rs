//! The heap of the loop: a warm round trip takes nothing (I11), an idle connection little, and all is given back.
//!
//! All threads are counted, so each test has a process of its own. The file is long because all of them count with one
//! global allocator.
#![allow(
    clippy::unwrap_used,
    reason = "a test says what it expects by panicking"
)]

use std::alloc::System;
use std::cell::Cell;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::rc::Rc;
use std::time::{Duration, Instant};

use netloop::{
    Accepted, Budget, Context, EventLoop, Flow, Limits, ListenOptions, LoopContext, OverLimit,
    Refusal, ServerHandler, SocketHandler, SocketOptions, Wait,
};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, Stats, StatsAlloc};

#[path = "soak/short_soak.rs"]
mod short_soak;
#[path = "allocations/spikes.rs"]
mod spikes;
#[path = "support/mod.rs"]
mod support;
#[path = "soak/src/traffic/mod.rs"]
mod traffic;

use support::{in_own_process, loopback, with_failing_wakes};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The longest wait for anything before a test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// A shell that lets the test have as many descriptors as the system allows.
const MANY_DESCRIPTORS: &str = r#"ulimit -n "$(ulimit -H -n)"; exec "$@""#;

/// The README's echo.
struct Echo;

impl SocketHandler for Echo {
    fn on_data(&mut self, cx: &mut Context<'_>, data: &[u8]) {
        if cx.socket.write(data) == Flow::Full {
            cx.socket.pause();
        }
    }
    fn on_drain(&mut self, cx: &mut Context<'_>) {
        cx.socket.resume();
    }
}

fn echo_server(options: SocketOptions) -> (EventLoop, SocketAddr) {
    let mut event_loop = EventLoop::new().unwrap();
    let options = ListenOptions::new().socket(options);
    let server = event_loop
        .listen_with(loopback(), options, |_, _| Echo)
        .unwrap();
    let address = event_loop.server(server).address().unwrap();
    (event_loop, address)
}

fn turn(event_loop: &mut EventLoop) {
    event_loop
        .turn(&mut (), Wait::For(Duration::from_millis(1)), Budget::new())
        .unwrap();
}

/// Connects `count` peers that do not block, and lets the loop accept them all.
fn connect(event_loop: &mut EventLoop, address: SocketAddr, count: usize) -> Vec<TcpStream> {
    let before = event_loop.sockets().ids().count();
    let mut peers = Vec::with_capacity(count);
    let deadline = Instant::now() + PATIENCE;
    while event_loop.sockets().ids().count() < before + count {
        assert!(Instant::now() < deadline, "not everybody is accepted");
        // Fewer than are accepted in a turn, so that no peer has to wait in the kernel's queue.
        for _ in 0..(count - peers.len()).min(25) {
            let peer = TcpStream::connect(address).unwrap();
            peer.set_nonblocking(true).unwrap();
            peers.push(peer);
        }
        turn(event_loop);
    }
    peers
}

/// Lets each of `peers` send `message` and get it back, all at the same time. It takes nothing from the heap itself.
fn round_trip(event_loop: &mut EventLoop, peers: &mut [TcpStream], message: &[u8]) {
    for peer in &mut *peers {
        peer.write_all(message).unwrap();
    }
    let mut buffer = [0; 4096];
    let deadline = Instant::now() + PATIENCE;
    for peer in peers {
        let mut received = 0;
        while received < message.len() {
            match peer.read(&mut buffer) {
                Ok(length) => {
                    assert_eq!(buffer[..length], message[received..received + length]);
                    received += length;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => turn(event_loop),
                Err(error) => panic!("{error}"),
            }
            assert!(Instant::now() < deadline, "an answer is missing");
        }
    }
}

fn turn_until_sockets_are(event_loop: &mut EventLoop, count: usize) {
    let deadline = Instant::now() + PATIENCE;
    while event_loop.sockets().ids().count() > count {
        assert!(Instant::now() < deadline, "some sockets are not gone");
        turn(event_loop);
    }
}

/// The bytes that the process has on the heap.
fn live() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

fn bytes_more(change: &Stats) -> usize {
    change
        .bytes_allocated
        .saturating_sub(change.bytes_deallocated)
}

/// Long enough for every idle timeout of these tests to have been looked at some times.
const WARM_UP: Duration = Duration::from_millis(300);

/// Makes 10,000 round trips over 100 connections, after some to warm up, and counts what they allocate.
fn assert_allocates_nothing(options: SocketOptions, message: &[u8]) {
    assert_server_allocates_nothing(echo_server(options), message);
}

fn assert_server_allocates_nothing(
    (mut event_loop, address): (EventLoop, SocketAddr),
    message: &[u8],
) {
    let mut peers = connect(&mut event_loop, address, 100);
    let warm = Instant::now() + WARM_UP;
    while Instant::now() < warm {
        round_trip(&mut event_loop, &mut peers, message);
    }
    let region = Region::new(ALLOCATOR);
    for _ in 0..100 {
        round_trip(&mut event_loop, &mut peers, message);
    }
    assert_no_change(&region, "10,000 round trips");
}

fn assert_no_change(region: &Region<'_, System>, of: &str) {
    let change = region.change();
    assert_eq!(
        (
            change.allocations,
            change.reallocations,
            change.deallocations
        ),
        (0, 0, 0),
        "{of}"
    );
}

// I11
#[test]
fn echo_round_trips_allocate_nothing() {
    in_own_process(r#"exec "$@""#, || {
        assert_allocates_nothing(SocketOptions::new(), &[b'x'; 64]);
    });
}

// I11: larger than what is gathered.
#[test]
fn echo_round_trips_of_large_messages_allocate_nothing() {
    in_own_process(r#"exec "$@""#, || {
        assert_allocates_nothing(SocketOptions::new(), &[b'x'; 40_000]);
    });
}

// I11: activity only stores a tick.
#[test]
fn echo_round_trips_with_an_idle_timeout_allocate_nothing() {
    in_own_process(r#"exec "$@""#, || {
        let options = SocketOptions::new().idle_timeout(Duration::from_millis(100));
        assert_allocates_nothing(options, &[b'x'; 64]);
    });
}

/// An echo whose answers are formatted.
struct Formatted;

impl SocketHandler for Formatted {
    fn on_data(&mut self, cx: &mut Context<'_>, data: &[u8]) {
        let (first, rest) = std::str::from_utf8(data).unwrap().split_at(1);
        write!(cx.socket, "{first}{rest}");
    }
}

// I11: they are put together in one buffer of the loop.
#[test]
fn formatted_answers_allocate_nothing() {
    in_own_process(r#"exec "$@""#, || {
        let mut event_loop = EventLoop::new().unwrap();
        let server = event_loop.listen("127.0.0.1:0", |_, _| Formatted).unwrap();
        let address = event_loop.server(server).address().unwrap();
        assert_server_allocates_nothing((event_loop, address), &[b'x'; 64]);
    });
}

/// Shows what is measured even if the test passes.
fn report(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// The number of peers that this process can have at its own other end.
fn most_pairs() -> usize {
    let limits = fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let soft = line.unwrap().split_whitespace().nth(3).unwrap();
    (soft.parse::<usize>().unwrap_or(20_000) - 100) / 2
}

fn assert_idle_connections_are_small(options: SocketOptions, what: &str) {
    for wanted in [1_000, 10_000] {
        let count = wanted.min(most_pairs());
        let (mut event_loop, address) = echo_server(options.clone());
        // The first one pays for what all of them share.
        let mut first = connect(&mut event_loop, address, 1);
        round_trip(&mut event_loop, &mut first, b"hello");
        let peers = Vec::with_capacity(count);
        let region = Region::new(ALLOCATOR);
        let peers: Vec<TcpStream> = {
            let mut peers = peers;
            peers.extend(connect(&mut event_loop, address, count));
            peers
        };
        let each = bytes_more(&region.change()) / count;
        report(&format!("{count} {what}: {each} bytes of heap each"));
        assert!(each <= 320, "{each} bytes for each of {count} {what}");
        drop(peers);
    }
}

#[test]
fn an_idle_connection_takes_at_most_320_bytes_of_heap() {
    in_own_process(MANY_DESCRIPTORS, || {
        assert_idle_connections_are_small(SocketOptions::new(), "idle connections");
    });
}

#[test]
#[cfg_attr(
    feature = "simulation",
    ignore = "simulated and faulty sockets make each slot larger"
)]
fn an_idle_connection_with_a_timeout_takes_at_most_320_bytes() {
    in_own_process(MANY_DESCRIPTORS, || {
        let options = SocketOptions::new().idle_timeout(Duration::from_secs(600));
        assert_idle_connections_are_small(options, "idle connections with a timeout");
    });
}

/// Returns the anonymous memory of the process that is resident, in bytes.
#[cfg(target_os = "linux")]
fn resident_bytes() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1));
    kib.unwrap().parse::<usize>().unwrap() * 1024
}

// The heap may hold more than was asked of it: the holes of tables that grew by a copy.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[test]
fn an_idle_connection_with_a_timeout_keeps_360_bytes_resident() {
    in_own_process(MANY_DESCRIPTORS, || {
        let count = most_pairs().min(9_950);
        let options = SocketOptions::new().idle_timeout(Duration::from_secs(600));
        let (mut event_loop, address) = echo_server(options);
        let mut first = connect(&mut event_loop, address, 1);
        round_trip(&mut event_loop, &mut first, b"hello");
        let mut peers = Vec::with_capacity(count);
        let before = resident_bytes();
        while peers.len() < count {
            let more = (count - peers.len()).min(50);
            peers.extend(connect(&mut event_loop, address, more));
        }
        let each = (resident_bytes() - before) / count;
        report(&format!(
            "{count} idle connections with a timeout: {each} bytes resident each"
        ));
        assert!(
            count < 5_000 || each <= 360,
            "{each} bytes resident for each of {count}"
        );
    });
}

// R3 of the reliability table.
#[test]
fn what_connections_took_is_given_back_or_used_again() {
    in_own_process(r#"exec "$@""#, || {
        let options = SocketOptions::new().idle_timeout(Duration::from_secs(600));
        let (mut event_loop, address) = echo_server(options);
        let generations = |event_loop: &mut EventLoop, count: u32| {
            for _ in 0..count {
                let mut peers = connect(event_loop, address, 200);
                round_trip(event_loop, &mut peers, &[b'x'; 10_000]);
                drop(peers);
                turn_until_sockets_are(event_loop, 0);
            }
            // The loop does so itself a little later, so it may have done so by now or not.
            event_loop.trim();
        };
        generations(&mut event_loop, 3);
        let region = Region::new(ALLOCATOR);
        generations(&mut event_loop, 10);
        let change = region.change();
        assert_eq!(
            change.bytes_allocated, change.bytes_deallocated,
            "a leak over 2,000 connections: {change:?}"
        );
    });
}

// C14 of the reliability table.
#[test]
fn a_loop_trimmed_after_a_spike_keeps_next_to_nothing() {
    in_own_process(MANY_DESCRIPTORS, || {
        let (mut event_loop, address) = echo_server(SocketOptions::new());
        let mut first = connect(&mut event_loop, address, 1);
        round_trip(&mut event_loop, &mut first, b"hello");
        event_loop.trim();
        let region = Region::new(ALLOCATOR);
        let count = most_pairs().min(2_000);
        let mut peers = connect(&mut event_loop, address, count);
        round_trip(&mut event_loop, &mut peers, &[b'x'; 1_000]);
        drop(peers);
        turn_until_sockets_are(&mut event_loop, 1);
        event_loop.trim();
        let left = bytes_more(&region.change());
        report(&format!("{left} bytes are left of {count} connections"));
        // A sixteenth of a byte for each place, of the sockets and of their deadlines.
        assert!(left <= 20_000, "{left} bytes are left of {count}");
        round_trip(&mut event_loop, &mut first, b"and on it goes");
    });
}

/// Refuses connections while it has no place for them, and counts those that it is told of.
struct Door(Rc<Cell<u64>>);

impl ServerHandler for Door {
    fn on_connection(
        &mut self,
        _: &mut LoopContext<'_>,
        _: &Accepted,
    ) -> Option<Box<dyn SocketHandler>> {
        panic!("it has no place");
    }
    fn on_over_limit(&mut self, _: &mut LoopContext<'_>, told: &OverLimit) {
        self.0.set(self.0.get() + told.refused);
    }
}

// A9
#[test]
fn a_refused_connection_allocates_nothing() {
    in_own_process(r#"exec "$@""#, || {
        let unlimited = Limits::unlimited;
        for limits in [
            unlimited().max_connections(0),
            unlimited().max_connections_per_network(0),
            unlimited().max_connections(0).refusal(Refusal::Reset),
        ] {
            let mut event_loop: EventLoop = EventLoop::new().unwrap();
            let refused = Rc::new(Cell::new(0));
            let options = ListenOptions::new().limits(limits);
            let door = Door(Rc::clone(&refused));
            let server = event_loop.serve(loopback(), options, door).unwrap();
            let address = event_loop.server(server).address().unwrap();
            let mut refuse = |count: u64| {
                let peers: Vec<TcpStream> = (0..count)
                    .map(|_| TcpStream::connect(address).unwrap())
                    .collect();
                let region = Region::new(ALLOCATOR);
                let (all, deadline) = (refused.get() + count, Instant::now() + PATIENCE);
                while refused.get() < all {
                    assert!(Instant::now() < deadline, "a refusal is missing");
                    turn(&mut event_loop);
                }
                let change = region.change();
                drop(peers);
                change
            };
            refuse(100);
            for _ in 0..10 {
                let change = refuse(100);
                let counts = (
                    change.allocations,
                    change.reallocations,
                    change.deallocations,
                );
                assert_eq!(counts, (0, 0, 0), "100 refused connections");
            }
        }
    });
}

/// An echo that puts off a timer with every message, and has another that was cancelled.
struct Deadlined;

impl SocketHandler for Deadlined {
    fn on_data(&mut self, cx: &mut Context<'_>, data: &[u8]) {
        cx.socket.after(Duration::from_secs(60), 0);
        cx.socket.after(Duration::from_millis(1), 1);
        cx.socket.write(data).ignore();
        assert!(cx.socket.cancel(1));
    }
    fn on_timer(&mut self, _: &mut Context<'_>, token: u64) {
        panic!("{token} comes though it is put off or cancelled");
    }
}

/// I11: the timers of a socket that every message puts off or cancels.
#[test]
fn timers_of_sockets_that_never_come_allocate_nothing() {
    in_own_process(r#"exec "$@""#, || {
        let mut event_loop = EventLoop::new().unwrap();
        let server = event_loop.listen(loopback(), |_, _| Deadlined).unwrap();
        let address = event_loop.server(server).address().unwrap();
        assert_server_allocates_nothing((event_loop, address), &[b'x'; 64]);
    });
}

/// I11
#[test]
fn bytes_through_a_pipe_allocate_nothing() {
    in_own_process(r#"exec "$@""#, || {
        let mut event_loop = EventLoop::new().unwrap();
        let server = event_loop.listen(loopback(), |cx, accepted| {
            assert!(cx.pipe(accepted.id, accepted.id));
            Echo
        });
        let address = event_loop.server(server.unwrap()).address().unwrap();
        assert_server_allocates_nothing((event_loop, address), &[b'x'; 64]);
    });
}

/// Counts what wakes and stops allocate whose calls all have the result `is_ok`.
fn assert_wakes_allocate_nothing(is_ok: bool) {
    let mut event_loop = EventLoop::new().unwrap();
    let remote = event_loop.remote();
    // Another thread of the test program may free memory of its own meanwhile. A wake that does so does it each time.
    let changed = (0..100).filter(|_| {
        let region = Region::new(ALLOCATOR);
        for _ in 0..3 {
            assert_eq!(remote.wake().is_ok(), is_ok);
            assert_eq!(remote.stop().is_ok(), is_ok);
        }
        let change = region.change();
        turn(&mut event_loop);
        change.allocations + change.reallocations + change.deallocations > 0
    });
    assert!(changed.count() < 10, "wakes and stops");
    drop(event_loop);
    let region = Region::new(ALLOCATOR);
    remote.wake().unwrap();
    remote.stop().unwrap();
    assert_no_change(&region, "a wake and a stop of a loop that is gone");
}

// A signal handler may interrupt the allocator.
#[test]
fn a_wake_allocates_nothing() {
    in_own_process(r#"exec "$@""#, || assert_wakes_allocate_nothing(true));
}

#[test]
fn a_wake_that_fails_allocates_nothing() {
    with_failing_wakes("error=ENOMEM:when=1+", || {
        assert_wakes_allocate_nothing(false);
    });
}
