//! The loop itself: the order of a turn, when `run` ends, stopping, deferred calls, other threads, dropping.
//!
//! The rules: libuv's tests of the loop, of references and of async handles; J, B12, D12; I1, I8, I12.

use std::cell::Cell;
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use netloop::{Budget, CloseReason, Flow, ListenOptions, LoopContext, SocketOptions, Wait};

use crate::support::{PATIENCE, Peer, Recorder, Scene, Seen, World, loopback, spend};

/// When a timer comes that is only there to wait for, which no test does.
pub(crate) const LONG: Duration = Duration::from_secs(60);

pub(crate) fn note(cx: &mut LoopContext<'_, World>, note: &str) {
    cx.shared.note(note);
}

/// Asserts that `wait` takes less than the patience of a test.
pub(crate) fn assert_short<R>(wait: impl FnOnce() -> R) -> R {
    let begun = Instant::now();
    let answer = wait();
    let took = begun.elapsed();
    assert!(took < PATIENCE, "it took {took:?}");
    answer
}

// ARCHITECTURE.md, the turn.
#[test]
fn the_phases_of_a_turn_come_in_their_order() {
    let mut scene = Scene::new();
    let noting = Recorder::new("socket").reacting(|cx, seen| match seen {
        Seen::Data(_) => {
            cx.shared.note("socket");
            cx.socket.destroy();
            cx.defer(|cx| note(cx, "deferred in the turn"));
        }
        Seen::Close(_) => cx.shared.note("close"),
        _ => {}
    });
    let (_, mut peer) = scene.accepted(SocketOptions::new(), noting);
    scene.settle();

    // All of it is due by the next turn, asked for in the opposite order.
    scene
        .event_loop
        .after(Duration::from_millis(1), |cx| note(cx, "timer"));
    peer.write(b"x");
    let remote = scene.event_loop.remote();
    remote.post(|cx| note(cx, "post")).unwrap();
    scene.event_loop.defer(|cx| note(cx, "deferred"));
    spend(Duration::from_millis(3));
    let turn = scene.turn();
    assert_eq!(
        scene.world.notes,
        ["deferred", "post", "socket", "timer", "close"]
    );
    assert_eq!(
        (turn.calls, turn.events, turn.timers, turn.closed),
        (2, 1, 1, 1)
    );
    assert!(turn.more && turn.alive, "a deferred call is left");

    let turn = scene.turn();
    assert_eq!(
        scene.world.notes.last().map(String::as_str),
        Some("deferred in the turn")
    );
    assert!(!turn.more && !turn.alive, "nothing is left");
}

// host_write_flush, and the flush before the poll.
#[test]
fn writes_of_a_deferred_call_leave_before_the_turns_wait() {
    let mut scene = Scene::new();
    let (id, mut peer) = scene.accepted(SocketOptions::new(), Recorder::new("socket"));
    scene.event_loop.defer(move |cx| {
        assert_eq!(cx.sockets.socket(id).write(b"first"), Flow::Open);
    });
    // The wait ends early only if the peer, which answers what it reads, has been sent something.
    let answering = thread::spawn(move || {
        let mut stream = peer_stream(&mut peer);
        let mut bytes = [0; 5];
        std::io::Read::read_exact(&mut stream, &mut bytes).unwrap();
        std::io::Write::write_all(&mut stream, &bytes).unwrap();
        stream
    });
    assert_short(|| {
        while scene.world.received("socket") != b"first" {
            scene.turn_within(Wait::For(PATIENCE));
        }
    });
    answering.join().unwrap();
}

fn peer_stream(peer: &mut Peer) -> std::net::TcpStream {
    let (_, placeholder) = Peer::pair();
    std::mem::replace(peer, placeholder).into_stream()
}

/// A flag that is up while user code is within an API call, or within a callback.
#[derive(Clone, Default)]
struct Within(Rc<Cell<bool>>);

impl Within {
    /// Does `work` with the flag up, and fails if it was up already: a callback within a callback.
    fn assert_not_nested<R>(&self, work: impl FnOnce() -> R) -> R {
        assert!(!self.0.replace(true), "a callback within another");
        let answer = work();
        self.0.set(false);
        answer
    }
}

// I1; libuv's callback_stack.
#[test]
fn no_callback_comes_within_a_call_or_another_callback() {
    let mut scene = Scene::new();
    let within = Within::default();
    let (server, address) = {
        let within = within.clone();
        scene.listen(ListenOptions::new(), move |number| {
            let within = within.clone();
            Recorder::new(format!("accepted {number}")).reacting(move |cx, seen| {
                within.assert_not_nested(|| {
                    if let Seen::Data(bytes) = seen {
                        assert_eq!(cx.socket.end_with(bytes), Flow::Open);
                        cx.socket.resume();
                    }
                });
            })
        })
    };
    let dialer = {
        let within = within.clone();
        Recorder::new("dialer").reacting(move |cx, seen| {
            within.clone().assert_not_nested(|| {
                if *seen == Seen::Connect {
                    assert_eq!(cx.socket.write(&vec![b'x'; 100_000]), Flow::Open);
                    cx.socket.pause();
                    cx.socket.resume();
                    let within = within.clone();
                    cx.after(Duration::ZERO, move |_| within.assert_not_nested(|| ()));
                    let nobody = (loopback().ip(), 1);
                    let failing = Recorder::new("failing");
                    let failing = cx.connect(nobody, failing).unwrap();
                    cx.socket.socket(failing).destroy();
                }
                if matches!(seen, Seen::Close(_)) {
                    cx.socket.destroy();
                    cx.socket.sockets().server(server).close();
                }
            });
        })
    };
    within.assert_not_nested(|| {
        scene.event_loop.connect(address, dialer).unwrap();
        scene.event_loop.flush(Budget::new());
    });
    let remote = scene.event_loop.remote();
    remote
        .post(|cx| {
            cx.shared.note("post");
            cx.defer(|cx| note(cx, "deferred"));
        })
        .unwrap();
    scene.run_to_its_end();
    assert_eq!(scene.world.notes, ["post", "deferred"]);
    assert_eq!(scene.world.trace("failing"), "close:Local");
    assert_eq!(
        scene.world.close_reason("dialer"),
        Some(CloseReason::Graceful)
    );
}

// libuv's run_nowait.
#[test]
fn a_turn_that_may_not_wait_returns_at_once_and_alive() {
    let mut scene = Scene::new();
    scene.event_loop.after(LONG, |_| {});
    let turn = assert_short(|| scene.turn());
    assert_eq!(turn.timers, 0);
    assert!(turn.alive && !turn.more);
}

// libuv's loop_update_time.
#[test]
fn the_time_of_the_loop_advances_with_each_turn() {
    let mut scene = Scene::new();
    let begun = scene.event_loop.now();
    while scene.event_loop.now() < begun + Duration::from_millis(20) {
        scene.turn();
        assert!(scene.event_loop.now() <= Instant::now());
    }
}

// calloop's dispatch_idle; libuv's queue_foreach_delete.
#[test]
fn deferred_calls_come_in_order_and_nested_ones_a_turn_later() {
    let mut scene = Scene::new();
    for name in ["first", "second"] {
        scene.event_loop.defer(move |cx| {
            note(cx, name);
            cx.defer(move |cx| note(cx, &format!("{name}, later")));
        });
    }
    let turn = scene.turn();
    assert_eq!(scene.world.notes, ["first", "second"]);
    assert!(turn.more);
    assert_eq!(scene.event_loop.poll_timeout(), Some(Duration::ZERO));
    scene.turn();
    assert_eq!(
        scene.world.notes[2..],
        ["first, later".to_owned(), "second, later".to_owned()]
    );
}
