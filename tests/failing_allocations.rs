//! A lack of memory where a peer decides the size: the socket fails or the peer is refused, and the process goes on
//! (reliability C13).
//!
//! The allocator of this program fails one *growth* of a run: a reallocation, or an allocation of a kibibyte or more. Tables,
//! lists, queues, chunks and kept bytes grow. Objects of a fixed size, such as an error or a handler in its box, are no
//! growth: Rust has no stable way to make a box or an `Arc` that can fail.
//!
//! Memory that was given back a moment ago can be had again: the next growth that fits into it never fails. A slab cannot say
//! that it has no memory, so the library asks for that memory first.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    reason = "a test says what it expects by panicking"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::{ErrorKind, IoSlice, Read, Write, stdout};
use std::net::SocketAddr;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};

use netloop::{
    Budget, CloseReason, Context, DatagramContext, DatagramFlow, DatagramHandler, DatagramOptions,
    Decoded, Error, EventLoop, Filter, FilterOutput, Flow, ListenOptions, Result, SocketHandler,
    SocketId, SocketOptions, State, Wait,
};

#[path = "support/mod.rs"]
mod support;

use support::{BlackHole, in_own_process, scratch_path};

/// The longest wait for anything before a test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// The size from which on an allocation is a growth.
const GROWTH_BYTES: usize = 1024;

thread_local! {
    /// The number of growths until one fails, counted down while the loop works; negative afterwards.
    static LEFT: Cell<i64> = const { Cell::new(-1) };
    /// Whether the loop works.
    static COUNTS: Cell<bool> = const { Cell::new(false) };
    /// The size of the block that was given back last; zero once anything was taken.
    static FREED: Cell<usize> = const { Cell::new(0) };
    /// The bytes that this thread has taken from the heap, without those that it has given back.
    static LIVE: Cell<isize> = const { Cell::new(0) };
}

struct FailingAllocator;

#[global_allocator]
static ALLOCATOR: FailingAllocator = FailingAllocator;

fn fails(bytes: usize, is_growth: bool) -> bool {
    let fits = bytes <= FREED.replace(0);
    is_growth && !fits && COUNTS.get() && {
        LEFT.set(LEFT.get() - 1);
        LEFT.get() == 0
    }
}

fn count(bytes: usize, sign: isize) {
    LIVE.set(LIVE.get() + sign * isize::try_from(bytes).unwrap_or(0));
}

#[expect(unsafe_code, reason = "an allocator is unsafe to implement")]
// SAFETY: the system's allocator does the work. A null pointer is what an allocator returns that has no memory.
unsafe impl GlobalAlloc for FailingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if fails(layout.size(), layout.size() >= GROWTH_BYTES) {
            return std::ptr::null_mut();
        }
        count(layout.size(), 1);
        // SAFETY: the caller promises what the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(layout.size(), -1);
        FREED.set(layout.size());
        // SAFETY: as in `alloc`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if size > layout.size() && fails(size, true) {
            return std::ptr::null_mut();
        }
        count(layout.size(), -1);
        count(size, 1);
        // SAFETY: as in `alloc`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// The bytes of every stream, by their position.
fn pattern(length: usize) -> Vec<u8> {
    (0..length)
        .map(|at: usize| (at * 7 + at / 251).to_le_bytes()[0])
        .collect()
}

/// The record of a run. Its lists have their memory before the run begins.
struct World {
    /// The bytes that the server sends to each peer that asks for them.
    pattern: Vec<u8>,
    connected: Vec<SocketId>,
    closed: usize,
    /// The kinds of the errors, and the reasons of the closes.
    errors: Vec<ErrorKind>,
    reasons: Vec<CloseReason>,
}

impl World {
    fn new(most: usize, answer: usize) -> Self {
        Self {
            pattern: pattern(answer),
            connected: Vec::with_capacity(most),
            closed: 0,
            errors: Vec::with_capacity(most),
            reasons: Vec::with_capacity(most),
        }
    }
}

/// Answers each request of its peer with bytes of the pattern. It has no state, so its box takes no memory.
struct Answer;

impl SocketHandler<World> for Answer {
    fn on_connect(&mut self, cx: &mut Context<'_, World>) {
        cx.shared.connected.push(cx.socket.id());
        cx.socket.after(PATIENCE, 0);
    }

    fn on_data(&mut self, cx: &mut Context<'_, World>, data: &[u8]) {
        let request = match data[0] {
            // A request may come together with the hello before it.
            b'x' => data[data.len() - 1],
            first => first,
        };
        match request {
            // To all sockets, which have received nothing yet.
            b'b' => {
                for from in [0, 900, 1_800] {
                    let mut cx = cx.as_loop();
                    for at in 0..cx.shared.connected.len() {
                        let id = cx.shared.connected[at];
                        let bytes = &cx.shared.pattern[from..from + 900];
                        cx.sockets.socket(id).write(bytes).ignore();
                    }
                }
            }
            // In every length, until the whole answer is written.
            b'w' => {
                for length in [10, 300, 5_000, 20_000, 70_000].into_iter().cycle() {
                    let at = usize::try_from(cx.socket.bytes_written()).unwrap();
                    let answer = cx.shared.pattern.len();
                    let to = (at + length).min(answer);
                    let flow = cx.socket.write(&cx.shared.pattern[at..to]);
                    if to == answer || flow == Flow::Closed {
                        break;
                    }
                }
            }
            // The second half of a request is given back, or kept for the next handler.
            b'k' if data.len() > 1 => {
                let id = cx.socket.id();
                let (used, rest) = data.split_at(data.len() / 2);
                match used.len() % 2 {
                    0 => cx.replace_handler(id, Self, rest),
                    _ => cx.socket.unread(rest),
                };
            }
            _ => {}
        }
    }

    fn on_error(&mut self, cx: &mut Context<'_, World>, error: &Error) {
        cx.shared.errors.push(error.kind());
    }

    fn on_close(&mut self, cx: &mut Context<'_, World>, reason: CloseReason) {
        cx.shared.reasons.push(reason);
        cx.shared.closed += 1;
    }
}

fn turn(event_loop: &mut EventLoop<World>, world: &mut World) {
    COUNTS.set(true);
    let turned = event_loop.turn(world, Wait::For(Duration::from_millis(1)), Budget::new());
    COUNTS.set(false);
    turned.unwrap();
}

/// Reads what has arrived, and compares it with the pattern. Returns whether the peer is at its end.
fn read(peer: &mut UnixStream, received: &mut usize, pattern: &[u8]) -> bool {
    let mut buffer = [0; 16 * 1024];
    loop {
        match peer.read(&mut buffer) {
            Ok(0) => return true,
            Ok(length) => {
                assert_eq!(buffer[..length], pattern[*received..][..length]);
                *received += length;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}");
                return true;
            }
        }
    }
}

/// The bytes with which each peer of a filtered server begins, in one write.
const HELLO: &[u8] = &[b'x'; 3_000];

/// Is ready after the first byte, and passes all bytes as they are.
#[derive(Default)]
struct Passing {
    is_ready: bool,
}

impl Filter for Passing {
    fn is_ready(&self) -> bool {
        self.is_ready
    }

    fn decode(&mut self, input: &mut [u8], _: &mut FilterOutput<'_>) -> Result<Decoded> {
        self.is_ready |= !input.is_empty();
        Ok(Decoded::used(input.len()).in_place(0..input.len()))
    }

    fn encode(&mut self, bytes: &[IoSlice<'_>], to_peer: &mut Vec<u8>) -> Result<usize> {
        // A filter is the program's own, and has to ask for memory itself.
        let reserved = to_peer.try_reserve(bytes[0].len());
        reserved.map_err(|_| std::io::Error::from(ErrorKind::OutOfMemory))?;
        to_peer.extend_from_slice(&bytes[0]);
        Ok(bytes[0].len())
    }
}

/// Runs a server of `count` peers, whose growth `fails_at` fails. Returns whether it did: the run may have fewer growths.
fn run(is_filtered: bool, count: usize, answer: usize, fails_at: i64) -> bool {
    let scratch = scratch_path();
    let before = LIVE.get();
    let mut world = World::new(count + 1, answer);
    let mut event_loop = EventLoop::new().unwrap();
    // Unlike TCP, a Unix socket puts off no acknowledgement, so a run takes no time.
    let listener = UnixListener::bind(&scratch.path).unwrap();
    let socket = SocketOptions::new().idle_timeout(Duration::from_secs(60));
    let mut options = ListenOptions::new().socket(socket);
    if is_filtered {
        options = options.filter(|| Ok(Passing::default()));
    }
    let hello = if is_filtered { HELLO } else { b"" };
    let server = event_loop.listen_with(listener, options, |_, _| Answer);
    server.unwrap();

    LEFT.set(fails_at);
    let mut peers: Vec<(UnixStream, usize)> = Vec::new();
    for place in 0..count {
        let mut peer = UnixStream::connect(&scratch.path).unwrap();
        peer.set_nonblocking(true).unwrap();
        let _ = peer.write_all(hello);
        peers.push((peer, 0));
        if place % 8 == 0 {
            turn(&mut event_loop, &mut world);
        }
    }
    let deadline = Instant::now() + PATIENCE;
    let end_of_accepting = Instant::now() + Duration::from_millis(20);
    while world.connected.len() < count && Instant::now() < end_of_accepting {
        turn(&mut event_loop, &mut world);
    }
    let mut request = vec![b'k'; 3_000];
    let _ = peers[0].0.write_all(b"b");
    for _ in 0..3 {
        turn(&mut event_loop, &mut world);
    }
    *request.last_mut().unwrap() = b'w';
    for (peer, _) in &mut peers {
        // A peer that was refused has a reset connection.
        let _ = peer.write_all(&request);
        let _ = peer.write_all(b"w");
    }
    for _ in 0..5 {
        turn(&mut event_loop, &mut world);
    }
    // All of the answer, or a reset behind a part of it.
    let mut is_ended = vec![false; count];
    let is_done = |received: usize, is_ended: bool| received == answer || is_ended;
    while !(peers.iter().zip(&is_ended)).all(|((_, received), ended)| is_done(*received, *ended)) {
        assert!(
            Instant::now() < deadline,
            "growth {fails_at}: an answer is missing"
        );
        turn(&mut event_loop, &mut world);
        for ((peer, received), ended) in peers.iter_mut().zip(&mut is_ended) {
            *ended = *ended || read(peer, received, &world.pattern);
        }
    }
    let has_failed = LEFT.get() <= 0;
    let cut_short = peers.iter().filter(|(_, received)| *received < answer);
    let cut_short = cut_short.count();
    assert!(
        cut_short <= usize::from(has_failed),
        "growth {fails_at}: {cut_short} peers"
    );
    assert!(
        world
            .errors
            .iter()
            .all(|kind| *kind == ErrorKind::OutOfMemory),
        "{:?}",
        world.errors
    );
    // The loop goes on: a new peer is answered, for which nothing fails.
    LEFT.set(-1);
    let mut last = UnixStream::connect(&scratch.path).unwrap();
    last.set_nonblocking(true).unwrap();
    last.write_all(hello).unwrap();
    last.write_all(b"w").unwrap();
    let mut received = 0;
    while received < answer {
        assert!(
            Instant::now() < deadline,
            "growth {fails_at}: the last peer"
        );
        turn(&mut event_loop, &mut world);
        assert!(!read(&mut last, &mut received, &world.pattern));
    }
    drop((peers, last));
    while world.closed < world.connected.len() {
        assert!(
            Instant::now() < deadline,
            "growth {fails_at}: a close is missing"
        );
        turn(&mut event_loop, &mut world);
    }
    drop((event_loop, world, request, is_ended));
    let after = LIVE.get();
    assert!(
        after <= before,
        "growth {fails_at}: {} bytes leaked",
        after - before
    );
    has_failed
}

/// Fails each of the growths from the first to `last`, one a run. Returns the number of runs in which one has failed.
fn fail_each(is_filtered: bool, count: usize, answer: usize, last: i64) -> usize {
    // A run without a failure makes everything that a process makes once, so that no later run counts its growths.
    run(is_filtered, count, answer, i64::MAX);
    let growths = (1..=last).filter(|&growth| run(is_filtered, count, answer, growth));
    growths.count()
}

#[test]
fn no_growth_that_fails_ends_the_process() {
    in_own_process(r#"exec "$@""#, || {
        let failed = fail_each(false, 24, 300_000, 100);
        let _ = writeln!(stdout(), "{failed} of 100 growths were failed");
        assert!(failed == 100, "a run has only {failed} growths");
    });
}

#[test]
fn no_growth_of_a_filter_that_fails_ends_the_process() {
    in_own_process(r#"exec "$@""#, || {
        let failed = fail_each(true, 8, 100_000, 100);
        let _ = writeln!(stdout(), "{failed} of 100 growths were failed");
        assert!(failed >= 8, "a run has only {failed} growths");
    });
}

// No report of the connect ever comes, and no connect timeout is set.
#[test]
fn a_write_without_memory_fails_a_connect_under_way() {
    in_own_process(r#"exec "$@""#, || {
        let hole = BlackHole::new();
        let mut world = World::new(1, 0);
        let mut event_loop = EventLoop::new().unwrap();
        let id = event_loop.connect(hole.address(), Answer).unwrap();
        turn(&mut event_loop, &mut world);
        assert_eq!(event_loop.socket(id).state(), State::Opening);
        LEFT.set(1);
        COUNTS.set(true);
        let flow = event_loop.socket(id).write(&[0; 5_000]);
        COUNTS.set(false);
        assert_eq!((flow, LEFT.get()), (Flow::Closed, 0));
        turn(&mut event_loop, &mut world);
        assert_eq!(world.errors, [ErrorKind::OutOfMemory]);
        assert_eq!(world.reasons, [CloseReason::Error]);
    });
}

/// A handler of a UDP socket that is told nothing.
struct Silent;

impl DatagramHandler<()> for Silent {
    fn on_message(&mut self, _: &mut DatagramContext<'_, ()>, _: SocketAddr, _: &[u8]) {}
}

/// Queues datagrams behind a lookup, while the growth `fails_at` of the queue fails. Returns whether it did.
fn queue_datagrams(fails_at: i64) -> bool {
    const BYTES: &[u8] = &[7; 700];
    const COUNT: usize = 60;
    let mut event_loop = EventLoop::<()>::new().unwrap();
    let options = DatagramOptions::new();
    let id = event_loop.connect_udp("localhost:9", options, Silent);
    let id = id.unwrap();
    let mut flows = Vec::with_capacity(COUNT);
    LEFT.set(fails_at);
    COUNTS.set(true);
    for _ in 0..COUNT {
        flows.push(event_loop.datagram_socket(id).send(BYTES));
    }
    COUNTS.set(false);
    let has_failed = LEFT.get() <= 0;
    let dropped = flows.iter().filter(|flow| **flow == DatagramFlow::Dropped);
    let dropped = dropped.count();
    assert_eq!(dropped, usize::from(has_failed), "growth {fails_at}");
    let socket = event_loop.datagram_socket(id);
    assert_eq!(socket.queued_datagrams(), COUNT - dropped);
    assert_eq!(socket.queued_bytes(), (COUNT - dropped) * BYTES.len());
    has_failed
}

#[test]
fn a_datagram_without_memory_is_dropped_alone() {
    in_own_process(r#"exec "$@""#, || {
        queue_datagrams(i64::MAX);
        let failed = (1..=40).filter(|&growth| queue_datagrams(growth)).count();
        assert!(failed >= 4, "a run has only {failed} growths");
    });
}

// Alone, and not in a process of its own: `cargo test --release --test failing_allocations -- --ignored`.
#[test]
#[ignore = "takes many minutes"]
fn none_of_two_thousand_growths_ends_the_process() {
    let failed = fail_each(false, 130, 480_000, 2_000);
    let _ = writeln!(stdout(), "{failed} of 2,000 growths were failed");
    assert!(failed == 2_000, "a run has only {failed} growths");
}
