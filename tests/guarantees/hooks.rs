//! Hooks before the wait and behind the sockets, and a program that is busy (libuv's prepare, check and idle
//! handles).

use std::cell::Cell;
use std::io::{Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

use netloop::{Budget, EventLoop, HookId, LoopContext, RunEnd, SocketOptions, Turn, Wait};

use crate::support::{PATIENCE, Recorder, Scene, spend};

type Log = Vec<&'static str>;

fn turn<S>(event_loop: &mut EventLoop<S>, shared: &mut S, wait: Wait) -> Turn {
    event_loop.turn(shared, wait, Budget::new()).unwrap()
}

/// Runs until nothing is left, and fails if that takes too long.
fn run<S>(event_loop: &mut EventLoop<S>, shared: &mut S) {
    let end = event_loop.run_for(shared, PATIENCE).unwrap();
    assert_eq!(end, RunEnd::Finished);
}

// libuv's run_once.
#[test]
fn sixty_four_turns_make_sixty_four_calls_of_a_busy_program() {
    let mut event_loop: EventLoop<u32> = EventLoop::new().unwrap();
    let hook = Rc::new(Cell::new(None::<HookId>));
    let own = Rc::clone(&hook);
    hook.set(Some(event_loop.on_prepare(move |cx| {
        *cx.shared += 1;
        if *cx.shared == 64 {
            cx.set_busy(false);
            cx.hook(own.get().unwrap()).remove();
        }
    })));
    event_loop.set_busy(true);
    let (mut calls, mut turns) = (0, 1);
    // Only the last turn has a reason to wait.
    let wait = Wait::For(Duration::from_millis(1));
    while turn(&mut event_loop, &mut calls, wait).alive {
        turns += 1;
    }
    assert_eq!((calls, turns), (64, 64));
}

// libuv's loop_stop.
#[test]
fn a_stop_is_told_once_and_the_loop_goes_on() {
    #[derive(Default)]
    struct Counts {
        prepared: u32,
        fired: u32,
    }
    let mut event_loop: EventLoop<Counts> = EventLoop::new().unwrap();
    let hook = event_loop.on_prepare(|cx| cx.shared.prepared += 1);
    let timer = Rc::new(Cell::new(None));
    let own = Rc::clone(&timer);
    timer.set(Some(event_loop.every(
        Duration::from_millis(1),
        move |cx: &mut LoopContext<'_, Counts>| {
            cx.shared.fired += 1;
            match cx.shared.fired {
                1 => cx.stop(),
                10 => drop(cx.timer(own.get().unwrap()).cancel()),
                _ => {}
            }
            if cx.shared.fired == 10 {
                cx.hook(hook).remove();
            }
        },
    )));
    let mut counts = Counts::default();
    let end = event_loop.run_for(&mut counts, PATIENCE).unwrap();
    assert_eq!((end, counts.fired), (RunEnd::Stopped, 1));
    assert!(event_loop.is_alive());
    turn(&mut event_loop, &mut counts, Wait::No);
    assert!(counts.prepared >= 2);
    run(&mut event_loop, &mut counts);
    assert_eq!(counts.fired, 10);
    assert!(counts.prepared >= 10 && !event_loop.is_alive());
}

// libuv's loop_handles.
#[test]
fn each_hook_is_called_once_a_turn_and_a_new_one_a_turn_later() {
    const TURNS: usize = 21;
    let mut event_loop: EventLoop<Log> = EventLoop::new().unwrap();
    let turns = Rc::new(Cell::new(0));
    let counted = Rc::clone(&turns);
    event_loop.on_prepare(move |cx| {
        cx.shared.push("prepare");
        counted.set(counted.get() + 1);
        if counted.get() % 2 == 0 {
            let id = Rc::new(Cell::new(None));
            let own = Rc::clone(&id);
            id.set(Some(cx.on_prepare(move |cx| {
                cx.shared.push("second");
                assert!(cx.hook(own.get().unwrap()).remove());
            })));
        }
    });
    event_loop.on_check(|cx| cx.shared.push("check"));
    let timer = event_loop.every(PATIENCE, |_| {});
    event_loop.timer(timer).release();
    event_loop.set_busy(true);
    for number in 1..=TURNS {
        let mut log = Log::new();
        turn(&mut event_loop, &mut log, Wait::Forever);
        match number > 1 && number % 2 == 1 {
            true => assert_eq!(log, ["prepare", "second", "check"], "turn {number}"),
            false => assert_eq!(log, ["prepare", "check"], "turn {number}"),
        }
    }
}

// libuv's queue_foreach_delete, for both kinds of hooks.
#[test]
fn a_hook_that_another_removes_is_not_called_in_that_turn() {
    type Add = fn(&mut EventLoop<Log>, &'static str, Rc<Cell<[Option<HookId>; 2]>>) -> HookId;
    fn call(
        name: &'static str,
        ids: Rc<Cell<[Option<HookId>; 2]>>,
    ) -> impl FnMut(&mut LoopContext<'_, Log>) {
        move |cx| {
            cx.shared.push(name);
            if name == "first" {
                for id in ids.get().into_iter().flatten() {
                    assert!(cx.hook(id).remove());
                }
            }
        }
    }
    let kinds: [Add; 2] = [
        |event_loop, name, ids| event_loop.on_prepare(call(name, ids)),
        |event_loop, name, ids| event_loop.on_check(call(name, ids)),
    ];
    for add in kinds {
        let mut event_loop = EventLoop::new().unwrap();
        let ids = Rc::new(Cell::new([None; 2]));
        let first = add(&mut event_loop, "first", Rc::clone(&ids));
        let second = add(&mut event_loop, "second", Rc::clone(&ids));
        add(&mut event_loop, "third", Rc::clone(&ids));
        ids.set([Some(first), Some(second)]);
        let mut log = Log::new();
        turn(&mut event_loop, &mut log, Wait::No);
        assert_eq!(log, ["first", "third"]);
        turn(&mut event_loop, &mut log, Wait::No);
        assert_eq!(log, ["first", "third", "third"]);
        // The closures of the removed ones are gone, too: each has held `ids`.
        assert_eq!(Rc::strong_count(&ids), 2);
    }
}

// libuv's idle_check.
#[test]
fn a_check_hook_keeps_the_loop_alive_behind_a_busy_program() {
    let mut event_loop: EventLoop<Log> = EventLoop::new().unwrap();
    event_loop.set_busy(true);
    let prepare = event_loop.on_prepare(|cx| cx.set_busy(false));
    let check = event_loop.on_check(|cx| cx.shared.push("check"));
    event_loop.hook(prepare).release();
    let mut log = Log::new();
    // The hook has taken the reason to be busy away, and the wait is limited by the caller alone.
    assert!(
        turn(
            &mut event_loop,
            &mut log,
            Wait::For(Duration::from_millis(1))
        )
        .alive
    );
    assert_eq!(log, ["check"]);
    assert!(event_loop.hook(check).remove());
    assert!(!event_loop.is_alive());
}

// libuv's idle_starvation.
#[test]
fn a_busy_program_puts_off_no_timer_and_no_socket() {
    let mut scene = Scene::new();
    let (_, mut peer) = scene.accepted(SocketOptions::new(), Recorder::new("socket"));
    scene.event_loop.set_busy(true);
    scene
        .event_loop
        .after(Duration::from_millis(5), |cx| cx.shared.note("timer"));
    peer.write(b"x");
    let begun = Instant::now();
    while scene.world.notes.is_empty() || scene.world.received("socket").is_empty() {
        assert_eq!(scene.event_loop.poll_timeout(), Some(Duration::ZERO));
        assert!(scene.turn_within(Wait::Forever).more);
        assert!(begun.elapsed() < PATIENCE);
    }
    scene.event_loop.set_busy(false);
    assert_eq!(scene.event_loop.poll_timeout(), None);
}

// libuv's idle_ref, prepare_ref and check_ref.
#[test]
fn a_released_hook_keeps_no_run_going_and_is_not_called() {
    let mut event_loop: EventLoop<Log> = EventLoop::new().unwrap();
    let alive = Rc::new(());
    for place in 0..2 {
        let guard = Rc::clone(&alive);
        let call = move |cx: &mut LoopContext<'_, Log>| {
            let _ = &guard;
            cx.shared.push("called");
        };
        let id = match place {
            0 => event_loop.on_prepare(call),
            _ => event_loop.on_check(call),
        };
        assert!(event_loop.hook(id).is_held() && event_loop.is_alive());
        event_loop.hook(id).release();
        assert!(!event_loop.hook(id).is_held() && !event_loop.is_alive());
        let mut log = Log::new();
        run(&mut event_loop, &mut log);
        assert!(log.is_empty());
        assert!(event_loop.hook(id).remove());
        assert_eq!(Rc::strong_count(&alive), 1, "the closure is dropped");
        assert!(!event_loop.hook(id).remove());
        event_loop.hook(id).hold();
        assert!(!event_loop.is_alive(), "a dead id holds nothing");
    }
}

// libuv's unref_in_prepare_cb.
#[test]
fn a_prepare_hook_that_releases_itself_lets_run_end() {
    let mut event_loop: EventLoop<u32> = EventLoop::new().unwrap();
    let id = Rc::new(Cell::new(None::<HookId>));
    let own = Rc::clone(&id);
    id.set(Some(event_loop.on_prepare(move |cx| {
        *cx.shared += 1;
        cx.hook(own.get().unwrap()).release();
    })));
    let mut calls = 0;
    run(&mut event_loop, &mut calls);
    assert_eq!(calls, 1);
}

// libuv's close_order, in this loop's order: sockets and checks come before timers, closes last.
#[test]
fn a_check_comes_before_the_timers_and_a_close_behind_them() {
    let mut event_loop: EventLoop<Log> = EventLoop::new().unwrap();
    let far = event_loop.after(PATIENCE * 100, |_| panic!("far away"));
    let id = Rc::new(Cell::new(None::<HookId>));
    let own = Rc::clone(&id);
    event_loop.after(Duration::ZERO, |cx: &mut LoopContext<'_, Log>| {
        cx.shared.push("timer")
    });
    // The timer is due in the first turn.
    spend(Duration::from_millis(2));
    id.set(Some(event_loop.on_check(move |cx| {
        cx.shared.push("check");
        assert!(cx.hook(own.get().unwrap()).remove());
        assert!(cx.timer(far).cancel());
    })));
    let mut log = Log::new();
    run(&mut event_loop, &mut log);
    assert_eq!(log, ["check", "timer"]);
}

// libuv's timer_from_check.
#[test]
fn a_timer_armed_in_a_check_comes_behind_the_next_prepare() {
    let mut event_loop: EventLoop<Log> = EventLoop::new().unwrap();
    let hooks = Rc::new(Cell::new([None::<HookId>; 2]));
    let own = Rc::clone(&hooks);
    let check = event_loop.on_check(move |cx| {
        cx.shared.push("check");
        assert!(cx.hook(own.get()[0].unwrap()).remove());
        let prepare = own.get()[1].unwrap();
        cx.hook(prepare).remove();
        let again = Rc::new(Cell::new(None::<HookId>));
        let inner = Rc::clone(&again);
        again.set(Some(cx.on_prepare(move |cx| {
            cx.shared.push("prepare");
            assert!(cx.hook(inner.get().unwrap()).remove());
        })));
        cx.after(Duration::from_millis(2), |cx| cx.shared.push("timer"));
    });
    let prepare = event_loop.on_prepare(|_| {});
    hooks.set([Some(check), Some(prepare)]);
    let mut log = Log::new();
    turn(
        &mut event_loop,
        &mut log,
        Wait::For(Duration::from_millis(1)),
    );
    run(&mut event_loop, &mut log);
    assert_eq!(log, ["check", "prepare", "timer"]);
}

// libuv's async_null_cb.
#[test]
fn a_wake_without_a_post_completes_a_turn() {
    let mut event_loop: EventLoop<u32> = EventLoop::new().unwrap();
    event_loop.on_check(|cx| {
        *cx.shared += 1;
        cx.stop();
    });
    let remote = event_loop.remote();
    let waking = std::thread::spawn(move || remote.wake().unwrap());
    let mut checks = 0;
    let end = event_loop.run_for(&mut checks, PATIENCE).unwrap();
    assert_eq!((end, checks), (RunEnd::Stopped, 1));
    waking.join().unwrap();
}

// libuv's async.
#[test]
fn wakes_without_end_make_the_turns_that_the_loop_asks_for() {
    let mut event_loop: EventLoop<u32> = EventLoop::new().unwrap();
    let own_thread = std::thread::current().id();
    let id = Rc::new(Cell::new(None::<HookId>));
    let own = Rc::clone(&id);
    id.set(Some(event_loop.on_check(move |cx| {
        assert_eq!(std::thread::current().id(), own_thread);
        *cx.shared += 1;
        if *cx.shared == 3 {
            assert!(cx.hook(own.get().unwrap()).remove());
        }
    })));
    let remote = event_loop.remote();
    let is_over = Arc::new(AtomicBool::new(false));
    let over = Arc::clone(&is_over);
    let waking = std::thread::spawn(move || {
        while !over.load(SeqCst) {
            remote.wake().unwrap();
        }
    });
    let mut checks = 0;
    while checks < 3 {
        let turn = turn(&mut event_loop, &mut checks, Wait::For(PATIENCE));
        assert!(turn.alive || checks == 3);
    }
    is_over.store(true, SeqCst);
    waking.join().unwrap();
    turn(&mut event_loop, &mut checks, Wait::No);
    assert_eq!(checks, 3);
}

#[test]
fn bytes_that_a_prepare_hook_writes_leave_before_the_wait() {
    for budget in [Budget::new(), Budget::new().time(PATIENCE)] {
        let mut scene = Scene::new();
        let (id, peer) = scene.accepted(SocketOptions::new(), Recorder::new("socket"));
        scene.settle();
        let hook = scene.event_loop.on_prepare(move |cx| {
            cx.sockets.socket(id).write(b"prepared").ignore();
        });
        // Only the answer ends the wait.
        let mut stream = peer.into_stream();
        let answering = std::thread::spawn(move || {
            let mut bytes = [0; 8];
            stream.read_exact(&mut bytes).unwrap();
            stream.write_all(&bytes).unwrap();
            stream
        });
        let begun = Instant::now();
        let wait = Wait::For(PATIENCE);
        scene
            .event_loop
            .turn(&mut scene.world, wait, budget)
            .unwrap();
        assert!(begun.elapsed() < PATIENCE, "the bytes did not leave");
        assert_eq!(scene.world.received("socket"), b"prepared", "no wait");
        assert!(scene.event_loop.hook(hook).remove());
        let mut stream = answering.join().unwrap();

        let hook = scene.event_loop.on_check(move |cx| {
            cx.sockets.socket(id).write(b"checked!").ignore();
        });
        scene
            .event_loop
            .turn(&mut scene.world, Wait::No, budget)
            .unwrap();
        let mut bytes = [0; 8];
        stream.read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"checked!");
        scene.event_loop.hook(hook).release();
    }
}

#[test]
fn what_a_hook_defers_makes_the_turn_not_wait() {
    let mut event_loop: EventLoop<Log> = EventLoop::new().unwrap();
    let id = event_loop.on_prepare(|cx| cx.defer(|cx| cx.stop()));
    let mut log = Log::new();
    let begun = Instant::now();
    assert!(turn(&mut event_loop, &mut log, Wait::For(PATIENCE)).more);
    assert!(turn(&mut event_loop, &mut log, Wait::For(PATIENCE)).stopped);
    assert!(begun.elapsed() < PATIENCE);
    event_loop.hook(id).remove();
}

#[test]
fn hooks_are_called_once_in_every_turn_whatever_its_budget() {
    let mut event_loop: EventLoop<(u32, u32, u32)> = EventLoop::new().unwrap();
    event_loop.on_prepare(|cx| cx.shared.0 += 1);
    event_loop.on_check(|cx| cx.shared.1 += 1);
    fn again(cx: &mut LoopContext<'_, (u32, u32, u32)>) {
        cx.shared.2 += 1;
        cx.defer(again);
        cx.after(Duration::ZERO, |_| {});
    }
    event_loop.defer(again);
    let mut counts = (0, 0, 0);
    for turns in 1..=50 {
        let budget = Budget::new().steps(1).time(Duration::ZERO);
        event_loop.turn(&mut counts, Wait::No, budget).unwrap();
        assert_eq!((counts.0, counts.1), (turns, turns));
    }
    assert!(counts.2 > 5, "{counts:?}");
}

#[test]
fn a_hook_that_panics_is_over_and_the_others_go_on() {
    let mut event_loop: EventLoop<Log> = EventLoop::new().unwrap();
    let broken = event_loop.on_check(|_| panic!("a hook"));
    let whole = event_loop.on_check(|cx| cx.shared.push("whole"));
    event_loop.hook(whole).release();
    let mut log = Log::new();
    let result = catch_unwind(AssertUnwindSafe(|| {
        turn(&mut event_loop, &mut log, Wait::No)
    }));
    assert!(result.is_err());
    turn(&mut event_loop, &mut log, Wait::No);
    assert_eq!(log, ["whole"]);
    assert!(!event_loop.hook(broken).remove());
    assert!(!event_loop.is_alive());
}

#[test]
fn a_stop_asked_for_by_the_host_makes_poll_timeout_zero() {
    let mut event_loop: EventLoop<Log> = EventLoop::new().unwrap();
    event_loop.after(PATIENCE, |_| {});
    event_loop.stop();
    assert_eq!(event_loop.poll_timeout(), Some(Duration::ZERO));
    assert!(turn(&mut event_loop, &mut Log::new(), Wait::Forever).stopped);
    assert!(event_loop.poll_timeout() > Some(Duration::ZERO));
}
