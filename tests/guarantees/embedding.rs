//! The loop as a guest: in the main loop of a host that waits on a descriptor, in a game's frame, in a fixed step.
//!
//! The rules: `embed`, `embed_ready_list` and `host_write_flush` of README.md.

use std::io::{ErrorKind, Read};
use std::os::fd::{AsFd, AsRawFd};
use std::thread;
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use netloop::{Budget, Flow, ListenOptions, SocketOptions, Wait};

use crate::support::{PATIENCE, Peer, Recorder, Scene, Seen, spend, unless_lost};

/// A host with a `poll(2)` of its own, which knows of the loop only what `as_fd` and `poll_timeout` say.
struct Host {
    poll: Poll,
    events: Events,
    waits: u32,
}

impl Host {
    fn of(scene: &Scene) -> Self {
        let poll = Poll::new().unwrap();
        let descriptor = scene.event_loop.as_fd().as_raw_fd();
        poll.registry()
            .register(&mut SourceFd(&descriptor), Token(0), Interest::READABLE)
            .unwrap();
        Self {
            poll,
            events: Events::with_capacity(8),
            waits: 0,
        }
    }

    /// Waits until the loop's descriptor is readable or the loop's deadline has come; says whether it was readable.
    fn wait(&mut self, scene: &Scene) -> bool {
        let timeout = scene.event_loop.poll_timeout();
        let limit = timeout.map_or(PATIENCE, |timeout| timeout.min(PATIENCE));
        poll_within(&mut self.poll, &mut self.events, limit);
        self.waits += 1;
        !self.events.is_empty()
    }

    /// One round of the host's main loop.
    fn round(&mut self, scene: &mut Scene) -> netloop::Turn {
        self.wait(scene);
        scene.turn()
    }

    fn drive(&mut self, scene: &mut Scene, mut done: impl FnMut(&mut Scene) -> bool) {
        // A wait in vain lasts as long as the patience. Waits that are not in vain may be many, and slow on a busy machine.
        let most = self.waits + 100_000;
        while !done(scene) {
            assert!(self.waits < most, "{most} waits");
            let begun = Instant::now();
            self.round(scene);
            assert!(begun.elapsed() < PATIENCE, "the host waits in vain");
        }
    }
}

/// Waits for events. A process that was stopped and goes on interrupts a wait, which ends without any then.
fn poll_within(poll: &mut Poll, events: &mut Events, limit: Duration) {
    if let Err(error) = poll.poll(events, Some(limit)) {
        assert_eq!(error.kind(), ErrorKind::Interrupted);
        events.clear();
    }
}

fn echo(name: &str) -> Recorder {
    Recorder::new(name).reacting(|cx, seen| {
        if let Seen::Data(bytes) = seen {
            assert!(cx.socket.write(bytes).is_accepted());
        }
    })
}

// libuv's embed, with sockets.
#[test]
fn a_host_that_waits_on_the_descriptor_serves_sockets() {
    let mut scene = Scene::new();
    let (server, address) = scene.listen(ListenOptions::new(), |_| echo("socket"));
    let mut host = Host::of(&scene);
    let client = thread::spawn(move || {
        let mut peer = Peer::connect(address).into_stream();
        for round in 0..100_u8 {
            std::io::Write::write_all(&mut peer, &[round; 100]).unwrap();
            let mut answer = [0; 100];
            peer.read_exact(&mut answer).unwrap();
            assert_eq!(answer, [round; 100]);
        }
    });
    host.drive(&mut scene, |scene| {
        scene.world.close_reason("socket").is_some()
    });
    client.join().unwrap();
    // It slept between the messages: each is worth a wait or two, not hundreds.
    assert!(host.waits < 1_000, "{} waits", host.waits);
    scene.event_loop.server(server).close();
    host.drive(&mut scene, |scene| !scene.event_loop.is_alive());
}

// libuv's embed.
#[test]
fn a_host_waiting_on_the_descriptor_hears_of_posts_and_timers() {
    let mut scene = Scene::new();
    let mut host = Host::of(&scene);
    let remote = scene.event_loop.remote();
    let hold = remote.hold();
    let (timer_is_told, wait_for_timer) = std::sync::mpsc::channel();
    let posting = thread::spawn(move || {
        // Behind the timer, so that the order is certain, however slow the machine is.
        wait_for_timer.recv_timeout(PATIENCE).unwrap();
        remote.post(|cx| cx.shared.note("post")).unwrap();
        drop(hold);
    });
    let begun = Instant::now();
    scene
        .event_loop
        .after(Duration::from_millis(10), move |cx| {
            cx.shared.note("timer");
            timer_is_told.send(()).unwrap();
        });
    host.drive(&mut scene, |scene| !scene.event_loop.is_alive());
    assert_eq!(scene.world.notes, ["timer", "post"]);
    assert!(begun.elapsed() >= Duration::from_millis(10));
    assert!(host.waits < 20, "{} waits", host.waits);
    posting.join().unwrap();
}

// embed_ready_list: the kernel is silent about what it has told already.
#[test]
fn leftovers_of_a_budget_show_in_poll_timeout_only() {
    let mut scene = Scene::new();
    let (server, address) = scene.listen(ListenOptions::new(), |number| {
        Recorder::new(format!("socket {number}"))
    });
    let mut peers: Vec<Peer> = (0..10).map(|_| Peer::connect(address)).collect();
    scene.drive_with("all connections", |scene| {
        scene.event_loop.server(server).connection_count() == 10
    });
    scene.settle();
    for peer in &mut peers {
        peer.write(b"x");
    }
    let mut host = Host::of(&scene);
    assert!(host.wait(&scene));
    let budget = Budget::new().steps(1);
    let mut turns = 0;
    loop {
        let turn = scene
            .event_loop
            .turn(&mut scene.world, Wait::No, budget)
            .unwrap();
        turns += 1;
        assert_eq!(turn.events, 1);
        if !turn.more {
            break;
        }
        assert_eq!(scene.event_loop.poll_timeout(), Some(Duration::ZERO));
        assert!(!host.wait(&scene), "the kernel has told already");
    }
    assert_eq!(turns, 10);
    assert_eq!(scene.event_loop.poll_timeout(), None);
    for number in 0..10 {
        assert_eq!(scene.world.received(&format!("socket {number}")), b"x");
    }
}

#[test]
fn poll_timeout_is_zero_if_anything_is_queued_else_none() {
    let mut scene = Scene::new();
    let (id, _peer) = scene.accepted(SocketOptions::new(), Recorder::new("socket"));
    scene.settle();
    assert_eq!(scene.event_loop.poll_timeout(), None);

    type Ask = fn(&mut Scene, netloop::SocketId);
    let asks: [(&str, Ask); 5] = [
        ("a write", |scene, id| {
            assert_eq!(scene.socket(id).write(b"x"), Flow::Open);
        }),
        ("a deferred call", |scene, _| {
            scene.event_loop.defer(|_| {});
        }),
        ("a post", |scene, _| {
            scene.event_loop.remote().post(|_| {}).unwrap();
        }),
        ("a timer that is due", |scene, _| {
            scene.event_loop.after(Duration::ZERO, |_| {});
            spend(Duration::from_millis(2));
        }),
        ("a close", |scene, id| scene.socket(id).destroy()),
    ];
    for (what, ask) in asks {
        ask(&mut scene, id);
        assert_eq!(
            scene.event_loop.poll_timeout(),
            Some(Duration::ZERO),
            "{what}"
        );
        assert!(
            scene
                .event_loop
                .next_deadline()
                .is_some_and(|deadline| deadline <= Instant::now()),
            "{what}"
        );
        scene.settle();
        assert_eq!(scene.event_loop.poll_timeout(), None, "{what} is done");
    }
}

// I10: a socket that does not keep the loop going may still be readable, and the host must not spin.
#[test]
fn a_host_drains_the_descriptor_of_a_loop_that_is_not_alive() {
    let mut scene = Scene::new();
    let (id, mut peer) = scene.accepted(SocketOptions::new(), Recorder::new("socket"));
    scene.settle();
    scene.socket(id).release();
    assert!(!scene.event_loop.is_alive());
    let mut host = Host::of(&scene);
    peer.write(b"x");
    assert!(host.wait(&scene));
    scene.turn();
    assert_eq!(scene.world.received("socket"), b"x");
    poll_within(&mut host.poll, &mut host.events, Duration::from_millis(20));
    assert!(host.events.is_empty(), "nothing is left to be told");
}

// host_write_flush: at the end of a frame, say.
#[test]
fn flush_sends_what_the_host_wrote_and_calls_no_handler() {
    let mut scene = Scene::new();
    let (first, mut first_peer) = scene.accepted(SocketOptions::new(), Recorder::new("first"));
    let (second, mut second_peer) = scene.accepted(SocketOptions::new(), Recorder::new("second"));
    scene.settle();
    let seen = scene.world.log.len();
    for _ in 0..3 {
        assert_eq!(scene.socket(first).write(b"ab"), Flow::Open);
    }
    assert_eq!(scene.socket(second).end_with(b"last"), Flow::Open);
    assert_eq!(first_peer.read_some(10), Ok(None), "nothing left so far");
    scene.event_loop.flush(Budget::new());

    // No turn from here on.
    let mut stream = first_peer.into_stream();
    let mut bytes = [0; 6];
    stream.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"ababab");
    let mut all = Vec::new();
    let mut second_stream = {
        second_peer.write(b"x");
        second_peer.into_stream()
    };
    second_stream.read_to_end(&mut all).unwrap();
    assert_eq!(all, b"last");
    assert_eq!(scene.world.log.len(), seen, "a handler was called");
}

// 4c: one turn a frame, which never waits.
#[test]
fn frames_that_turn_without_waiting_take_what_has_come() {
    unless_lost(|| {
        let mut scene = Scene::new();
        let (_, mut peer) = scene.accepted(SocketOptions::new(), echo("socket"));
        let _far = scene.event_loop.after(PATIENCE * 10, |_| {});
        let begun = Instant::now();
        for frame in 1..=500 {
            peer.write(b"input");
            scene.turn();
            assert_eq!(scene.world.received_length("socket"), 5 * frame);
            scene.peer_reads(&mut peer, 5);
        }
        assert!(begun.elapsed() < PATIENCE);
    });
}

// A game owns the clock and the world, and the loop is a guest.
#[test]
fn a_game_of_fixed_steps_gives_the_network_the_rest() {
    const STEPS: usize = 20;
    const STEP: Duration = Duration::from_millis(10);
    const PLAYERS: usize = 3;
    let mut scene = Scene::new();
    let (_, address) = scene.listen(ListenOptions::new(), |number| {
        Recorder::new(format!("player {number}"))
    });
    let mut peers: Vec<Peer> = (0..PLAYERS).map(|_| Peer::connect(address)).collect();
    scene.drive("all players", |world| {
        (0..PLAYERS).all(|number| world.has(&format!("player {number}"), "connect"))
    });
    let begun = Instant::now();
    let mut next_step = begun + STEP;
    for step in 0..STEPS {
        for peer in &mut peers {
            peer.write(b"move");
        }
        scene
            .event_loop
            .run_until(&mut scene.world, next_step)
            .unwrap();
        assert!(Instant::now() >= next_step, "the step began early");
        for player in 0..PLAYERS {
            let name = format!("player {player}");
            assert_eq!(scene.world.received_length(&name), 4 * (step + 1));
            let id = scene.world.id(&name);
            let snapshot = [u8::try_from(step).unwrap(); 64];
            assert_eq!(scene.socket(id).write(&snapshot), Flow::Open);
        }
        scene.event_loop.flush(Budget::new());
        // The snapshot of this step is with the players before the next begins.
        for peer in &mut peers {
            let snapshot = read_snapshot(peer);
            assert_eq!(snapshot, vec![u8::try_from(step).unwrap(); 64]);
        }
        next_step += STEP;
    }
    assert!(begun.elapsed() >= STEP * u32::try_from(STEPS).unwrap());
}

/// Reads 64 bytes that have been sent already, without giving the loop a turn.
fn read_snapshot(peer: &mut Peer) -> Vec<u8> {
    let mut bytes = Vec::new();
    let deadline = Instant::now() + PATIENCE;
    while bytes.len() < 64 {
        assert!(Instant::now() < deadline, "flush did not send");
        if let Some(more) = peer.read_some(64 - bytes.len()).unwrap() {
            bytes.extend_from_slice(&more);
        }
    }
    bytes
}

#[test]
fn a_wait_until_the_past_is_no_wait() {
    let mut scene = Scene::new();
    let (_, _peer) = scene.accepted(SocketOptions::new(), Recorder::new("socket"));
    scene.settle();
    let begun = Instant::now();
    scene.turn_within(Wait::Until(begun - Duration::from_millis(5)));
    scene.turn_within(Wait::For(Duration::ZERO));
    assert!(begun.elapsed() < PATIENCE);

    let later = Instant::now() + Duration::from_millis(20);
    scene.turn_within(Wait::Until(later));
    assert!(Instant::now() >= later);
}

// Field report 2.8: a host that counts in milliseconds neither spins nor comes too early.
#[test]
fn a_host_that_rounds_the_timeout_down_does_not_spin() {
    let mut scene = Scene::new();
    let mut poll = Poll::new().unwrap();
    let descriptor = scene.event_loop.as_fd().as_raw_fd();
    let registry = poll.registry();
    registry
        .register(&mut SourceFd(&descriptor), Token(0), Interest::READABLE)
        .unwrap();
    let mut events = Events::with_capacity(8);
    for microseconds in [100, 900, 1_100, 7_500, 16_667] {
        let period = Duration::from_micros(microseconds);
        let due = Instant::now() + period;
        scene.event_loop.after(period, |cx| cx.shared.note("fired"));
        let mut turns = 0;
        while scene.world.notes.is_empty() {
            let timeout = scene.event_loop.poll_timeout().unwrap();
            assert_eq!(timeout.subsec_nanos() % 1_000_000, 0, "{timeout:?}");
            let whole = u64::try_from(timeout.as_millis()).unwrap();
            poll_within(&mut poll, &mut events, Duration::from_millis(whole));
            scene.turn();
            turns += 1;
        }
        assert!(Instant::now() >= due);
        assert!(turns <= 2, "{turns} turns for one timer");
        scene.world.notes.clear();
    }
}

#[test]
fn a_host_with_one_timer_hears_of_each_nearer_deadline() {
    let mut scene = Scene::new();
    assert_eq!(scene.event_loop.take_nearer_deadline(), None);
    let mut random = fastrand::Rng::with_seed(7);
    let mut armed: Option<Instant> = None;
    let (mut sets, mut left) = (0, 200);
    let begun = Instant::now();
    let mut told = 0;
    while told < 200 {
        assert!(begun.elapsed() < PATIENCE);
        for _ in 0..random.u32(0..3).min(left) {
            left -= 1;
            let after = Duration::from_millis(random.u64(0..40));
            scene.event_loop.after(after, |cx| cx.shared.note("timer"));
        }
        if let Some(nearer) = scene.event_loop.take_nearer_deadline() {
            let now = Instant::now();
            assert!(armed.is_none_or(|armed| nearer < armed || armed <= now));
            armed = Some(nearer);
            sets += 1;
        }
        assert_eq!(
            scene
                .event_loop
                .take_nearer_deadline()
                .filter(|next| *next > Instant::now()),
            None
        );
        let due = scene.event_loop.next_deadline();
        // The timer of the host is never behind the loop's deadline.
        assert!(due.is_none_or(|due| armed.is_some_and(|armed| armed <= due.max(Instant::now()))));
        match armed {
            Some(at) if at <= Instant::now() => {
                armed = None;
                scene.turn();
            }
            _ if left == 0 => spend(Duration::from_micros(100)),
            _ => {}
        }
        told = scene.world.notes.len();
    }
    assert!(sets <= 600, "{sets} settings for 200 timers");
}
