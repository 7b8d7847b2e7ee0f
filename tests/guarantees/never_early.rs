//! No deadline of a socket comes early, whenever it was set, and none because the loop itself was late (I8; E7;
//! reliability D14, E2, E3).

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use netloop::{Budget, ConnectOptions, SocketOptions, Wait};

use crate::idle_timeout::{IDLE, drive_to_timeout, idle, timeouts};
use crate::support::{
    Arrival, BlackHole, Disturbed, Peer, Recorder, Scene, Seen, let_time_pass,
    until_undisturbed_with_more_time,
};

// E7; reliability E3
#[test]
fn none_of_many_is_early_and_each_comes_once() {
    let seed = 1;
    let mut random = fastrand::Rng::with_seed(seed);
    let mut scene = Scene::new();
    let mut pairs = Vec::new();
    let sockets = 60;
    for n in 0..sockets {
        let timeout = Duration::from_micros(random.u64(1_000..60_000));
        let name = format!("{n}");
        let begun = Rc::new(Cell::new(Instant::now()));
        let timing = {
            let begun = Rc::clone(&begun);
            Recorder::new(&name).reacting(move |_, seen| {
                let taken = begun.get().elapsed();
                assert_eq!(*seen, Seen::Timeout);
                assert!(taken >= timeout, "{taken:?} of {timeout:?}, seed {seed}");
            })
        };
        let (id, peer) = scene.adopted(SocketOptions::new(), timing);
        begun.set(Instant::now());
        scene.socket(id).set_idle_timeout(timeout);
        pairs.push(peer);
    }
    scene.drive("all timeouts", |world| world.log.len() == sockets);
    scene.let_pass(Duration::from_millis(20));
    assert_eq!(scene.world.log.len(), sockets);
}

// I8: the loop's clock stands still between the turns of a host; what is set then counts from then.
#[test]
fn a_timeout_that_is_set_between_turns_counts_from_the_call() {
    let mut scene = Scene::new();
    let (id, _peer) = scene.accepted(SocketOptions::new(), Recorder::new("us"));
    scene.settle();
    let_time_pass(2 * IDLE);
    let begun = Instant::now();
    scene.socket(id).set_idle_timeout(IDLE);
    drive_to_timeout(&mut scene);
    assert!(begun.elapsed() >= IDLE, "after {:?}", begun.elapsed());
}

// I8
#[test]
fn a_timeout_set_late_in_a_long_callback_counts_from_the_call() {
    let mut scene = Scene::new();
    let set = Rc::new(Cell::new(None));
    let slow = {
        let set = Rc::clone(&set);
        Recorder::new("us").reacting(move |cx, seen| {
            if let Seen::Data(_) = seen {
                let_time_pass(2 * IDLE);
                set.set(Some(Instant::now()));
                cx.socket.set_idle_timeout(IDLE);
            }
        })
    };
    let (_, mut peer) = scene.accepted(SocketOptions::new(), slow);
    peer.write(b".");
    drive_to_timeout(&mut scene);
    let taken = set.get().unwrap().elapsed();
    assert!(taken >= IDLE, "after {taken:?}");
}

// I8; reliability E2: the others have not been asked yet whether anything has arrived for them.
#[test]
fn a_late_timeout_spares_sockets_written_to_meanwhile() {
    until_undisturbed_with_more_time(|stretch| {
        let idle_time = IDLE * stretch;
        let mut scene = Scene::new();
        let begun = Instant::now();
        let (_, chatty) = scene.accepted(idle(idle_time), Recorder::new("us"));
        let mut chatty = Some(chatty);
        let written = Rc::new(Cell::new(None));
        let slow = {
            let written = Rc::clone(&written);
            Recorder::new("slow").reacting(move |cx, seen| {
                if let Seen::Data(_) = seen {
                    let_time_pass(idle_time / 4);
                    chatty.as_mut().unwrap().write(b"in time");
                    written.set(Some(Instant::now()));
                    let_time_pass(2 * idle_time);
                    cx.socket.set_idle_timeout(Duration::from_secs(9));
                }
            })
        };
        let (_, mut peer) = scene.accepted(SocketOptions::new(), slow);
        peer.write(b".");
        scene.drive("the bytes", |world| world.received("us") == b"in time");
        if written.get().unwrap() - begun >= idle_time {
            return Disturbed::Yes;
        }
        assert_eq!(scene.world.trace("us"), "connect data:in time");
        Disturbed::No
    });
}

// I8
#[test]
fn deadlines_set_late_in_a_long_callback_count_from_the_call() {
    let nobody = BlackHole::new();
    let address = nobody.address();
    let mut scene = Scene::new();
    let set = Rc::new(Cell::new(None::<Instant>));
    let ended = {
        let set = Rc::clone(&set);
        Recorder::new("ended").reacting(move |cx, seen| match seen {
            Seen::Data(_) => {
                let_time_pass(2 * IDLE);
                set.set(Some(Instant::now()));
                cx.socket.end();
                let options = ConnectOptions::new().connect_timeout(IDLE);
                let recorder = Recorder::new("connecting");
                cx.as_loop()
                    .connect_with(address, options, recorder)
                    .unwrap();
                let options = ConnectOptions::new().socket(idle(IDLE));
                let recorder = Recorder::new("us");
                cx.as_loop()
                    .connect_with(address, options, recorder)
                    .unwrap();
            }
            Seen::Close(_) => assert!(set.get().unwrap().elapsed() >= IDLE, "close timeout"),
            _ => {}
        })
    };
    let options = SocketOptions::new().close_timeout(IDLE);
    let (_, mut peer) = scene.accepted(options, ended);
    peer.write(b".");
    scene.drive("the idle timeout", |world| {
        world.has_seen("us", &Seen::Timeout)
    });
    assert!(set.get().unwrap().elapsed() >= IDLE, "idle timeout");
    scene.drive_to_close("connecting");
    scene.drive_to_close("ended");
    assert_eq!(scene.world.trace("ended"), "connect data:. close:TimedOut");
}

// I8
#[test]
fn a_connection_adopted_between_turns_is_not_idle_from_before() {
    let mut scene = Scene::new();
    scene.settle();
    let_time_pass(2 * IDLE);
    let begun = Instant::now();
    let (ours, _peer) = Peer::pair();
    scene
        .event_loop
        .adopt(ours, idle(IDLE), Recorder::new("us"))
        .unwrap();
    drive_to_timeout(&mut scene);
    assert!(begun.elapsed() >= IDLE, "after {:?}", begun.elapsed());
}

// I8; D5
#[test]
fn the_close_timeout_counts_from_an_end_between_turns() {
    let mut scene = Scene::new();
    let options = SocketOptions::new().close_timeout(IDLE);
    let (id, _peer) = scene.accepted(options, Recorder::new("us"));
    scene.settle();
    let_time_pass(2 * IDLE);
    let begun = Instant::now();
    scene.socket(id).end();
    scene.drive_to_close("us");
    assert!(begun.elapsed() >= IDLE, "after {:?}", begun.elapsed());
}

// I8
#[test]
fn bytes_flushed_between_turns_are_activity_when_they_move() {
    let mut scene = Scene::new();
    let (id, _peer) = scene.accepted(idle(2 * IDLE), Recorder::new("us"));
    scene.turn();
    let_time_pass(IDLE);
    scene.world.log.clear();
    let moved = Instant::now();
    let _ = scene.socket(id).write(b"a snapshot");
    scene.event_loop.flush(Budget::new());
    drive_to_timeout(&mut scene);
    assert!(moved.elapsed() >= 2 * IDLE, "after {:?}", moved.elapsed());
}

// Reliability E2
#[test]
fn a_loop_that_comes_back_late_reads_before_it_times_out() {
    let mut scene = Scene::new();
    let (id, mut peer) = scene.accepted(idle(IDLE), Recorder::new("us"));
    scene.turn();
    scene.world.log.clear();
    peer.write(b"in time");
    scene.await_arrival(Arrival::Bytes, [id]);
    let_time_pass(2 * IDLE);
    let begun = Instant::now();
    scene.turn();
    scene.turn();
    assert!(begun.elapsed() >= IDLE || timeouts(&scene) == 0);
    assert_eq!(scene.world.received("us"), b"in time");
}

// Reliability E2: also if the budget ends the turn before the bytes are read.
#[test]
fn a_socket_whose_bytes_wait_behind_the_budget_is_not_idle() {
    let mut scene = Scene::new();
    let (mut ids, mut peers) = (Vec::new(), Vec::new());
    for n in 0..4 {
        let (id, peer) = scene.accepted(idle(IDLE), Recorder::new(format!("socket {n}")));
        ids.push(id);
        peers.push(peer);
    }
    scene.turn();
    scene.world.log.clear();
    for peer in &mut peers {
        peer.write(b"in time");
    }
    scene.await_arrival(Arrival::Bytes, ids);
    let_time_pass(2 * IDLE);
    let begun = Instant::now();
    for _ in 0..4 {
        scene
            .event_loop
            .turn(&mut scene.world, Wait::No, Budget::new().steps(1))
            .unwrap();
    }
    let early = scene
        .world
        .log
        .iter()
        .any(|event| event.seen == Seen::Timeout);
    assert!(!early || begun.elapsed() >= IDLE);
}
