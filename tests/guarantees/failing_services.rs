//! Deadlines that pass while the calls of their sockets fail for now: such a call proves nothing, so it is repeated
//! before the deadline decides. A kernel that fails without end keeps no deadline from coming.
//!
//! strace makes the calls fail.

use std::time::{Duration, Instant};

use netloop::{Budget, CloseReason, Flow, SocketOptions};

use super::time_limits::{limited, none};
use crate::deadlines::{STALL, TIMEOUT, budgets, drive_within};
use crate::support::{Arrival, Peer, Recorder, Scene, spend, with_failing_calls};

fn idle_timeouts_count_arrived_bytes(budget: Budget) {
    let mut scene = Scene::new();
    let options = SocketOptions::new().idle_timeout(TIMEOUT);
    let (id, mut peer) = scene.adopted(options, Recorder::new("us"));
    peer.write(b"x");
    scene.await_arrival(Arrival::Bytes, [id]);
    spend(STALL);
    drive_within(&mut scene, budget, |scene| scene.world.has("us", "data"));
    assert_eq!(scene.world.trace("us"), "data:x", "{budget:?}");
}

fn timers_come_behind_arrived_bytes(budget: Budget) {
    let mut scene = Scene::new();
    let cancelling = Recorder::new("us").on("data", |cx, _| {
        cx.socket.cancel(1);
        cx.socket.after(TIMEOUT, 2);
    });
    let (id, mut peer) = scene.adopted(SocketOptions::new(), cancelling);
    for token in [1, 2, 3] {
        scene.socket(id).after(TIMEOUT, token);
    }
    peer.write(b"x");
    scene.await_arrival(Arrival::Bytes, [id]);
    spend(STALL);
    let begun = Instant::now();
    drive_within(&mut scene, budget, |scene| {
        scene.world.count("us", "timer") == 2
    });
    // The first was cancelled, the second was put off, and the third stays.
    assert_eq!(scene.world.trace("us"), "data:x timer:3 timer:2");
    assert!(begun.elapsed() >= TIMEOUT);
}

fn closes_that_were_answered_are_graceful(budget: Budget) {
    let mut scene = Scene::new();
    let options = SocketOptions::new().close_timeout(TIMEOUT);
    let (id, mut peer) = scene.adopted(options, Recorder::new("us"));
    scene.socket(id).end();
    scene.event_loop.flush(Budget::new());
    peer.write(b"bye");
    peer.half_close();
    scene.await_arrival(Arrival::End, [id]);
    spend(STALL);
    drive_within(&mut scene, budget, |scene| scene.world.has("us", "close"));
    let trace = scene.world.trace("us");
    assert_eq!(trace, "data:bye end close:Graceful", "{budget:?}");
}

// The first read is that of the turn, and the second is that of the deadline.
#[test]
fn an_interrupted_read_proves_no_silence() {
    with_failing_calls(&["recvfrom:error=EINTR:when=1..2"], || {
        idle_timeouts_count_arrived_bytes(Budget::new().steps(1));
    });
}

#[test]
fn an_interrupted_read_lets_no_timer_pass_its_bytes() {
    with_failing_calls(&["recvfrom:error=EINTR:when=1..2"], || {
        timers_come_behind_arrived_bytes(Budget::new().steps(1));
    });
}

#[test]
fn an_interrupted_read_proves_no_missing_end() {
    with_failing_calls(&["recvfrom:error=EINTR:when=1..2"], || {
        closes_that_were_answered_are_graceful(Budget::new().steps(1));
    });
}

// More than the reads that are repeated at once.
#[test]
fn a_row_of_interrupted_reads_lets_no_timer_pass() {
    with_failing_calls(&["recvfrom:error=EINTR:when=1..18"], || {
        timers_come_behind_arrived_bytes(Budget::new());
    });
}

#[test]
fn four_reads_without_memory_prove_no_silence() {
    with_failing_calls(&["recvfrom:error=ENOMEM:when=1..4"], || {
        idle_timeouts_count_arrived_bytes(Budget::new());
    });
}

#[test]
fn four_reads_without_memory_let_no_timer_pass() {
    with_failing_calls(&["recvfrom:error=ENOBUFS:when=1..4"], || {
        timers_come_behind_arrived_bytes(Budget::new().steps(1));
    });
}

#[test]
fn four_reads_without_memory_prove_no_missing_end() {
    with_failing_calls(&["recvfrom:error=ENOBUFS:when=1..4"], || {
        closes_that_were_answered_are_graceful(Budget::new());
    });
}

// The bytes that the next try sends are activity.
#[test]
fn a_send_that_fails_for_now_is_no_silence() {
    let injections = &[
        "sendto:error=ENOBUFS:when=1..4",
        "sendmsg:error=ENOBUFS:when=1..4",
    ];
    with_failing_calls(injections, || {
        let mut scene = Scene::new();
        let options = SocketOptions::new().idle_timeout(Duration::from_millis(5));
        let recorder = Recorder::new("us").on("timeout", |cx, _| {
            assert_eq!(cx.socket.queued_bytes(), 0, "it could be sent by now");
        });
        let (id, _peer) = scene.adopted(options, recorder);
        assert!(scene.socket(id).write(b"hello").is_accepted());
        scene.drive_until("us", "timeout");
    });
}

/// Lets the deadlines of a socket come whose calls fail without end. Each is told, and the timers in their order.
fn assert_that_deadlines_come(budget: Budget) {
    let mut scene = Scene::new();
    let options = SocketOptions::new().idle_timeout(TIMEOUT);
    let (id, mut peer) = scene.adopted(options, Recorder::new("us"));
    scene.socket(id).after(2 * TIMEOUT, 2);
    scene.socket(id).after(TIMEOUT, 1);
    peer.write(b"x");
    drive_within(&mut scene, budget, |scene| {
        scene.world.has("us", "timeout") && scene.world.count("us", "timer") == 2
    });
    let trace = scene.world.trace("us");
    let timers: Vec<&str> = trace.split(' ').filter(|it| *it != "timeout").collect();
    assert_eq!(timers, ["timer:1", "timer:2"]);

    let options = SocketOptions::new().close_timeout(TIMEOUT);
    let (id, peer) = scene.adopted(options, Recorder::new("closing"));
    scene.socket(id).end();
    peer.half_close();
    drive_within(&mut scene, budget, |scene| {
        scene.world.has("closing", "close")
    });
    let reason = scene.world.close_reason("closing");
    assert_eq!(reason, Some(CloseReason::TimedOut));
}

#[test]
fn reads_that_are_always_interrupted_keep_no_deadline_away() {
    with_failing_calls(&["recvfrom:error=EINTR:when=1+"], || {
        for budget in budgets() {
            assert_that_deadlines_come(budget);
        }
    });
}

#[test]
fn reads_that_never_find_memory_keep_no_deadline_away() {
    with_failing_calls(&["recvfrom:error=ENOBUFS:when=1+"], || {
        for budget in budgets() {
            assert_that_deadlines_come(budget);
        }
    });
}

/// Ends a paused socket whose peer takes no bytes, and returns the peer. The close timeout, once due, looks for
/// received bytes.
fn ended_with_a_queue(scene: &mut Scene) -> Peer {
    let options = SocketOptions::new().close_timeout(TIMEOUT);
    let (id, peer) = scene.adopted(options, Recorder::new("us"));
    scene.socket(id).pause();
    assert_eq!(scene.socket(id).write(&vec![b'x'; 8 << 20]), Flow::Full);
    scene.socket(id).end();
    peer
}

#[test]
fn a_look_that_fails_for_now_rests_no_close_timeout() {
    with_failing_calls(&["recvfrom:error=ENOBUFS:when=1..2"], || {
        let mut scene = Scene::new();
        let _peer = ended_with_a_queue(&mut scene);
        scene.drive_to_close("us");
        assert_eq!(scene.world.trace("us"), "close:TimedOut");
    });
}

#[test]
fn looks_that_fail_without_end_rest_no_close_timeout() {
    with_failing_calls(&["recvfrom:error=EINTR:when=1+"], || {
        let mut scene = Scene::new();
        let _peer = ended_with_a_queue(&mut scene);
        scene.drive_to_close("us");
        assert_eq!(scene.world.trace("us"), "close:TimedOut");
    });
}

#[test]
fn a_look_that_fails_for_now_gives_up_no_received_bytes() {
    with_failing_calls(&["recvfrom:error=ENOBUFS:when=1..2"], || {
        // Without a limit on write stalls, whose deadline does not rest.
        let mut scene = limited(none());
        let mut peer = ended_with_a_queue(&mut scene);
        peer.write(b"x");
        // The close timeout rests until `resume`: then there is no deadline any more.
        scene.drive_with("the rest", |scene| {
            scene.event_loop.next_deadline().is_none()
        });
        assert_eq!(scene.world.trace("us"), "");
    });
}
