//! No source keeps another from being served: bulk senders, floods, budgets, timers that come all at once.
//! `accept_bursts.rs` has the crowds of newcomers.
//!
//! The rules: I9; A7, B1, B13, E4, F1, F5 of the reliability table; `budget_read` of libuv's.

use std::cell::{Cell, RefCell};
use std::io::Read;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use netloop::{
    Budget, CloseReason, Context, EventLoop, EventLoopOptions, Flow, LoopContext, SocketHandler,
    SocketOptions, Turn, Wait,
};
use socket2::SockRef;

use crate::firehoses::bulk_with;
use crate::support::{
    Arrival, Disturbed, PATIENCE, Peer, Recorder, Scene, Seen, World, loopback, spend,
    until_undisturbed_with_more_time,
};

/// The sockets in the order of serving, with the number of bytes of each.
pub(crate) type Served = Vec<(usize, usize)>;

/// Takes everything that it is sent, and notes how much that was at a time.
pub(crate) struct Sink(pub(crate) usize);

impl SocketHandler<Served> for Sink {
    fn on_data(&mut self, cx: &mut Context<'_, Served>, data: &[u8]) {
        cx.shared.push((self.0, data.len()));
    }
}

pub(crate) fn turn<S>(
    event_loop: &mut EventLoop<S>,
    shared: &mut S,
    wait: Wait,
    budget: Budget,
) -> Turn {
    event_loop.turn(shared, wait, budget).unwrap()
}

/// A pair of connected sockets whose kernel buffers megabytes. The size of the receive buffer is asked for: where other
/// programs use much memory for TCP, no buffer grows by itself.
pub(crate) fn wide_pair() -> (std::net::TcpStream, Peer) {
    let listener = TcpListener::bind(loopback()).unwrap();
    SockRef::from(&listener)
        .set_recv_buffer_size(1 << 20)
        .unwrap();
    let peer = Peer::connect(listener.local_addr().unwrap());
    (listener.accept().unwrap().0, peer)
}

/// Fills what the kernel buffers between the two ends, and says how much that is.
pub(crate) fn fill(peer: &mut Peer) -> usize {
    let chunk = vec![b'x'; 256 << 10];
    let mut filled = 0;
    loop {
        match peer.write_some(&chunk) {
            0 => return filled,
            length => filled += length,
        }
    }
}

/// A loop with `count` sinks, each with as much unread as the kernel holds, the peers, and how much that is for each.
pub(crate) fn bulk(count: usize) -> (EventLoop<Served>, Vec<Peer>, Vec<usize>) {
    bulk_with(count, EventLoopOptions::new())
}

pub(crate) fn bytes_of(served: &Served, number: usize) -> usize {
    let own = served.iter().filter(|(who, _)| *who == number);
    own.map(|(_, length)| length).sum()
}

// I9, F1
#[test]
fn bulk_sender_does_not_starve_a_ping() {
    const BULK: usize = 20;
    let (mut event_loop, _peers, filled) = bulk(BULK);
    assert!(
        filled.iter().all(|&filled| filled > 512 << 10),
        "{filled:?}"
    );
    let (ours, mut pinger) = wide_pair();
    event_loop
        .adopt(ours, SocketOptions::new(), Sink(BULK))
        .unwrap();
    pinger.write(b"ping");

    let mut served = Served::new();
    turn(&mut event_loop, &mut served, Wait::No, Budget::new());
    assert_eq!(bytes_of(&served, BULK), 4, "the ping waits: {served:?}");
    for (number, &filled) in filled.iter().enumerate() {
        let bytes = bytes_of(&served, number);
        assert!(bytes > 0, "{number} was not served");
        assert!(
            bytes < filled && bytes <= 512 << 10,
            "{number} got {bytes} of {filled} bytes in one turn"
        );
    }
    let deadline = Instant::now() + PATIENCE;
    while (0..BULK).any(|number| bytes_of(&served, number) < filled[number]) {
        assert!(Instant::now() < deadline, "bytes were lost");
        let wait = Wait::For(Duration::from_millis(1));
        turn(&mut event_loop, &mut served, wait, Budget::new());
    }
}

// D6 of benches/DECISIONS.md: a source that is still ready goes to the back of the queue.
#[test]
fn busy_sources_take_turns() {
    const BULK: usize = 6;
    let (mut event_loop, _peers, _) = bulk(BULK);
    let mut served = Served::new();
    turn(&mut event_loop, &mut served, Wait::No, Budget::new());
    let mut order: Vec<usize> = served.iter().map(|&(who, _)| who).collect();
    order.dedup();
    let mut once = order.clone();
    once.sort_unstable();
    assert_eq!(once, [0, 1, 2, 3, 4, 5], "each has one turn, in one piece");

    let mut again = Served::new();
    turn(&mut event_loop, &mut again, Wait::No, Budget::new());
    let mut order_again: Vec<usize> = again.iter().map(|&(who, _)| who).collect();
    order_again.dedup();
    assert_eq!(order_again, order, "and the next in the same order");
}

// I9, for a writer: the peer takes all that it is given, without end.
#[test]
fn a_socket_that_writes_for_ever_does_not_starve_a_ping() {
    static FLOOD: [u8; 256 << 10] = [b'x'; 256 << 10];
    let mut scene = Scene::new();
    let flooding = Recorder::new("flood").reacting(|cx, seen| {
        if matches!(seen, Seen::Drain | Seen::Data(_)) {
            while cx.socket.write_static(&FLOOD) == Flow::Open {}
        }
    });
    let (_, mut sink) = scene.accepted(SocketOptions::new(), flooding);
    let echoing = Recorder::new("echo").reacting(|cx, seen| {
        if let Seen::Data(bytes) = seen {
            assert_eq!(cx.socket.write(bytes), Flow::Open);
        }
    });
    let (_, mut pinger) = scene.accepted(SocketOptions::new(), echoing);
    sink.write(b"go");
    let mut sink = sink.into_stream();
    let is_over = Arc::new(AtomicBool::new(false));
    let stopping = Arc::clone(&is_over);
    let reading = thread::spawn(move || {
        let mut buffer = vec![0; 256 << 10];
        // The drop of the loop resets the connection, perhaps before this thread runs again.
        while !stopping.load(Ordering::Relaxed) && sink.read(&mut buffer).is_ok() {}
        assert!(stopping.load(Ordering::Relaxed));
    });
    let drains = |world: &World| world.count("flood", "drain");
    scene.drive("the flood", |world| drains(world) > 3);
    for round in 1..=100 {
        pinger.write(b"ping");
        // Served in the very next turn, whatever the flood does.
        scene.turn();
        assert_eq!(scene.world.received_length("echo"), 4 * round);
        assert_eq!(scene.peer_reads(&mut pinger, 4), b"ping");
    }
    let before = drains(&scene.world);
    scene.drive("more of the flood", |world| drains(world) > before);
    is_over.store(true, Ordering::Relaxed);
    drop(scene);
    reading.join().unwrap();
}

// B13
#[test]
fn posts_without_end_do_not_starve_a_socket() {
    let mut scene = Scene::new();
    let (_, mut peer) = scene.accepted(SocketOptions::new(), Recorder::new("socket"));
    let remote = scene.event_loop.remote();
    let is_over = Arc::new(AtomicBool::new(false));
    let stopping = Arc::clone(&is_over);
    let flooding = thread::spawn(move || {
        while !stopping.load(Ordering::Relaxed) {
            // When the mailbox is full, the loop is behind: just what is wanted.
            let _ = remote.post(|_| {});
        }
    });
    let mut most = 0;
    for round in 1..=200 {
        peer.write(b"x");
        let turn = scene.turn();
        assert_eq!(scene.world.received_length("socket"), round);
        most = most.max(turn.calls);
    }
    assert!(most <= 1024, "{most} posts in one turn");
    is_over.store(true, Ordering::Relaxed);
    flooding.join().unwrap();
}

// B13
#[test]
fn calls_and_timers_without_end_do_not_starve_a_socket() {
    fn defer_again(cx: &mut LoopContext<'_, World>) {
        cx.defer(defer_again);
    }
    fn arm_again(cx: &mut LoopContext<'_, World>) {
        cx.after(Duration::ZERO, arm_again);
    }
    let mut scene = Scene::new();
    let (_, mut peer) = scene.accepted(SocketOptions::new(), Recorder::new("socket"));
    scene.event_loop.defer(defer_again);
    scene.event_loop.after(Duration::ZERO, arm_again);
    scene.event_loop.every(Duration::ZERO, |_| {});
    for round in 1..=200 {
        peer.write(b"x");
        scene.turn();
        assert_eq!(scene.world.received_length("socket"), round);
    }
}

// E4
#[test]
fn a_hundred_thousand_timers_at_once_do_not_starve_a_socket() {
    const TIMERS: u32 = 100_000;
    let mut scene = Scene::new();
    let (_, mut peer) = scene.accepted(SocketOptions::new(), Recorder::new("socket"));
    let fired = Rc::new(Cell::new(0));
    for _ in 0..TIMERS {
        let fired = Rc::clone(&fired);
        scene.event_loop.after(Duration::from_millis(1), move |_| {
            fired.set(fired.get() + 1)
        });
    }
    let mut received = 0;
    let mut longest = Duration::ZERO;
    scene.drive_with("all timers", |scene| {
        peer.write(b"x");
        received += 1;
        let begun = Instant::now();
        scene.turn();
        longest = longest.max(begun.elapsed());
        assert_eq!(scene.world.received_length("socket"), received);
        fired.get() == TIMERS
    });
    println!("{TIMERS} timers at once: the longest turn took {longest:?}");
    scene.settle();
    assert_eq!(fired.get(), TIMERS);
}

// E4, for idle timeouts.
#[test]
fn timeouts_at_once_reach_all_idle_sockets_and_no_busy_one() {
    const SOCKETS: usize = 300;
    until_undisturbed_with_more_time(|stretch| {
        let mut scene = Scene::new();
        let timeout = Duration::from_millis(120) * stretch;
        let options = SocketOptions::new().idle_timeout(timeout);
        let (server, address) =
            scene.listen(options, |number| Recorder::new(format!("socket {number}")));
        let mut last = Instant::now();
        let mut is_busy = true;
        let mut busy = Peer::connect(address);
        let mut keep_busy = || {
            busy.write(b"x");
            // A socket is idle if this thread is kept from writing.
            is_busy &= last.elapsed() < timeout;
            last = Instant::now();
        };
        let _idle: Vec<Peer> = (1..SOCKETS).map(|_| Peer::connect(address)).collect();
        scene.drive_with("all connections", |scene| {
            keep_busy();
            scene.event_loop.server(server).connection_count() == SOCKETS
        });
        scene.drive_with("all timeouts", |scene| {
            keep_busy();
            (1..SOCKETS).all(|number| scene.world.has(&format!("socket {number}"), "timeout"))
        });
        if !is_busy {
            return Disturbed::Yes;
        }
        assert!(!scene.world.has("socket 0", "timeout"));
        let timeouts = scene
            .world
            .log
            .iter()
            .filter(|event| event.seen == Seen::Timeout);
        assert_eq!(timeouts.count(), SOCKETS - 1, "each is told once");
        Disturbed::No
    });
}

/// Connects `count` sockets to a server of `scene`, all of which have sent a byte that is still unread.
pub(crate) fn chatty(scene: &mut Scene, options: SocketOptions, count: usize) -> Vec<Peer> {
    let (server, address): (_, SocketAddr) =
        scene.listen(options, |number| Recorder::new(format!("socket {number}")));
    let mut peers = Vec::new();
    while peers.len() < count {
        peers.push(Peer::connect(address));
        // Fewer than are accepted in a turn, so that no peer has to wait in the kernel's queue.
        if peers.len() % 25 == 0 {
            scene.turn();
        }
    }
    scene.drive_with("all connections", |scene| {
        scene.event_loop.server(server).connection_count() == count
    });
    peers
}

// E2: more sockets than the kernel tells of at a time, whose bytes came while the thread was busy elsewhere.
#[test]
fn no_socket_times_out_after_a_stall_if_its_peer_sent_in_time() {
    const SOCKETS: usize = 1_500;
    let mut scene = Scene::new();
    let timeout = Duration::from_millis(300);
    let mut peers = chatty(&mut scene, SocketOptions::new(), SOCKETS);
    let ids: Vec<_> = scene.event_loop.sockets().ids().collect();
    for &id in &ids {
        scene.socket(id).set_idle_timeout(timeout);
    }
    for peer in &mut peers {
        peer.write(b"x");
    }
    scene.await_arrival(Arrival::Bytes, ids);
    spend(timeout * 2);
    for _ in 0..5 {
        scene.turn();
    }
    // A machine that holds this thread up behind the bytes may let the next timeout pass.
    for number in 0..SOCKETS {
        let name = format!("socket {number}");
        let trace = scene.world.trace(&name);
        assert!(trace.starts_with("connect data:x"), "{name}: {trace}");
    }
}

// F5
#[test]
fn a_thousand_sockets_destroyed_at_once_close_in_one_turn() {
    const SOCKETS: usize = 1_000;
    let mut scene = Scene::new();
    let _peers = chatty(&mut scene, SocketOptions::new(), SOCKETS);
    scene.event_loop.defer(|cx| {
        let ids: Vec<_> = cx.sockets.ids().collect();
        for id in ids {
            cx.sockets.socket(id).destroy();
        }
    });
    let begun = Instant::now();
    let turn = scene.turn();
    println!("{SOCKETS} closes in one turn of {:?}", begun.elapsed());
    assert_eq!(turn.closed as usize, SOCKETS);
    for number in 0..SOCKETS {
        let name = format!("socket {number}");
        assert_eq!(scene.world.close_reason(&name), Some(CloseReason::Local));
    }
}

// F1 and A7 together, from real threads: the longest that anybody waits among nine firehoses.
#[test]
fn pings_among_firehoses_are_answered_within_bounded_events() {
    const PINGS: usize = 50;
    let (mut event_loop, peers, _) = bulk(9);
    let is_over = Arc::new(AtomicBool::new(false));
    let hoses: Vec<_> = peers
        .into_iter()
        .map(|peer| {
            let is_over = Arc::clone(&is_over);
            let mut stream = peer.into_stream();
            thread::spawn(move || {
                let chunk = vec![b'x'; 256 << 10];
                while !is_over.load(Ordering::Relaxed)
                    && std::io::Write::write(&mut stream, &chunk).is_ok()
                {}
            })
        })
        .collect();
    let (ours, mut pinger) = wide_pair();
    event_loop
        .adopt(ours, SocketOptions::new(), Sink(9))
        .unwrap();
    let between = RefCell::new(Vec::new());
    for _ in 0..PINGS {
        pinger.write(b"ping");
        let mut served = Served::new();
        turn(&mut event_loop, &mut served, Wait::No, Budget::new());
        let position = served.iter().position(|(who, _)| *who == 9);
        between.borrow_mut().push(position.unwrap());
    }
    // Nine bursts of sixteen reads at most come before it.
    assert!(between.borrow().iter().all(|&before| before <= 144));
    is_over.store(true, Ordering::Relaxed);
    drop(event_loop);
    for hose in hoses {
        hose.join().unwrap();
    }
}
