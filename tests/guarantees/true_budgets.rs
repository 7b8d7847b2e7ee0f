//! Everything that a turn does is inside its budget: sends, flushes, closes, timers, calls and posts, also of sockets
//! that give no event. And no kind of work starves another, however small the budget.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use netloop::{Budget, EventLoop, Flow, LoopContext, SocketId, SocketOptions, Turn, Wait};

use crate::support::{PATIENCE, Peer, Recorder, Scene, Seen, World, let_time_pass, unless_lost};

fn turn(scene: &mut Scene, budget: Budget) -> Turn {
    let turn = scene.event_loop.turn(&mut scene.world, Wait::No, budget);
    turn.unwrap()
}

/// The callbacks of a turn, all kinds together.
fn callbacks(turn: &Turn) -> u32 {
    turn.events + turn.timers + turn.calls + turn.closed
}

fn sockets(scene: &mut Scene, count: usize) -> (Vec<SocketId>, Vec<Peer>) {
    let pairs = (0..count).map(|number| {
        let recorder = Recorder::new(format!("socket {number}"));
        scene.adopted(SocketOptions::new(), recorder)
    });
    pairs.unzip()
}

fn queued(scene: &mut Scene, ids: &[SocketId]) -> Vec<usize> {
    let queued = ids.iter().map(|&id| scene.socket(id).queued_bytes());
    queued.collect()
}

/// The number of sockets whose queue has become shorter.
fn moved(before: &[usize], after: &[usize]) -> usize {
    let pairs = before.iter().zip(after);
    pairs.filter(|(before, after)| after < before).count()
}

/// Makes turns of `budget` until `done`, and passes the state before and after each turn to `check`.
#[track_caller]
fn drive_within(
    scene: &mut Scene,
    budget: Budget,
    mut check: impl FnMut(&mut Scene, &Turn),
    mut done: impl FnMut(&mut Scene) -> bool,
) {
    let deadline = Instant::now() + PATIENCE;
    while !done(scene) {
        assert!(Instant::now() < deadline, "{}", scene.world.brief());
        let turn = turn(scene, budget);
        check(scene, &turn);
    }
}

// A source that gives no event: a socket that writes on to a slow reader.
#[test]
fn writing_on_to_many_readers_keeps_to_the_budget() {
    const READERS: usize = 40;
    let mut scene = Scene::new();
    let (ids, mut peers) = sockets(&mut scene, READERS);
    for &id in &ids {
        while scene.socket(id).write(&[b'x'; 16 << 10]) == Flow::Open {}
    }
    scene.settle();
    for peer in &mut peers {
        while let Ok(Some(_)) = peer.read_some(64 << 10) {}
    }
    let mut most = 0;
    for _ in 0..200 {
        let before = queued(&mut scene, &ids);
        turn(&mut scene, Budget::new().steps(3));
        let after = queued(&mut scene, &ids);
        most = most.max(moved(&before, &after));
    }
    assert!((1..=3).contains(&most), "{most} of them in a turn");
}

// Row 4.4: a storm of disconnects is as many turns as the budget says.
#[test]
fn resets_at_once_keep_to_the_budget() {
    unless_lost(|| {
        const PEERS: usize = 60;
        for budget in [Budget::new().steps(1), Budget::new().steps(4)] {
            let mut scene = Scene::new();
            let (_, peers) = sockets(&mut scene, PEERS);
            scene.settle();
            peers.into_iter().for_each(Peer::reset);
            let mut turns = 0;
            let most = if budget == Budget::new().steps(1) {
                1
            } else {
                4
            };
            drive_within(
                &mut scene,
                budget,
                |_, turn| {
                    turns += 1;
                    assert!(callbacks(turn) <= most, "{turn:?}");
                },
                |scene| scene.event_loop.sockets().ids().count() == 0,
            );
            // Each is one read, and one close.
            assert!(turns >= 2 * PEERS / most as usize, "{turns} turns");
        }
    });
}

// Row 4.1: what a handler writes to others leaves within the budget of this turn and the next ones.
#[test]
fn a_broadcast_to_many_keeps_to_the_budget() {
    const MEMBERS: usize = 100;
    let mut scene = Scene::new();
    let (ids, mut peers) = sockets(&mut scene, MEMBERS);
    scene.settle();
    let members = ids.clone();
    scene.event_loop.defer(move |cx| {
        let others = cx.sockets.broadcast(members.iter().copied(), &[b'x'; 256]);
        assert!(others.is_empty());
    });
    let turns = Cell::new(0);
    drive_within(
        &mut scene,
        Budget::new().steps(10),
        |_, turn| {
            turns.set(turns.get() + 1);
            assert!(callbacks(turn) <= 10, "{turn:?}");
        },
        |scene| {
            let queued = queued(scene, &ids);
            let waiting = queued.iter().filter(|&&bytes| bytes > 0).count();
            let has_begun = turns.get() > 0;
            assert!(
                !has_begun || MEMBERS - waiting <= 10 * turns.get(),
                "{waiting} wait"
            );
            has_begun && waiting == 0
        },
    );
    assert!(
        turns.get() > MEMBERS / 10,
        "the call itself was a step, too"
    );
    for peer in &mut peers {
        assert_eq!(scene.peer_reads(peer, 256), [b'x'; 256]);
    }
}

#[test]
fn a_flush_of_a_host_keeps_to_its_budget() {
    const MEMBERS: usize = 50;
    let mut scene = Scene::new();
    let (ids, _peers) = sockets(&mut scene, MEMBERS);
    for &id in &ids {
        assert_eq!(scene.socket(id).write(b"hello"), Flow::Open);
    }
    let waiting = |scene: &mut Scene| {
        let queued = queued(scene, &ids);
        queued.iter().filter(|&&bytes| bytes > 0).count()
    };
    for (budget, left) in [
        (Budget::new().steps(7), 43),
        (Budget::new().time(Duration::ZERO), 42),
        (Budget::new().bytes(11), 39),
        (Budget::new().steps(0), 38),
    ] {
        assert!(scene.event_loop.flush(budget), "there is more");
        assert_eq!(waiting(&mut scene), left, "{budget:?}");
    }
    assert!(!scene.event_loop.flush(Budget::new()));
    assert_eq!(waiting(&mut scene), 0);
}

#[test]
fn timers_at_once_keep_to_the_budget() {
    let mut scene = Scene::new();
    let fired = Rc::new(Cell::new(0));
    for _ in 0..100 {
        let fired = Rc::clone(&fired);
        scene
            .event_loop
            .after(Duration::ZERO, move |_| fired.set(fired.get() + 1));
    }
    let_time_pass(Duration::from_millis(3));
    let mut turns = 0;
    while fired.get() < 100 {
        let turn = turn(&mut scene, Budget::new().steps(6));
        turns += 1;
        assert!(
            turn.timers <= 6 && turn.more == (fired.get() < 100),
            "{turn:?}"
        );
        assert!(turns < 100);
    }
    assert_eq!(turns, 17);
}

#[test]
fn calls_and_posts_at_once_keep_to_the_budget() {
    let mut scene = Scene::new();
    let remote = scene.event_loop.remote();
    for number in 0..50 {
        scene
            .event_loop
            .defer(move |cx| cx.shared.note(format!("call {number}")));
        remote
            .post(move |cx| cx.shared.note(format!("post {number}")))
            .unwrap();
    }
    let mut turns = 0;
    while scene.world.notes.len() < 100 {
        let turn = turn(&mut scene, Budget::new().steps(5));
        turns += 1;
        assert!(
            turn.calls <= 5 && turn.more == (scene.world.notes.len() < 100),
            "{turn:?}"
        );
        assert!(turns < 200);
    }
    assert_eq!(turns, 20);
    for kind in ["call", "post"] {
        let of_kind = scene
            .world
            .notes
            .iter()
            .filter(|note| note.starts_with(kind));
        let expected: Vec<String> = (0..50).map(|number| format!("{kind} {number}")).collect();
        assert!(of_kind.eq(&expected), "in order, each once");
    }
}

// The limit of bytes counts in both directions, and cuts no read short.
#[test]
fn a_budget_of_bytes_bounds_reads_and_sends_together() {
    let mut scene = Scene::new();
    let mut peers = Vec::new();
    for number in 0..20 {
        let echoing = Recorder::new(format!("socket {number}")).on("data", |cx, seen| {
            if let Seen::Data(bytes) = seen {
                assert_eq!(cx.socket.write(bytes), Flow::Open);
            }
        });
        peers.push(scene.adopted(SocketOptions::new(), echoing).1);
    }
    for peer in &mut peers {
        peer.write(&[b'x'; 100]);
    }
    // 100 bytes each way are one step of 200.
    for (bytes, events) in [(0, 1), (1, 1), (200, 1), (201, 2), (1_000, 5)] {
        assert_eq!(turn(&mut scene, Budget::new().bytes(bytes)).events, events);
        // The other parts of the rotation have nothing to do.
        while turn(&mut scene, Budget::new().bytes(1)).events == 0 {}
    }
}

/// The number of turns within which each kind of work gets a step.
const ROTATION: u32 = 8;

/// Keeps every kind of work busy for ever. Each kind counts its callbacks.
struct Busy {
    counts: [Arc<AtomicU32>; 6],
    chatty: Vec<Peer>,
}

const CALLS: usize = 0;
const POSTS: usize = 1;
const DATA: usize = 2;
const FLUSHES: usize = 3;
const TIMERS: usize = 4;
const CLOSES: usize = 5;

fn add(count: &AtomicU32, more: u32) {
    count.fetch_add(more, Ordering::Relaxed);
}

impl Busy {
    fn new(scene: &mut Scene) -> Self {
        let counts: [Arc<AtomicU32>; 6] = Default::default();
        let mut chatty = Vec::new();
        for number in 0..3 {
            let count = Arc::clone(&counts[DATA]);
            let counting =
                Recorder::new(format!("chatty {number}")).on("data", move |_, _| add(&count, 1));
            chatty.push(scene.adopted(SocketOptions::new(), counting).1);
        }
        defer_for_ever(Arc::clone(&counts[CALLS]))(&mut scene.event_loop);
        for _ in 0..1_000 {
            let count = Arc::clone(&counts[TIMERS]);
            let fire = move |_: &mut LoopContext<'_, World>| add(&count, 1);
            scene.event_loop.after(Duration::ZERO, fire);
        }
        Self { counts, chatty }
    }

    fn counts(&self) -> [u32; 6] {
        self.counts
            .each_ref()
            .map(|count| count.load(Ordering::Relaxed))
    }
}

/// Returns a function that begins a chain of deferred calls without end.
fn defer_for_ever(count: Arc<AtomicU32>) -> impl FnOnce(&mut EventLoop<World>) {
    fn again(cx: &mut LoopContext<'_, World>, count: Arc<AtomicU32>) {
        add(&count, 1);
        cx.defer(move |cx| again(cx, count));
    }
    move |event_loop| event_loop.defer(move |cx| again(cx, count))
}

// Row 4.1
#[test]
fn every_kind_of_work_makes_a_step_within_eight_turns() {
    let budget = Budget::new();
    for budget in [
        budget.steps(0),
        budget.steps(1),
        budget.time(Duration::ZERO),
        budget.bytes(0),
        budget.steps(2),
        budget.steps(5),
    ] {
        let mut scene = Scene::new();
        let remote = scene.event_loop.remote();
        let (targets, mut readers) = sockets(&mut scene, 6);
        let (mut doomed, mut doomed_peers) = sockets(&mut scene, 200);
        let mut busy = Busy::new(&mut scene);
        // Till the timers are due: more of them than one turn fires.
        let_time_pass(Duration::from_millis(3));
        let mut last = [0; 6];
        let mut before = busy.counts();
        for number in 1..=120 {
            // More of each kind than the turn has budget for.
            for peer in &mut busy.chatty {
                peer.write(b"x");
            }
            for _ in 0..6 {
                let count = Arc::clone(&busy.counts[POSTS]);
                remote.post(move |_| add(&count, 1)).unwrap();
            }
            for &id in &targets {
                let _ = scene.socket(id).write(b"y");
            }
            if let Some(id) = doomed.pop() {
                scene.socket(id).destroy();
                doomed_peers.pop();
            }
            let unsent = queued(&mut scene, &targets);
            let turn = turn(&mut scene, budget);
            let sent = moved(&unsent, &queued(&mut scene, &targets));
            add(&busy.counts[FLUSHES], u32::try_from(sent).unwrap());
            add(&busy.counts[CLOSES], turn.closed);
            let now = busy.counts();
            for kind in 0..6 {
                if now[kind] > before[kind] {
                    last[kind] = number;
                }
                assert!(
                    number - last[kind] <= ROTATION,
                    "{budget:?}: kind {kind} waits since turn {}",
                    last[kind]
                );
            }
            let steps: u32 = now
                .iter()
                .zip(&before)
                .map(|(now, before)| now - before)
                .sum();
            let is_exact = [budget.steps(0), budget.steps(1)].contains(&budget);
            assert!(steps > 0 && (!is_exact || steps == 1), "{steps} steps");
            assert!(turn.more);
            before = now;
            for reader in &mut readers {
                let _ = reader.read_some(1 << 10);
            }
        }
    }
}

#[test]
fn a_turn_without_a_limit_finishes_what_a_budget_left() {
    let mut scene = Scene::new();
    let (ids, peers) = sockets(&mut scene, 30);
    scene.settle();
    for &id in &ids {
        assert_eq!(scene.socket(id).write(b"bye"), Flow::Open);
    }
    peers.into_iter().for_each(Peer::reset);
    for _ in 0..5 {
        assert!(turn(&mut scene, Budget::new().steps(2)).more);
    }
    scene.settle();
    assert_eq!(scene.event_loop.sockets().ids().count(), 0);
}

// I9: the next notice waits for the next service.
#[test]
fn a_notice_that_asks_for_the_next_starves_nothing() {
    let mut scene = Scene::new();
    let asking = Recorder::new("us").on("sent", |cx, _| cx.socket.notify_when_sent(1));
    let (id, _peer) = scene.adopted(SocketOptions::new(), asking);
    let (_, mut neighbour) = scene.adopted(SocketOptions::new(), Recorder::new("neighbour"));
    scene.socket(id).notify_when_sent(1);
    for round in 1..=20 {
        neighbour.write(b"x");
        scene.turn();
        assert_eq!(scene.world.received_length("neighbour"), round);
    }
}
