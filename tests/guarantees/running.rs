//! `run` and `run_until`: what keeps them going, and `stop`.

use std::cell::Cell;
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use netloop::{EventLoop, ListenOptions, SocketOptions, Wait};

use crate::event_loop::{LONG, assert_short, note};
use crate::support::{PATIENCE, Peer, Reception, Recorder, Scene, Seen, listener, loopback};

// J1; libuv's ref.
#[test]
fn run_returns_at_once_when_nothing_is_left_to_wait_for() {
    let mut event_loop: EventLoop = EventLoop::new().unwrap();
    assert!(!event_loop.is_alive());
    assert_short(|| event_loop.run(&mut ()).unwrap());
    assert_short(|| event_loop.run(&mut ()).unwrap());
}

// J1
#[test]
fn run_ends_when_the_last_socket_is_gone() {
    let mut scene = Scene::new();
    let (_, mut peer) = scene.accepted(SocketOptions::new(), Recorder::new("socket"));
    let peer = thread::spawn(move || {
        peer.write(b"bye");
        peer.half_close();
        peer
    });
    scene.run_to_its_end();
    assert_eq!(
        scene.world.trace("socket"),
        "connect data:bye end close:Graceful"
    );
    assert!(!scene.event_loop.is_alive());
    peer.join().unwrap();
}

// J1: once and twice are the same.
#[test]
fn an_unreferenced_socket_does_not_keep_run_going() {
    let mut scene = Scene::new();
    let (id, _peer) = scene.accepted(SocketOptions::new(), Recorder::new("socket"));
    assert!(scene.event_loop.is_alive());
    scene.socket(id).release();
    scene.socket(id).release();
    assert!(!scene.socket(id).is_held());
    scene.run_to_its_end();
    // J3: no handler is told anything.
    assert_eq!(scene.world.trace("socket"), "connect");

    scene.socket(id).hold();
    scene.socket(id).hold();
    assert!(scene.event_loop.is_alive());
    scene.socket(id).release();
    assert!(!scene.event_loop.is_alive());
}

// J1: unref() before the connection is there is remembered, and the connect itself is waited for, as in Node.
#[test]
fn an_unreferenced_connect_keeps_run_going_until_it_is_made() {
    let (_server, address) = listener();
    let mut scene = Scene::new();
    let id = scene
        .event_loop
        .connect(address, Recorder::new("dialer"))
        .unwrap();
    assert!(scene.event_loop.is_alive());
    scene.socket(id).release();
    assert!(!scene.socket(id).is_held());
    assert!(scene.event_loop.is_alive());
    scene.drive("the connection", |world| {
        world.has_seen("dialer", &Seen::Connect)
    });
    assert!(!scene.event_loop.is_alive());
}

// J2
#[test]
fn an_idle_timeout_does_not_keep_run_going() {
    let mut scene = Scene::new();
    let options = SocketOptions::new().idle_timeout(Duration::from_millis(1));
    let (id, _peer) = scene.accepted(options, Recorder::new("socket"));
    scene.socket(id).release();
    scene.run_to_its_end();
}

// The turn whose deferred call was all that was left must not wait for what does not hold the loop.
#[test]
fn run_ends_after_a_deferred_call_that_was_all_that_was_left() {
    let mut scene = Scene::new();
    scene.event_loop.defer(|cx| note(cx, "alone"));
    scene.run_to_its_end();

    let (id, _peer) = scene.accepted(SocketOptions::new(), Recorder::new("socket"));
    scene.event_loop.defer(move |cx| {
        note(cx, "the last one lets go");
        cx.sockets.socket(id).release();
    });
    assert_short(|| scene.run_to_its_end());
    assert_eq!(scene.world.notes, ["alone", "the last one lets go"]);
    assert_eq!(scene.world.trace("socket"), "connect");
}

// libuv's tcp_ref2b.
#[test]
fn run_tells_the_close_of_what_does_not_keep_it_going() {
    let mut scene = Scene::new();
    let server = scene
        .event_loop
        .serve(
            loopback(),
            ListenOptions::new(),
            Reception::welcoming("idle server", |_, _| None),
        )
        .unwrap();
    let (id, _peer) = scene.accepted(SocketOptions::new(), Recorder::new("socket"));
    scene.socket(id).release();
    scene.event_loop.server(server).release();
    scene.event_loop.server(server).close();
    scene.socket(id).destroy();
    scene.run_to_its_end();
    assert_eq!(scene.world.trace("idle server"), "listening server-close");
    assert_eq!(scene.world.trace("socket"), "connect close:Local");
}

#[test]
fn run_tells_all_closes_before_it_ends() {
    let mut scene = Scene::new();
    for number in 0..50 {
        let (listener, address) = listener();
        let connecting = Recorder::new(format!("dialer {number}"));
        scene.event_loop.connect(address, connecting).unwrap();
        drop(listener);
    }
    scene.run_to_its_end();
    for number in 0..50 {
        let reason = scene.world.close_reason(&format!("dialer {number}"));
        assert!(reason.is_some(), "dialer {number}");
    }
}

// libuv's loop_stop.
#[test]
fn stop_lets_the_turn_finish_and_the_next_run_go_on() {
    let mut scene = Scene::new();
    let fired = Rc::new(Cell::new(0));
    let count = Rc::clone(&fired);
    let id = scene.event_loop.every(Duration::from_millis(2), move |cx| {
        count.set(count.get() + 1);
        if count.get() == 1 {
            cx.stop();
            cx.defer(|cx| note(cx, "not before the next run"));
        }
    });
    let unfinished = scene.event_loop.after(LONG, |_| {});
    scene.run_to_its_end();
    assert_eq!(fired.get(), 1);
    assert!(scene.world.notes.is_empty());
    assert!(scene.event_loop.is_alive());

    let ten = Rc::clone(&fired);
    scene.event_loop.every(Duration::from_millis(1), move |cx| {
        if ten.get() >= 10 {
            cx.stop();
        }
    });
    scene.run_to_its_end();
    assert!(fired.get() >= 10);
    assert_eq!(scene.world.notes, ["not before the next run"]);
    assert!(scene.event_loop.timer(id).cancel());
    assert!(scene.event_loop.timer(unfinished).cancel());
}

// libuv's loop_stop_before_run.
#[test]
fn a_stop_before_run_ends_that_run_at_once_and_no_later_one() {
    let mut scene = Scene::new();
    scene
        .event_loop
        .after(Duration::ZERO, |cx| note(cx, "timer"));
    scene.event_loop.stop();
    scene.run_to_its_end();
    assert!(scene.world.notes.is_empty());
    assert!(scene.event_loop.is_alive());
    scene.run_to_its_end();
    assert_eq!(scene.world.notes, ["timer"]);
}

// stop_mid_batch of README.md.
#[test]
fn a_stop_in_the_middle_of_a_batch_loses_no_event() {
    let mut scene = Scene::new();
    let (server, address) = scene.listen(ListenOptions::new(), |number| {
        Recorder::new(format!("socket {number}")).reacting(|cx, seen| {
            if matches!(seen, Seen::Data(_)) {
                cx.stop();
            }
        })
    });
    let mut peers: Vec<Peer> = (0..5).map(|_| Peer::connect(address)).collect();
    scene.drive_with("all connections", |scene| {
        scene.event_loop.server(server).connection_count() == 5
    });
    for peer in &mut peers {
        peer.write(b"x");
    }
    // Each run delivers at least the bytes at which it stops.
    for _ in 0..5 {
        scene.run_to_its_end();
        if (0..5).all(|number| scene.world.received(&format!("socket {number}")) == b"x") {
            return;
        }
    }
    panic!("an event was lost");
}

// A host that only turns never clears a stop by running.
#[test]
fn a_stop_does_not_keep_later_turns_from_waiting() {
    let mut scene = Scene::new();
    let (_, _peer) = scene.accepted(SocketOptions::new(), Recorder::new("socket"));
    scene.settle();
    scene.event_loop.stop();
    scene.turn();
    let begun = Instant::now();
    scene.turn_within(Wait::For(Duration::from_millis(20)));
    let waited = begun.elapsed();
    assert!(waited >= Duration::from_millis(20), "only {waited:?}");
}

#[test]
fn run_until_returns_at_its_deadline_busy_or_not() {
    let mut scene = Scene::new();
    for _ in 0..5 {
        let deadline = Instant::now() + Duration::from_millis(10);
        scene
            .event_loop
            .run_until(&mut scene.world, deadline)
            .unwrap();
        let late = Instant::now().checked_duration_since(deadline);
        assert!(late.is_some_and(|late| late < PATIENCE), "{late:?}");
    }
    // A deadline that has passed still gets what is there done.
    scene.event_loop.defer(|cx| note(cx, "done"));
    let past = Instant::now() - Duration::from_millis(1);
    scene.event_loop.run_until(&mut scene.world, past).unwrap();
    assert_eq!(scene.world.notes, ["done"]);
}

#[test]
fn run_until_ends_early_at_a_stop() {
    let mut scene = Scene::new();
    scene
        .event_loop
        .after(Duration::from_millis(1), |cx| cx.stop());
    let deadline = Instant::now() + PATIENCE;
    assert_short(|| {
        scene
            .event_loop
            .run_until(&mut scene.world, deadline)
            .unwrap();
    });
}
