//! Idle timeouts: what counts as activity, and what a timeout does (rules E).
//!
//! Real time, in small amounts. A test says that something did not come too early, or that it came at all. It never
//! says that it came soon.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use netloop::{CloseReason, Context, EventLoop, Flow, SocketHandler, SocketOptions, State};

use crate::support::{
    BlackHole, Disturbed, PATIENCE, Peer, Recorder, Scene, Seen, let_time_pass, listener,
    until_undisturbed_with_more_time,
};

pub(crate) const IDLE: Duration = Duration::from_millis(40);

pub(crate) fn idle(timeout: Duration) -> SocketOptions {
    SocketOptions::new().idle_timeout(timeout)
}

pub(crate) fn timeouts(scene: &Scene) -> usize {
    scene.world.count("us", "timeout")
}

pub(crate) fn drive_to_timeout(scene: &mut Scene) {
    scene.drive("the timeout", |world| world.has_seen("us", &Seen::Timeout));
}

// E1 (T30)
#[test]
fn it_runs_while_connecting_and_leaves_the_rest_to_the_handler() {
    let nobody = BlackHole::new();
    let mut scene = Scene::new();
    let giving_up = Recorder::new("us").reacting(|cx, seen| {
        if *seen == Seen::Timeout {
            assert_eq!(cx.socket.state(), State::Opening);
            cx.socket.destroy();
        }
    });
    let begun = Instant::now();
    scene
        .event_loop
        .connect_with(nobody.address(), idle(IDLE), giving_up)
        .unwrap();
    scene.drive_to_close("us");
    assert!(begun.elapsed() >= IDLE);
    assert_eq!(scene.world.trace("us"), "timeout close:TimedOut");
}

// E1
#[test]
fn the_connection_restarts_it() {
    let mut scene = Scene::new();
    let (_listener, address) = listener();
    let connected = Rc::new(Cell::new(None));
    let looking = {
        let connected = Rc::clone(&connected);
        Recorder::new("us").reacting(move |_, seen| {
            if *seen == Seen::Connect {
                connected.set(Some(Instant::now()));
            }
        })
    };
    scene
        .event_loop
        .connect_with(address, idle(IDLE), looking)
        .unwrap();
    // The loop hears late of the connection, which is there long since.
    let_time_pass(IDLE / 2);
    drive_to_timeout(&mut scene);
    assert_eq!(scene.world.trace("us"), "connect timeout");
    assert!(connected.get().unwrap().elapsed() >= IDLE);
}

// E1
#[test]
fn it_runs_while_paused_and_after_our_own_end() {
    let mut scene = Scene::new();
    let (id, _peer) = scene.accepted(idle(IDLE).pause_on_connect(true), Recorder::new("us"));
    drive_to_timeout(&mut scene);
    assert_eq!(scene.world.trace("us"), "connect timeout");
    scene.world.log.clear();
    scene.socket(id).end();
    let begun = Instant::now();
    scene.socket(id).set_idle_timeout(IDLE);
    drive_to_timeout(&mut scene);
    assert!(begun.elapsed() >= IDLE);
    assert_eq!(scene.socket(id).state(), State::ReadOnly);
}

// E2
#[test]
fn bytes_in_either_direction_put_it_off() {
    until_undisturbed_with_more_time(|stretch| {
        let idle_time = IDLE * stretch;
        let mut scene = Scene::new();
        let mut last = Instant::now();
        let (id, mut peer) = scene.accepted(idle(idle_time), Recorder::new("us"));
        for round in 0..8 {
            scene.let_pass(idle_time / 4);
            if last.elapsed() >= idle_time {
                return Disturbed::Yes;
            }
            assert_eq!(timeouts(&scene), 0, "round {round}");
            last = Instant::now();
            if round % 2 == 0 {
                peer.write(b".");
            } else {
                let _ = scene.socket(id).write(b".");
            }
            scene.turn();
        }
        drive_to_timeout(&mut scene);
        assert!(last.elapsed() >= idle_time, "counted from the last byte");
        Disturbed::No
    });
}

// E2
#[test]
fn pauses_and_options_are_not_activity() {
    let mut scene = Scene::new();
    let (id, _peer) = scene.accepted(idle(IDLE), Recorder::new("us"));
    scene.drive_with("the timeout", |scene| {
        let mut socket = scene.socket(id);
        socket.pause();
        socket.resume();
        socket.set_no_delay(true).unwrap();
        socket.hold();
        let _ = socket.write(b"");
        timeouts(scene) > 0
    });
}

// E2
#[test]
fn writes_that_are_queued_while_connecting_are_not_activity() {
    let nobody = BlackHole::new();
    let mut scene = Scene::new();
    let id = scene
        .event_loop
        .connect_with(nobody.address(), idle(IDLE), Recorder::new("us"))
        .unwrap();
    scene.drive_with("the timeout", |scene| {
        let _ = scene.socket(id).write(b".");
        timeouts(scene) > 0
    });
}

// E3 (T28)
#[test]
fn it_comes_once_until_the_next_byte() {
    let mut scene = Scene::new();
    let (id, mut peer) = scene.accepted(idle(IDLE), Recorder::new("us"));
    drive_to_timeout(&mut scene);
    scene.let_pass(3 * IDLE);
    assert_eq!(scene.world.trace("us"), "connect timeout");
    assert!(!scene.socket(id).is_destroyed(), "nothing was closed");

    let active = Instant::now();
    peer.write(b".");
    scene.drive("the second timeout", |world| {
        world.count("us", "timeout") == 2
    });
    assert!(active.elapsed() >= IDLE);

    let active = Instant::now();
    let _ = scene.socket(id).write(b".");
    scene.drive("the third timeout", |world| {
        world.count("us", "timeout") == 3
    });
    assert!(active.elapsed() >= IDLE);
    assert_eq!(
        scene.world.trace("us"),
        "connect timeout data:. timeout timeout"
    );
}

// E4: in Node it may take twice as long.
#[test]
fn a_stalled_write_is_not_activity() {
    let mut scene = Scene::new();
    let (id, _peer) = scene.accepted(idle(IDLE), Recorder::new("us"));
    assert_eq!(scene.socket(id).write(&[0; 8 << 20]), Flow::Full);
    scene.drive_with("the timeout", |scene| {
        // More that the kernel does not take is not activity either.
        let _ = scene.socket(id).write(b"more");
        timeouts(scene) > 0
    });
    assert!(scene.socket(id).queued_bytes() > 0);
}

// E4
#[test]
fn a_reader_that_trickles_never_times_out() {
    until_undisturbed_with_more_time(|stretch| {
        let timeout = Duration::from_millis(150) * stretch;
        let mut scene = Scene::new();
        let (ours, mut peer) = Peer::pair_with_small_sender();
        let id = scene
            .event_loop
            .adopt(ours, idle(timeout), Recorder::new("us"))
            .unwrap();
        scene.begin_filters(id, &mut peer);
        assert_eq!(scene.socket(id).write(&[0; 4 << 20]), Flow::Full);
        let begun = Instant::now();
        let mut moved = begun;
        let mut queued = scene.socket(id).queued_bytes();
        while begun.elapsed() < 3 * timeout {
            // A few kilobytes each time.
            let before = Instant::now();
            let _ = peer.read_some(16 << 10);
            scene.let_pass(timeout / 30);
            if moved.elapsed() >= timeout {
                return Disturbed::Yes;
            }
            if scene.socket(id).queued_bytes() < queued {
                queued = scene.socket(id).queued_bytes();
                // The bytes have moved since then: the machine may have held the thread up behind them.
                moved = before;
            }
            assert_eq!(timeouts(&scene), 0);
        }
        assert!(queued > 0, "it is still being written");
        Disturbed::No
    });
}

// E5
#[test]
fn none_and_zero_switch_it_off_and_a_new_one_begins_anew() {
    let mut scene = Scene::new();
    let (id, _peer) = scene.accepted(idle(IDLE), Recorder::new("us"));
    assert_eq!(scene.socket(id).idle_timeout(), Some(IDLE));
    for off in [None, Some(Duration::ZERO)] {
        scene.socket(id).set_idle_timeout(IDLE);
        scene.socket(id).set_idle_timeout(off);
        assert_eq!(scene.socket(id).idle_timeout(), None);
        scene.let_pass(2 * IDLE);
        assert_eq!(scene.world.trace("us"), "connect");
    }
    scene.socket(id).set_idle_timeout(Duration::from_secs(3600));
    scene.turn();
    let begun = Instant::now();
    scene.socket(id).set_idle_timeout(IDLE);
    drive_to_timeout(&mut scene);
    assert!(begun.elapsed() >= IDLE);
}

// E5
#[test]
fn a_timeout_of_zero_in_the_options_means_never() {
    let mut scene = Scene::new();
    let (id, _peer) = scene.accepted(idle(Duration::ZERO), Recorder::new("us"));
    scene.let_pass(IDLE);
    assert_eq!(scene.socket(id).idle_timeout(), None);
    assert_eq!(scene.world.trace("us"), "connect");
}

// E5, reliability E1
#[test]
fn the_longest_of_all_timeouts_is_harmless() {
    let mut scene = Scene::new();
    let (id, mut peer) = scene.accepted(idle(Duration::MAX), Recorder::new("us"));
    peer.write(b".");
    scene.drive("a byte", |world| world.received("us") == b".");
    scene.socket(id).set_idle_timeout(Duration::MAX);
    scene.settle();
    assert_eq!(scene.world.trace("us"), "connect data:.");
}

// E5
#[test]
fn a_destroyed_socket_has_no_timeout() {
    let mut scene = Scene::new();
    let (id, _peer) = scene.accepted(SocketOptions::new(), Recorder::new("us"));
    scene.socket(id).set_idle_timeout(Duration::from_millis(1));
    scene.socket(id).destroy();
    scene.socket(id).set_idle_timeout(Duration::from_millis(1));
    let_time_pass(Duration::from_millis(5));
    scene.drive_to_close("us");
    scene.socket(id).set_idle_timeout(Duration::from_millis(1));
    scene.let_pass(Duration::from_millis(5));
    assert_eq!(scene.world.trace("us"), "connect close:Local");
}

// E6
#[test]
fn it_does_not_keep_the_loop_alive() {
    let mut scene = Scene::new();
    let (id, _peer) = scene.accepted(idle(PATIENCE), Recorder::new("us"));
    scene.socket(id).release();
    let begun = Instant::now();
    scene.event_loop.run(&mut scene.world).unwrap();
    assert!(begun.elapsed() < PATIENCE);
    assert_eq!(scene.world.trace("us"), "connect");
}

/// A handler that forgets about timeouts.
struct Forgetful;

impl SocketHandler<Vec<String>> for Forgetful {
    fn on_data(&mut self, _: &mut Context<'_, Vec<String>>, _: &[u8]) {}
    fn on_error(&mut self, cx: &mut Context<'_, Vec<String>>, _: &netloop::Error) {
        cx.shared.push("error".into());
    }
    fn on_close(&mut self, cx: &mut Context<'_, Vec<String>>, reason: CloseReason) {
        cx.shared.push(format!("{reason:?}"));
    }
}

// E3, DEVIATE: Node only tells, and sockets whose owner forgot about it leak.
#[test]
fn by_default_it_destroys_with_timed_out_and_no_error() {
    let mut event_loop = EventLoop::new().unwrap();
    let (ours, _peer) = Peer::pair();
    event_loop.adopt(ours, idle(IDLE), Forgetful).unwrap();
    let mut log = Vec::new();
    let begun = Instant::now();
    event_loop.run(&mut log).unwrap();
    assert!(begun.elapsed() >= IDLE);
    assert_eq!(log, ["TimedOut"]);
}
