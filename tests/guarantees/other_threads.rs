//! Other threads: posts, wakes, holds, stops (libuv's tests of async handles; B12).

use std::thread;
use std::time::{Duration, Instant};

use netloop::{Error, EventLoop, LoopContext, Remote, SocketOptions, Wait};

use crate::event_loop::{assert_short, note};
use crate::support::{PATIENCE, Recorder, Scene, spend};

// libuv's loop_alive and async_ref.
#[test]
fn a_post_that_waits_keeps_run_going_and_a_remote_does_not() {
    let mut scene = Scene::new();
    let remote = scene.event_loop.remote();
    assert!(!scene.event_loop.is_alive());
    remote.post(|cx| note(cx, "post")).unwrap();
    assert!(scene.event_loop.is_alive());
    assert_eq!(scene.event_loop.poll_timeout(), Some(Duration::ZERO));
    scene.run_to_its_end();
    assert_eq!(scene.world.notes, ["post"]);
    assert!(!scene.event_loop.is_alive());
}

#[test]
fn a_hold_keeps_run_going_until_it_is_dropped() {
    let mut scene = Scene::new();
    let remote = scene.event_loop.remote();
    let hold = remote.hold();
    let worker = thread::spawn(move || {
        for _ in 0..3 {
            remote.post(|cx| note(cx, "post")).unwrap();
            spend(Duration::from_millis(5));
        }
        drop(hold);
    });
    scene.run_to_its_end();
    assert_eq!(scene.world.notes, ["post", "post", "post"]);
    worker.join().unwrap();
}

// calloop's wakeup.
#[test]
fn a_wake_ends_a_wait_under_way_and_a_post_is_made_in_that_turn() {
    let mut scene = Scene::new();
    let remote = scene.event_loop.remote();
    let worker = thread::spawn(move || {
        spend(Duration::from_millis(20));
        remote.wake().unwrap();
        remote
    });
    let begun = Instant::now();
    let turn = scene.turn_within(Wait::For(PATIENCE));
    assert_eq!(turn.events + turn.calls + turn.timers, 0);
    assert!(begun.elapsed() < PATIENCE);

    let remote = worker.join().unwrap();
    let worker = thread::spawn(move || {
        spend(Duration::from_millis(20));
        remote.post(|cx| note(cx, "post")).unwrap();
    });
    let turn = assert_short(|| scene.turn_within(Wait::For(PATIENCE)));
    assert_eq!(turn.calls, 1);
    worker.join().unwrap();
}

// B12: wakes coalesce, and none is left over.
#[test]
fn many_wakes_end_one_wait() {
    let mut scene = Scene::new();
    let remote = scene.event_loop.remote();
    for round in 0..3 {
        for _ in 0..100 {
            remote.wake().unwrap();
            remote.clone().post(|cx| note(cx, "post")).unwrap();
        }
        let turn = assert_short(|| scene.turn_within(Wait::For(PATIENCE)));
        assert_eq!(turn.calls, 100, "round {round}");
        let begun = Instant::now();
        scene.turn_within(Wait::For(Duration::from_millis(20)));
        assert!(begun.elapsed() >= Duration::from_millis(20));
    }
}

// calloop's wakeup_stop.
#[test]
fn another_thread_can_stop_run() {
    let mut scene = Scene::new();
    let (_, _peer) = scene.accepted(SocketOptions::new(), Recorder::new("socket"));
    let remote = scene.event_loop.remote();
    let worker = thread::spawn(move || {
        spend(Duration::from_millis(10));
        remote.stop().unwrap();
    });
    scene.run_to_its_end();
    assert!(scene.event_loop.is_alive());
    worker.join().unwrap();
}

// B12, at full load.
#[test]
fn posts_of_four_threads_all_arrive_in_the_order_of_each_thread() {
    const THREADS: usize = 4;
    const POSTS: usize = 100_000;
    let mut event_loop: EventLoop<Vec<usize>> = EventLoop::new().unwrap();
    let workers: Vec<_> = (0..THREADS)
        .map(|thread| {
            let remote: Remote<Vec<usize>> = event_loop.remote();
            let hold = remote.hold();
            thread::spawn(move || {
                for number in 0..POSTS {
                    let post = move |cx: &mut LoopContext<'_, Vec<usize>>| {
                        assert_eq!(cx.shared[thread], number, "thread {thread}");
                        cx.shared[thread] += 1;
                    };
                    while let Err(full) = remote.post(post) {
                        assert_eq!(full.code(), Error::MAILBOX_FULL);
                        thread::yield_now();
                    }
                }
                drop(hold);
            })
        })
        .collect();
    let mut counts = vec![0; THREADS];
    event_loop.run(&mut counts).unwrap();
    assert_eq!(counts, [POSTS; THREADS]);
    for worker in workers {
        worker.join().unwrap();
    }
}

// B12: nothing grows without bound.
#[test]
fn a_loop_that_falls_behind_refuses_posts_until_it_catches_up() {
    let mut scene = Scene::new();
    let remote = scene.event_loop.remote();
    let mut posted = 0;
    let error = loop {
        match remote.post(|cx| note(cx, "post")) {
            Ok(()) => posted += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(posted, 65_536);
    assert_eq!(error.code(), Error::MAILBOX_FULL);
    scene.settle();
    assert_eq!(scene.world.notes.len(), posted);
    remote.post(|cx| note(cx, "post")).unwrap();
    scene.settle();
    assert_eq!(scene.world.notes.len(), posted + 1);
}

// B12
#[test]
fn after_the_loop_a_post_fails_and_a_wake_is_harmless() {
    let scene = Scene::new();
    let event_loop = scene.event_loop;
    let remote = event_loop.remote();
    let hold = remote.hold();
    drop(event_loop);
    let error = remote.post(|cx| note(cx, "post")).unwrap_err();
    assert_eq!(error.code(), Error::LOOP_CLOSED);
    let _ = remote.wake();
    let _ = remote.stop();
    drop(hold);
}
