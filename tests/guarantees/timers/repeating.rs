//! Timers that repeat.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use netloop::{LoopContext, Wait};

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
