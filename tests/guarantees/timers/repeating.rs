//! Timers that repeat.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use netloop::{LoopContext, TimerId, Wait};

use super::{MILLISECOND, new_loop, run, turn};
use crate::support::{Recorder, Scene, Seen, spend};

// libuv's timer_huge_repeat.
#[test]
fn a_period_far_too_long_does_not_keep_a_short_one_from_coming() {
    let mut event_loop = new_loop();
    event_loop.every(Duration::MAX, |_| panic!("it never comes"));
    event_loop.every(MILLISECOND * 2, |cx: &mut LoopContext<'_, u32>| {
        *cx.shared += 1;
        if *cx.shared == 9 {
            cx.stop();
        }
    });
    let mut fired = 0;
    run(&mut event_loop, &mut fired);
    assert_eq!(fired, 9);
}

// libuv's timer_no_double_call.
#[test]
fn a_repeating_timer_overdue_by_several_periods_comes_once() {
    let mut event_loop = new_loop();
    event_loop.every(MILLISECOND * 10, |cx: &mut LoopContext<'_, u32>| {
        *cx.shared += 1;
    });
    spend(MILLISECOND * 35);
    let mut fired = 0;
    let turn = turn(&mut event_loop, &mut fired, Wait::No);
    assert!(turn.alive);
    assert_eq!(fired, 1);
}

/// The two timers of `timer_again`, with the calls of each.
#[derive(Default)]
struct Again {
    short: (u32, Option<TimerId>),
    long: (u32, Option<TimerId>),
}

impl Again {
    /// Stands for libuv's `uv_timer_again`: cancels the long timer, and arms it anew.
    fn begin_long_anew(cx: &mut LoopContext<'_, Self>) {
        if let Some(before) = cx.shared.long.1 {
            assert!(cx.timer(before).cancel());
        }
        cx.shared.long.1 = Some(cx.every(MILLISECOND * 10, Self::long));
    }

    fn short(cx: &mut LoopContext<'_, Self>) {
        cx.shared.short.0 += 1;
        assert_eq!(cx.shared.long.0, 0, "it is always begun anew in time");
        match (cx.shared.short, cx.shared.short.0) {
            ((_, Some(own)), 10) => assert!(cx.timer(own).cancel()),
            _ => Self::begin_long_anew(cx),
        }
    }

    /// The first call makes a timer of one call of the repeating one.
    fn long(cx: &mut LoopContext<'_, Self>) {
        assert_eq!(cx.shared.short.0, 10);
        cx.shared.long.0 += 1;
        if let Some(own) = cx.shared.long.1.take() {
            assert!(cx.timer(own).cancel());
            cx.after(MILLISECOND * 10, Self::long);
        }
    }
}

// libuv's, ten times as fast. A timer that was never armed has no id.
#[test]
fn timer_again() {
    let mut event_loop = new_loop();
    let mut again = Again::default();
    let begun = Instant::now();
    again.short.1 = Some(event_loop.every(MILLISECOND * 5, Again::short));
    Again::begin_long_anew(&mut event_loop.context(&mut again));
    run(&mut event_loop, &mut again);
    assert_eq!((again.short.0, again.long.0), (10, 2));
    // Ten periods of the short one, of which the ninth began the long one anew, and two of the long one.
    assert!(begun.elapsed() >= MILLISECOND * (9 * 5 + 2 * 10));
}

// I8, of the documentation's "at least so long after the call before".
#[test]
fn a_repeating_timer_is_never_early_after_a_long_callback() {
    let mut scene = Scene::new();
    let slow = Recorder::new("slow").reacting(|_, seen| {
        if matches!(seen, Seen::Data(_)) {
            spend(MILLISECOND * 15);
        }
    });
    let (_, mut peer) = scene.accepted(netloop::SocketOptions::new(), slow);
    let calls = Rc::new(RefCell::new(Vec::new()));
    let noted = Rc::clone(&calls);
    scene.event_loop.every(MILLISECOND * 20, move |_| {
        noted.borrow_mut().push(Instant::now());
    });
    // The timer is due when the turn reads the clock, and called when the slow one is done.
    spend(MILLISECOND * 25);
    peer.write(b"x");
    scene.turn();
    assert_eq!(calls.borrow().len(), 1);
    scene.drive_with("the next call", |_| calls.borrow().len() == 2);
    let apart = calls.borrow()[1] - calls.borrow()[0];
    assert!(apart >= MILLISECOND * 20, "only {apart:?} apart");
}

#[test]
fn a_repeating_timer_may_cancel_itself_and_arm_another() {
    let mut event_loop = new_loop();
    let own = Rc::new(Cell::new(None));
    let id = Rc::clone(&own);
    let first = event_loop.every(MILLISECOND, move |cx: &mut LoopContext<'_, Vec<_>>| {
        cx.shared.push("first");
        assert!(cx.timer(id.get().unwrap()).cancel());
        // It takes the place of the one that is being called.
        cx.after(MILLISECOND, |cx| cx.shared.push("second"));
    });
    own.set(Some(first));
    let mut order = Vec::new();
    run(&mut event_loop, &mut order);
    assert_eq!(order, ["first", "second"]);
}
