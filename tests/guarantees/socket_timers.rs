//! Timers of sockets: `Socket::after`, `Socket::cancel`, `SocketHandler::on_timer`.

use std::time::{Duration, Instant};

use netloop::{RunEnd, SocketOptions};

use crate::support::{Peer, Recorder, Scene, Seen, World, let_time_pass};

const FAR: Duration = Duration::from_secs(60);
const SOON: Duration = Duration::from_millis(5);

/// The tokens that `name` was told, in order.
fn told(world: &World, name: &str) -> Vec<u64> {
    let events = world.log.iter().filter(|event| event.name == name);
    events
        .filter_map(|event| match event.seen {
            Seen::Timer(token) => Some(token),
            _ => None,
        })
        .collect()
}

#[test]
fn a_timer_of_a_socket_comes_once_and_never_early() {
    let mut scene = Scene::new();
    let (id, _peer) = scene.accepted(SocketOptions::new(), Recorder::new("us"));
    for delay in (1..40).chain([0]) {
        let delay = Duration::from_micros(delay * 500);
        let armed = Instant::now();
        scene.socket(id).after(delay, 7);
        scene.drive_until("us", "timer");
        assert!(armed.elapsed() >= delay, "early: {:?}", armed.elapsed());
        scene.let_pass(Duration::from_millis(2));
        assert_eq!(told(&scene.world, "us"), [7]);
        scene.world.log.clear();
    }
}

#[test]
fn timers_of_sockets_and_of_the_loop_come_by_their_deadlines() {
    let mut scene = Scene::new();
    let noting = Recorder::new("us").on("timer", |cx, seen| {
        cx.shared.note(seen.to_string());
    });
    let (id, _peer) = scene.accepted(SocketOptions::new(), noting);
    scene.socket(id).after(Duration::from_millis(30), 3);
    scene.socket(id).after(Duration::from_millis(10), 1);
    let middle = Duration::from_millis(20);
    scene
        .event_loop
        .after(middle, |cx| cx.shared.note("the loop's"));
    scene.drive("all", |world| world.notes.len() == 3);
    assert_eq!(scene.world.notes, ["timer:1", "the loop's", "timer:3"]);
}

#[test]
fn a_token_that_is_armed_again_is_moved() {
    let mut scene = Scene::new();
    let (id, _peer) = scene.accepted(SocketOptions::new(), Recorder::new("us"));
    scene.socket(id).after(SOON, 1);
    scene.socket(id).after(FAR, 1);
    scene.socket(id).after(FAR, 2);
    scene.socket(id).after(SOON, 2);
    scene.drive_until("us", "timer");
    scene.let_pass(3 * SOON);
    assert_eq!(told(&scene.world, "us"), [2]);
}

#[test]
fn a_timer_that_is_put_off_when_it_is_due_does_not_come() {
    let mut scene = Scene::new();
    let putting_off = Recorder::new("us").on("timer", |cx, seen| {
        if *seen == Seen::Timer(1) {
            cx.socket.after(FAR, 2);
            assert!(cx.socket.cancel(3));
        }
    });
    let (id, _peer) = scene.accepted(SocketOptions::new(), putting_off);
    for token in [1, 2, 3] {
        scene.socket(id).after(SOON, token);
    }
    // All three fall due in one turn.
    let_time_pass(2 * SOON);
    scene.settle();
    assert_eq!(told(&scene.world, "us"), [1]);
}

#[test]
fn a_timer_that_was_cancelled_does_not_come() {
    let mut scene = Scene::new();
    let (id, _peer) = scene.accepted(SocketOptions::new(), Recorder::new("us"));
    scene.socket(id).after(SOON, 1);
    assert!(scene.socket(id).cancel(1));
    assert!(!scene.socket(id).cancel(1), "once is enough");
    assert!(!scene.socket(id).cancel(2));
    scene.let_pass(3 * SOON);
    assert_eq!(told(&scene.world, "us"), [0; 0]);
}

#[test]
fn the_timers_of_a_socket_go_when_it_closes() {
    let mut scene = Scene::new();
    let mut peers = Vec::new();
    for number in 0..200 {
        let (id, peer) = scene.adopted(SocketOptions::new(), Recorder::new(format!("{number}")));
        scene.socket(id).after(FAR, 0);
        scene.socket(id).after(2 * FAR, number);
        peers.push((id, peer));
    }
    assert!(scene.event_loop.next_deadline().is_some());
    for (id, _) in &peers {
        scene.socket(*id).destroy();
        scene.socket(*id).after(FAR, 9);
        assert!(!scene.socket(*id).cancel(9), "it is closed");
    }
    scene.settle();
    assert!(scene.world.all_are_closed());
    // Of the deadlines, that of unused memory may be left for a while.
    scene.drive_with("the empty wheel", |scene| {
        scene.event_loop.next_deadline().is_none()
    });
    let debugged = format!("{:?}", scene.event_loop);
    assert!(debugged.contains("timers: 0"), "{debugged}");
}

#[test]
fn a_timer_that_is_due_does_not_come_after_a_destroy() {
    let mut scene = Scene::new();
    let other = Recorder::new("other");
    let (other, _other_peer) = scene.adopted(SocketOptions::new(), other);
    let destroying = Recorder::new("us").on("timer", move |cx, _| {
        cx.socket.socket(other).destroy();
        cx.socket.destroy();
    });
    let (id, _peer) = scene.adopted(SocketOptions::new(), destroying);
    scene.socket(id).after(SOON, 1);
    scene.socket(id).after(SOON, 2);
    scene.socket(other).after(SOON, 3);
    let_time_pass(2 * SOON);
    scene.settle();
    assert_eq!(scene.world.trace("us"), "timer:1 close:Local");
    assert_eq!(scene.world.trace("other"), "close:Local");
}

#[test]
fn the_timers_of_a_handler_go_when_it_is_replaced() {
    let mut scene = Scene::new();
    let (id, _peer) = scene.accepted(SocketOptions::new(), Recorder::new("old"));
    scene.socket(id).after(SOON, 1);
    let mut cx = scene.event_loop.context(&mut scene.world);
    assert!(cx.replace_handler(id, Recorder::new("new"), b""));
    cx.sockets.socket(id).after(SOON, 2);
    scene.drive_until("new", "timer");
    scene.let_pass(2 * SOON);
    assert_eq!(told(&scene.world, "old"), [0; 0]);
    assert_eq!(told(&scene.world, "new"), [2]);
}

#[test]
fn the_timers_of_sockets_do_not_keep_the_loop_going() {
    let mut scene = Scene::new();
    let (id, peer) = scene.accepted(SocketOptions::new(), Recorder::new("us"));
    scene.socket(id).after(FAR, 1);
    scene.socket(id).release();
    let end = scene.event_loop.run_for(&mut scene.world, FAR).unwrap();
    assert_eq!(end, RunEnd::Finished);
    drop(peer);
}

#[test]
fn a_timer_may_come_before_the_connection() {
    let mut scene = Scene::new();
    // Nothing accepts there, so the second connect waits, or is done by the kernel; both are right.
    let (_listener, address) = crate::support::listener();
    let options = netloop::ConnectOptions::new();
    let id = scene.connect(address, options, Recorder::new("us"));
    scene.socket(id).after(Duration::ZERO, 1);
    scene.drive_until("us", "timer");
    scene.socket(id).destroy();
    scene.drive_to_close("us");
    assert_eq!(told(&scene.world, "us"), [1]);
}

#[test]
fn a_write_in_on_timer_leaves_with_the_callback() {
    let mut scene = Scene::new();
    let (ours, mut peer) = Peer::pair();
    let pinging = Recorder::new("us").on("timer", |cx, _| {
        let _ = cx.socket.write(b"PI");
        let _ = cx.socket.write(b"NG");
    });
    let options = SocketOptions::new();
    let id = scene
        .event_loop
        .adopt(ours, options.clone(), pinging)
        .unwrap();
    scene.begin_filters(id, &mut peer);
    scene.socket(id).after(SOON, 1);
    assert_eq!(scene.peer_reads(&mut peer, 4), b"PING");
}
