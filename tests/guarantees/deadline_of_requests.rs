//! The deadline that a program sets for a socket, and that no byte extends (F3).

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use netloop::{CloseReason, Limits, SocketOptions};

use crate::support::{
    BlackHole, Disturbed, Peer, PeerEnd, Recorder, Records, Scene, Seen, spend,
    until_undisturbed_with_more_time,
};

const TIME: Duration = Duration::from_millis(60);

// Field report 4.2: every other timeout is extended by activity.
#[test]
fn no_byte_extends_a_deadline() {
    let mut scene = Scene::new();
    let (id, mut peer) = scene.accepted(SocketOptions::new(), Recorder::new("us"));
    let begun = Instant::now();
    scene.socket(id).set_deadline(TIME);
    let told = scene.socket(id).deadline().unwrap();
    assert!(told >= begun + TIME && told <= Instant::now() + TIME + Duration::from_millis(2));
    scene.drive_with("the close", |scene| {
        if !scene.world.has("us", "close") {
            let _ = peer.try_write(b".");
            scene.socket(id).write(b".").ignore();
        }
        scene.world.has("us", "close")
    });
    assert!(begun.elapsed() >= TIME, "never early (I8)");
    assert!(
        scene
            .world
            .trace("us")
            .ends_with("error:ETIMEDOUT close:TimedOut")
    );
    let error = scene.world.error("us").to_string();
    assert!(error.contains("deadline"), "{error}");
    assert_eq!(scene.peer_reads_to_end(&mut peer).end, PeerEnd::Reset);
    assert_eq!(scene.event_loop.statistics().timed_out_deadlines, 1);
}

#[test]
fn a_deadline_can_be_lifted_and_replaced() {
    let mut scene = Scene::new();
    let (id, _peer) = scene.accepted(SocketOptions::new(), Recorder::new("us"));
    scene.socket(id).set_deadline(TIME);
    scene.socket(id).set_deadline(None);
    assert_eq!(scene.socket(id).deadline(), None);
    scene.let_pass(2 * TIME);
    assert!(!scene.world.has("us", "close"));
    scene.socket(id).set_deadline(Duration::from_secs(3600));
    let begun = Instant::now();
    scene.socket(id).set_deadline(TIME);
    scene.socket(id).set_deadline(2 * TIME);
    scene.drive_to_close("us");
    assert!(begun.elapsed() >= 2 * TIME, "the last call counts");
    scene.socket(id).set_deadline(TIME);
    assert_eq!(
        scene.socket(id).deadline(),
        None,
        "of a socket that is gone"
    );
}

#[test]
fn a_server_gives_each_request_its_own_time() {
    until_undisturbed_with_more_time(|stretch| {
        let time = TIME * stretch;
        let mut scene = Scene::new();
        let renewing = Recorder::new("us").on("data", move |cx, _| cx.socket.set_deadline(time));
        let (_, mut peer) = scene.accepted(SocketOptions::new(), renewing);
        // A deadline is set as early as its request is written, and the next as late as the loop is left.
        let mut written = Instant::now();
        for _ in 0..8 {
            let before = std::mem::replace(&mut written, Instant::now());
            peer.write(b"request");
            scene.let_pass(time / 6);
            if before.elapsed() >= time {
                return Disturbed::Yes;
            }
            assert!(!scene.world.has("us", "close"));
        }
        scene.drive_to_close("us");
        Disturbed::No
    });
}

#[test]
fn a_deadline_counts_while_connecting() {
    let nobody = BlackHole::new();
    let mut scene = Scene::new();
    let begun = Instant::now();
    let id = scene.connect(nobody.address(), SocketOptions::new(), Recorder::new("us"));
    scene.socket(id).set_deadline(TIME);
    scene.drive_to_close("us");
    assert!(begun.elapsed() >= TIME, "never early (I8)");
    assert_eq!(
        scene.world.trace("us"),
        "error:ETIMEDOUT close:TimedOut",
        "no answer can be sent"
    );
}

#[test]
fn a_deadline_outlives_the_connect_and_a_new_handler() {
    let mut scene = Scene::new();
    let (_listener, address) = crate::support::listener();
    let id = scene.connect(address, SocketOptions::new(), Recorder::new("old"));
    scene.socket(id).set_deadline(2 * TIME);
    scene.drive_until("old", "connect");
    let mut cx = scene.event_loop.context(&mut scene.world);
    assert!(cx.replace_handler(id, Recorder::new("new"), b""));
    scene.drive_to_close("new");
    assert_eq!(
        scene.world.trace("new"),
        "deadline error:ETIMEDOUT close:TimedOut"
    );
}

#[test]
fn a_deadline_counts_for_a_paused_socket() {
    let mut scene = Scene::new();
    let options = SocketOptions::new().pause_on_connect(true);
    let (id, mut peer) = scene.accepted(options, Recorder::new("us"));
    peer.write(b"unread");
    scene.socket(id).set_deadline(TIME);
    scene.drive_to_close("us");
    assert_eq!(
        scene.world.trace("us"),
        "connect deadline error:ETIMEDOUT close:TimedOut"
    );
}

// I8
#[test]
fn a_deadline_set_late_in_a_callback_counts_from_the_call() {
    let mut scene = Scene::new();
    let slow = Recorder::new("us").on("data", |cx, _| {
        spend(2 * TIME);
        let begun = Instant::now();
        cx.socket.set_deadline(TIME);
        assert!(cx.socket.deadline().unwrap() >= begun + TIME);
    });
    let (_, mut peer) = scene.accepted(SocketOptions::new(), slow);
    peer.write(b"?");
    scene.drive_to_close("us");
    let closed = scene.world.time_of("us", "close");
    let data = scene.world.time_of("us", "data");
    assert!(closed - data >= 3 * TIME - Duration::from_millis(1));
}

// I8; reliability E2
#[test]
fn a_request_that_came_in_time_lifts_its_deadline() {
    let mut scene = Scene::new();
    let lifting = Recorder::new("us").on("data", |cx, _| cx.socket.set_deadline(None));
    let (id, mut peer) = scene.accepted(SocketOptions::new(), lifting);
    scene.socket(id).set_deadline(TIME);
    peer.write(b"request");
    // The process does not run.
    spend(3 * TIME);
    scene.let_pass(TIME);
    assert_eq!(scene.world.trace("us"), "connect data:request");
}

#[test]
fn a_deadline_reports_a_failure_that_is_held() {
    let mut scene = Scene::new();
    let options = SocketOptions::new().unread_timeout(None);
    let (id, mut peer) = scene.accepted(options, Recorder::new("us"));
    scene.settle();
    scene.socket(id).pause();
    peer.write(b"unread");
    scene.socket(id).set_deadline(4 * TIME);
    peer.reset();
    scene.drive_to_close("us");
    let ends = [
        "error:ECONNRESET close:Reset",
        "error:ETIMEDOUT close:TimedOut",
    ];
    // Where the kernel drops received bytes at a reset, the failure is not held.
    let trace = scene.world.trace("us");
    assert!(trace.ends_with(ends[0]), "{trace}");
}

#[test]
fn a_deadline_keeps_no_loop_going() {
    let mut scene = Scene::new();
    let (id, _peer) = scene.accepted(SocketOptions::new(), Recorder::new("us"));
    scene.socket(id).set_deadline(Duration::from_secs(3600));
    scene.socket(id).release();
    scene.drive_to_exit();
    assert!(
        !scene
            .world
            .has_seen("us", &Seen::Close(CloseReason::TimedOut))
    );
}

// The whole of a limit is optional: with none, the deadline is the only one.
#[test]
fn the_nearest_of_many_deadlines_decides() {
    let far = Duration::from_secs(3600);
    let limits = Limits::internet()
        .first_byte_timeout(far)
        .idle_timeout(far)
        .write_stall_timeout(far);
    let mut scene = super::time_limits::limited(limits);
    let (id, _peer) = scene.accepted(SocketOptions::new(), Recorder::new("us"));
    scene.socket(id).expect_bytes(true);
    scene.socket(id).set_deadline(TIME);
    scene.drive_to_close("us");
    assert_eq!(scene.event_loop.statistics().timed_out_deadlines, 1);
}

/// The text that a handler sends at a deadline.
const ANSWER: &[u8] = b"408";

/// A handler that acts so at its first deadline.
fn answering(act: impl Fn(&mut netloop::Context<'_, crate::support::World>) + 'static) -> Recorder {
    let mut is_first = true;
    Recorder::new("us").on("deadline", move |cx, _| {
        if std::mem::take(&mut is_first) {
            act(cx);
        }
    })
}

#[test]
fn a_handler_may_send_a_last_answer_at_its_deadline() {
    let mut scene = Scene::new();
    let ending = answering(|cx| cx.socket.end_with(ANSWER).ignore());
    let (id, mut peer) = scene.accepted(SocketOptions::new(), ending);
    peer.write(b"half a req");
    scene.socket(id).set_deadline(TIME);
    let received = scene.peer_reads_to_end(&mut peer);
    assert_eq!((&received.bytes[..], received.end), (ANSWER, PeerEnd::Fin));
    assert_eq!(scene.socket(id).deadline(), None);
    peer.half_close();
    scene.drive_to_close("us");
    assert_eq!(
        scene.world.trace("us"),
        "connect data:half a req deadline end close:Graceful"
    );
    assert_eq!(scene.event_loop.statistics().timed_out_deadlines, 0);
}

#[test]
fn an_answer_without_an_end_saves_no_socket() {
    let mut scene = Scene::new();
    let writing = answering(|cx| cx.socket.write(ANSWER).ignore());
    let (id, mut peer) = scene.accepted(SocketOptions::new(), writing);
    scene.socket(id).set_deadline(TIME);
    scene.drive_to_close("us");
    assert_eq!(
        scene.world.trace("us"),
        "connect deadline error:ETIMEDOUT close:TimedOut"
    );
    let received = scene.peer_reads_to_end(&mut peer);
    assert_eq!(received.end, PeerEnd::Reset);
    if cfg!(target_os = "linux") {
        // The answer left before the reset, which takes no arrived byte away.
        assert_eq!(received.bytes, ANSWER);
    }
    assert_eq!(scene.event_loop.statistics().timed_out_deadlines, 1);
}

// The answer meets the reset, and the deadline is the cause of the close all the same.
#[test]
fn an_answer_that_fails_leaves_the_error_of_the_deadline() {
    let mut scene = Scene::new();
    let resetting = Rc::new(RefCell::new(None::<Peer>));
    let writing = {
        let resetting = Rc::clone(&resetting);
        answering(move |cx| {
            resetting.take().unwrap().reset();
            cx.socket.write(ANSWER).ignore();
        })
    };
    let (id, peer) = scene.accepted(SocketOptions::new(), writing);
    resetting.replace(Some(peer));
    scene.socket(id).set_deadline(TIME);
    scene.drive_to_close("us");
    assert_eq!(
        scene.world.trace("us"),
        "connect deadline error:ETIMEDOUT close:TimedOut"
    );
}

// The close timeout and the linger timeout are off, and the peer never ends.
#[test]
fn no_byte_extends_the_deadline_of_a_last_answer() {
    let mut scene = Scene::new();
    let limiting = answering(|cx| {
        cx.socket.end_with(ANSWER).ignore();
        cx.socket.set_deadline(TIME);
    });
    let options = SocketOptions::new().close_timeout(None);
    let (id, mut peer) = scene.accepted(options, limiting);
    let begun = Instant::now();
    scene.socket(id).set_deadline(TIME);
    scene.drive_with("the close", |scene| {
        if !scene.world.has("us", "close") {
            let _ = peer.try_write(b".");
        }
        scene.world.has("us", "close")
    });
    assert!(begun.elapsed() >= 2 * TIME, "never early (I8)");
    assert_eq!(
        scene.world.count("us", "deadline"),
        1,
        "the second is final"
    );
    let trace = scene.world.trace("us");
    assert!(trace.ends_with("error:ETIMEDOUT close:TimedOut"), "{trace}");
}

#[test]
fn a_handler_may_set_another_deadline_or_lift_it() {
    let mut scene = Scene::new();
    let extending = answering(|cx| cx.socket.set_deadline(TIME));
    let (id, _peer) = scene.accepted(SocketOptions::new(), extending);
    let begun = Instant::now();
    scene.socket(id).set_deadline(TIME);
    scene.drive_to_close("us");
    assert!(begun.elapsed() >= 2 * TIME, "never early (I8)");
    assert_eq!(
        scene.world.trace("us"),
        "connect deadline deadline error:ETIMEDOUT close:TimedOut"
    );

    let mut scene = Scene::new();
    let lifting = answering(|cx| cx.socket.set_deadline(None));
    let (id, _peer) = scene.accepted(SocketOptions::new(), lifting);
    scene.socket(id).set_deadline(TIME);
    scene.drive_until("us", "deadline");
    scene.let_pass(TIME);
    assert_eq!(scene.world.trace("us"), "connect deadline");
}

#[test]
fn a_socket_destroyed_at_its_deadline_has_timed_out() {
    let mut scene = Scene::new();
    let destroying = answering(|cx| cx.socket.destroy());
    let (id, _peer) = scene.accepted(SocketOptions::new(), destroying);
    scene.socket(id).set_deadline(TIME);
    scene.drive_to_close("us");
    assert_eq!(scene.world.trace("us"), "connect deadline close:TimedOut");
}

#[test]
fn a_deadline_in_a_pipe_cuts_both_peers_short() {
    for destroys in [false, true] {
        let mut scene = Scene::new();
        let acting = answering(move |cx| {
            if destroys {
                cx.socket.destroy();
            }
        });
        let (a, mut peer_a) = scene.accepted(SocketOptions::new(), acting);
        let (b, mut peer_b) = scene.accepted(SocketOptions::new(), Recorder::new("b"));
        let mut cx = scene.event_loop.context(&mut scene.world);
        assert!(cx.pipe_both(a, b));
        scene.socket(a).set_deadline(TIME);
        let ends = [&mut peer_a, &mut peer_b].map(|peer| scene.peer_reads_to_end(peer).end);
        assert_eq!(ends, [PeerEnd::Reset; 2], "destroys: {destroys}");
        assert_eq!(scene.world.count("us", "deadline"), 1);
    }
}

#[test]
fn a_filter_started_at_a_deadline_does_not_lift_it() {
    let mut scene = Scene::new();
    let starting = Recorder::new("us").on("deadline", |cx, _| {
        cx.socket.write(b"too late").ignore();
        cx.socket.notify_when_sent(1);
        cx.socket.start_filter(Records::default(), b"").unwrap();
    });
    let (id, mut peer) = scene.accepted(SocketOptions::new(), starting);
    scene.socket(id).set_deadline(TIME);
    scene.drive_to_close("us");
    let trace = scene.world.trace("us");
    let expected = "connect deadline sent:1 error:ETIMEDOUT close:TimedOut";
    assert_eq!(trace, expected);
    assert_eq!(scene.peer_reads_to_end(&mut peer).end, PeerEnd::Reset);
    assert_eq!(scene.event_loop.statistics().timed_out_deadlines, 1);
}

// The paused socket keeps the failure for the sake of the unread byte. No other timeout would end that.
#[cfg(target_os = "linux")]
#[test]
fn a_write_that_fails_at_a_deadline_does_not_lift_it() {
    let mut scene = Scene::new();
    let held: Rc<RefCell<Option<Peer>>> = Rc::default();
    let peer = Rc::clone(&held);
    let writing = Recorder::new("us").on("deadline", move |cx, _| {
        peer.borrow_mut().take().unwrap().reset();
        cx.socket.write(&[0; 100_000]).ignore();
    });
    let options = SocketOptions::new().unread_timeout(None);
    let (id, mut peer) = scene.accepted(options, writing);
    scene.socket(id).pause();
    peer.write(b"unread");
    *held.borrow_mut() = Some(peer);
    scene.socket(id).set_deadline(TIME);
    scene.drive_to_close("us");
    let trace = scene.world.trace("us");
    assert!(trace.starts_with("connect deadline error:E"), "{trace}");
    assert_eq!(scene.event_loop.statistics().timed_out_deadlines, 1);
}
