//! The limits on the time of a peer: the first byte, the FIN, and the half-open connection (D4, D5, F3). And the order in
//! which options and limits count.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use netloop::{
    CloseReason, EventLoop, EventLoopOptions, Flow, KeepAlive, Limits, ListenOptions, SocketId,
    SocketOptions, State,
};

use crate::support::{
    Disturbed, Peer, PeerEnd, Recorder, Scene, World, spend, until_undisturbed_with_more_time,
};

pub(crate) const LIMIT: Duration = Duration::from_millis(60);

pub(crate) fn limited(limits: Limits) -> Scene {
    let options = EventLoopOptions::new().limits(limits);
    Scene {
        event_loop: EventLoop::with_options(options).unwrap(),
        world: World::default(),
    }
}

/// No limit, to which a test adds its own.
pub(crate) fn none() -> Limits {
    Limits::unlimited()
}

fn accepted(scene: &mut Scene) -> (SocketId, Peer) {
    scene.accepted(SocketOptions::new(), Recorder::new("us"))
}

pub(crate) fn adopted(scene: &mut Scene) -> (SocketId, Peer) {
    scene.adopted(SocketOptions::new(), Recorder::new("us"))
}

/// Asserts that the limit `name` has closed the socket, at `begun` plus [`LIMIT`] or later.
#[track_caller]
pub(crate) fn assert_limited(scene: &Scene, name: &str, begun: Instant) {
    assert!(begun.elapsed() >= LIMIT, "never early (I8)");
    assert!(
        scene
            .world
            .trace("us")
            .ends_with("error:ETIMEDOUT close:TimedOut"),
        "{}",
        scene.world.trace("us")
    );
    let error = scene.world.error("us");
    assert!(error.to_string().contains(name), "{error}");
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
}

#[test]
fn an_option_counts_before_its_server_and_that_before_the_loop() {
    let seconds = Duration::from_secs;
    let of_loop = none()
        .max_queued_bytes(1)
        .close_timeout(seconds(1))
        .idle_timeout(seconds(1))
        .keep_alive(KeepAlive::after(seconds(1)));
    let of_server = none()
        .max_queued_bytes(2)
        .close_timeout(seconds(2))
        .idle_timeout(seconds(2))
        .keep_alive(KeepAlive::after(seconds(2)));
    let of_options = SocketOptions::new()
        .max_queued_bytes(3)
        .close_timeout(None)
        .idle_timeout(None)
        .keep_alive(None);
    let told = |scene: &mut Scene, id| {
        let socket = scene.socket(id);
        let keep_alive = socket.keep_alive().and_then(|it| it.idle());
        let times = [socket.close_timeout(), socket.idle_timeout(), keep_alive];
        (socket.max_queued_bytes(), times)
    };
    for (options, expected) in [
        (ListenOptions::new(), (1, [Some(seconds(1)); 3])),
        (
            ListenOptions::new().limits(of_server.clone()),
            (2, [Some(seconds(2)); 3]),
        ),
        (
            ListenOptions::new()
                .limits(of_server)
                .socket(of_options.clone()),
            (3, [None; 3]),
        ),
    ] {
        let mut scene = limited(of_loop.clone());
        let (_, address) = scene.listen(options, |_| Recorder::new("us"));
        // A socket that connects has no server.
        let id = scene.connect(address, SocketOptions::new(), Recorder::new("other"));
        assert_eq!(told(&mut scene, id), (1, [Some(seconds(1)); 3]));
        scene.drive_until("us", "connect");
        let accepted = scene.world.id("us");
        assert_eq!(told(&mut scene, accepted), expected);
        let id = scene.connect(address, of_options.clone(), Recorder::new("other"));
        assert_eq!(told(&mut scene, id), (3, [None; 3]));
        let (id, _peer) = scene.adopted(SocketOptions::new(), Recorder::new("other"));
        assert_eq!(told(&mut scene, id), (1, [Some(seconds(1)); 3]));
    }
}

#[test]
fn a_keep_alive_of_the_limits_is_checked_like_an_option() {
    let limits = none().keep_alive(KeepAlive::new().probes(128));
    let options = EventLoopOptions::new().limits(limits.clone());
    let error = EventLoop::<()>::with_options(options).unwrap_err();
    assert_eq!(error.code(), "ERR_INVALID_ARGUMENT");
    let mut scene = Scene::new();
    let options = ListenOptions::new().limits(limits);
    let listened = scene
        .event_loop
        .listen_with("127.0.0.1:0", options, |_, _| Recorder::new("us"));
    assert_eq!(listened.unwrap_err().code(), "ERR_INVALID_ARGUMENT");
}

// Reliability F3
#[test]
fn an_accepted_peer_that_says_nothing_is_closed() {
    for is_paused in [false, true] {
        let mut scene = limited(none().first_byte_timeout(LIMIT));
        let begun = Instant::now();
        let options = SocketOptions::new().pause_on_connect(is_paused);
        let (_, mut peer) = scene.accepted(options, Recorder::new("us"));
        scene.drive_to_close("us");
        assert_limited(&scene, "first_byte_timeout", begun);
        assert_eq!(
            scene.world.trace("us"),
            "connect error:ETIMEDOUT close:TimedOut"
        );
        // This side has not ended, so the peer must not take a part for the whole.
        assert_eq!(scene.peer_reads_to_end(&mut peer).end, PeerEnd::Reset);
        assert_eq!(scene.event_loop.statistics().timed_out_first_bytes, 1);
    }
}

#[test]
fn a_first_byte_is_enough_also_for_a_paused_socket() {
    for is_paused in [false, true] {
        let mut scene = limited(none().first_byte_timeout(2 * LIMIT));
        let options = SocketOptions::new().pause_on_connect(is_paused);
        let (id, mut peer) = scene.accepted(options, Recorder::new("us"));
        peer.write(b"!");
        scene.let_pass(5 * LIMIT);
        assert!(!scene.world.has("us", "close"));
        scene.socket(id).resume();
        scene.drive_until("us", "data");
    }
}

#[test]
fn a_first_byte_is_asked_of_accepted_peers_only() {
    let mut scene = limited(none().first_byte_timeout(LIMIT));
    let (_, address) = scene.listen(ListenOptions::new().limits(none()), |_| {
        Recorder::new("unlimited")
    });
    scene.connect(address, SocketOptions::new(), Recorder::new("connected"));
    let (_, _peer) = adopted(&mut scene);
    scene.let_pass(3 * LIMIT);
    for name in ["us", "connected", "unlimited"] {
        assert!(!scene.world.has(name, "close"), "{name}");
    }
}

// A server that speaks alone and ends: then the peer's end is waited for.
#[test]
fn behind_our_end_no_first_byte_is_asked_for() {
    let mut scene = limited(none().first_byte_timeout(LIMIT));
    let (id, peer) = accepted(&mut scene);
    let _ = scene.socket(id).end_with(b"12:00\n");
    scene.let_pass(3 * LIMIT);
    assert_eq!(scene.socket(id).state(), State::ReadOnly);
    peer.half_close();
    scene.drive_to_close("us");
    assert_eq!(scene.world.close_reason("us"), Some(CloseReason::Graceful));
}

// Reliability D5: the close timeout alone is put off by a peer that sends on.
#[test]
fn nothing_extends_the_linger_timeout() {
    let mut scene = limited(none().linger_timeout(LIMIT).close_timeout(LIMIT));
    let (id, mut peer) = accepted(&mut scene);
    scene.settle();
    let begun = Instant::now();
    scene.socket(id).end();
    scene.drive_with("the close", |scene| {
        let _ = peer.try_write(&[0; 4096]);
        scene.world.has("us", "close")
    });
    assert!(begun.elapsed() >= LIMIT, "never early (I8)");
    assert_eq!(scene.world.close_reason("us"), Some(CloseReason::TimedOut));
    assert_eq!(scene.world.count("us", "error"), 0);
    assert_eq!(scene.event_loop.statistics().timed_out_closes, 1);
}

#[test]
fn the_linger_timeout_rests_in_a_pause_and_counts_on() {
    let mut scene = limited(none().linger_timeout(2 * LIMIT).close_timeout(None));
    let (id, mut peer) = accepted(&mut scene);
    peer.write(b"unread");
    scene.socket(id).pause();
    scene.socket(id).end();
    scene.let_pass(4 * LIMIT);
    assert!(!scene.world.has("us", "close"));
    let resumed = Instant::now();
    scene.socket(id).resume();
    scene.drive_with("the close", |scene| {
        // Further pauses neither begin it anew nor end it early.
        scene.socket(id).pause();
        let _ = peer.try_write(b".");
        scene.socket(id).resume();
        scene.world.has("us", "close")
    });
    assert!(resumed.elapsed() >= 2 * LIMIT, "never early (I8)");
    assert_eq!(scene.world.close_reason("us"), Some(CloseReason::TimedOut));
}

#[test]
fn a_queue_before_the_fin_is_no_time_of_the_linger_timeout() {
    let mut scene = limited(none().linger_timeout(LIMIT));
    let (id, mut peer) = adopted(&mut scene);
    assert_eq!(scene.socket(id).write(&[0; 1 << 20]), Flow::Full);
    scene.socket(id).end();
    scene.let_pass(2 * LIMIT);
    assert!(!scene.world.has("us", "close"));
    scene.peer_reads(&mut peer, 1 << 20);
    scene.drive_to_close("us");
    assert_eq!(scene.world.trace("us"), "close:TimedOut");
}

// Reliability D4
#[test]
fn a_half_open_socket_that_sends_nothing_is_closed() {
    let mut scene = limited(none().half_open_timeout(LIMIT));
    let options = SocketOptions::new().allow_half_open(true);
    let (_, peer) = scene.accepted(options, Recorder::new("us"));
    scene.settle();
    let begun = Instant::now();
    peer.half_close();
    scene.drive_to_close("us");
    assert_limited(&scene, "half_open_timeout", begun);
    assert_eq!(
        scene.world.trace("us"),
        "connect end error:ETIMEDOUT close:TimedOut"
    );
    assert_eq!(scene.event_loop.statistics().timed_out_half_open, 1);
}

#[test]
fn bytes_that_are_sent_put_the_half_open_timeout_off() {
    until_undisturbed_with_more_time(|stretch| {
        let limit = LIMIT * stretch;
        let mut scene = limited(none().half_open_timeout(limit));
        let options = SocketOptions::new().allow_half_open(true);
        let (id, peer) = scene.accepted(options, Recorder::new("us"));
        peer.half_close();
        scene.drive_until("us", "end");
        let mut last = Instant::now();
        for _ in 0..8 {
            scene.let_pass(limit / 3);
            if last.elapsed() >= limit {
                return Disturbed::Yes;
            }
            last = Instant::now();
            scene.socket(id).write(b".").ignore();
            scene.turn();
        }
        assert!(!scene.world.has("us", "close"));
        scene.drive_to_close("us");
        assert!(last.elapsed() >= limit, "counted from the last byte");
        Disturbed::No
    });
}

// A short write waits for the flush, and a long one is offered to the kernel at once.
#[test]
fn bytes_behind_the_callback_of_another_count_from_then() {
    for length in [1, 20 << 10] {
        until_undisturbed_with_more_time(|stretch| {
            let limit = LIMIT * stretch;
            let mut scene = limited(none().half_open_timeout(limit));
            let options = SocketOptions::new().allow_half_open(true);
            let (id, peer) = scene.accepted(options, Recorder::new("us"));
            peer.half_close();
            scene.drive_until("us", "end");
            let sent = Rc::new(Cell::new(None));
            let sets = Rc::clone(&sent);
            scene.event_loop.after(limit / 6, move |cx| {
                spend(limit / 2);
                cx.sockets.socket(id).write(&vec![7; length]).ignore();
                sets.set(Some(Instant::now()));
            });
            scene.drive_to_close("us");
            let Some(sent) = sent.get() else {
                return Disturbed::Yes;
            };
            assert!(sent.elapsed() >= limit, "after {:?}", sent.elapsed());
            Disturbed::No
        });
    }
}

#[test]
fn a_socket_without_half_open_meets_no_half_open_timeout() {
    let mut scene = limited(none().half_open_timeout(LIMIT));
    let (_, peer) = accepted(&mut scene);
    peer.half_close();
    scene.drive_to_close("us");
    assert_eq!(scene.world.trace("us"), "connect end close:Graceful");
}
