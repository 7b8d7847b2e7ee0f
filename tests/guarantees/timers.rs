//! Timers: never early, in order, once, and what may be done within them (libuv's tests of timers; I8, E1, E3).

mod repeating;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use netloop::{Budget, EventLoop, LoopContext, TimerId, Wait};

use crate::support::{PATIENCE, spend};

const MILLISECOND: Duration = Duration::from_millis(1);

/// The longest that libuv can be asked for, and far more than it can.
const HUGE: [Duration; 4] = [
    Duration::from_millis((1 << 48) - 1),
    Duration::from_millis(u64::MAX),
    Duration::from_secs(u64::MAX),
    Duration::MAX,
];

fn new_loop<S>() -> EventLoop<S> {
    EventLoop::new().unwrap()
}

/// Runs until nothing is left, and fails if that takes too long.
fn run<S>(event_loop: &mut EventLoop<S>, shared: &mut S) {
    let guard = event_loop.after(PATIENCE, |_| panic!("run does not end"));
    event_loop.timer(guard).release();
    event_loop.run(shared).unwrap();
    event_loop.timer(guard).cancel();
}

fn turn<S>(event_loop: &mut EventLoop<S>, shared: &mut S, wait: Wait) -> netloop::Turn {
    event_loop.turn(shared, wait, Budget::new()).unwrap()
}

// libuv's timer_early_check.
#[test]
fn no_timer_is_ever_early() {
    let mut event_loop = new_loop();
    let mut random = fastrand::Rng::with_seed(1);
    for _ in 0..500 {
        let asked = Duration::from_micros(random.u64(0..30_000));
        let armed = Instant::now();
        event_loop.after(asked, move |cx: &mut LoopContext<'_, Vec<_>>| {
            cx.shared.push((asked, armed.elapsed()));
        });
        if random.u32(0..50) == 0 {
            spend(Duration::from_micros(random.u64(0..1_000)));
        }
    }
    let mut fired = Vec::new();
    run(&mut event_loop, &mut fired);
    assert_eq!(fired.len(), 500);
    for (asked, waited) in fired {
        assert!(
            waited >= asked,
            "asked for {asked:?}, came after {waited:?}"
        );
    }
}

// I8: the turn's reading of the clock is old by then.
#[test]
fn a_timer_armed_late_in_a_long_callback_counts_from_then() {
    let mut event_loop = new_loop();
    event_loop.defer(|cx: &mut LoopContext<'_, Option<Duration>>| {
        spend(MILLISECOND * 20);
        let armed = Instant::now();
        cx.after(MILLISECOND * 10, move |cx| {
            *cx.shared = Some(armed.elapsed())
        });
    });
    let mut waited = None;
    run(&mut event_loop, &mut waited);
    assert!(
        waited.is_some_and(|waited| waited >= MILLISECOND * 10),
        "{waited:?}"
    );
}

// libuv's timer, made faster.
#[test]
fn one_shots_come_once_and_repeating_timers_until_cancelled() {
    #[derive(Default)]
    struct Counts {
        once: [u32; 10],
        repeats: u32,
    }
    let mut event_loop = new_loop();
    let begun = Instant::now();
    for number in 0..10_usize {
        let after = MILLISECOND * 5 * u32::try_from(number).unwrap();
        let id = Rc::new(Cell::new(None));
        let own = Rc::clone(&id);
        let armed = event_loop.after(after, move |cx: &mut LoopContext<'_, Counts>| {
            cx.shared.once[number] += 1;
            let own: TimerId = own.get().unwrap();
            assert_eq!(
                cx.timer(own).due_at(),
                None,
                "it is over within its own call"
            );
            assert!(!cx.timer(own).cancel());
        });
        id.set(Some(armed));
    }
    let own = Rc::new(Cell::new(None));
    let id = Rc::clone(&own);
    let repeating = event_loop.every(MILLISECOND * 10, move |cx: &mut LoopContext<'_, Counts>| {
        cx.shared.repeats += 1;
        let id: TimerId = id.get().unwrap();
        assert!(
            cx.timer(id).due_at().is_some(),
            "it is active within its own call"
        );
        if cx.shared.repeats == 5 {
            assert!(cx.timer(id).cancel());
            assert_eq!(cx.timer(id).due_at(), None);
        }
    });
    own.set(Some(repeating));
    let cancelled = event_loop.after(MILLISECOND, |_| panic!("it was cancelled"));
    assert!(event_loop.timer(cancelled).cancel());
    assert!(!event_loop.timer(cancelled).cancel(), "once is enough");

    let mut counts = Counts::default();
    run(&mut event_loop, &mut counts);
    assert_eq!(counts.once, [1; 10]);
    assert_eq!(counts.repeats, 5);
    assert!(begun.elapsed() >= MILLISECOND * 50);
}

// libuv's timer_order; E3.
#[test]
fn timers_of_the_same_length_fire_in_the_order_of_arming() {
    let mut event_loop = new_loop();
    for number in 0..1_000 {
        event_loop.after(MILLISECOND * 3, move |cx: &mut LoopContext<'_, Vec<_>>| {
            cx.shared.push(number);
        });
    }
    let mut order = Vec::new();
    run(&mut event_loop, &mut order);
    assert!(order.is_sorted(), "{order:?}");
    assert_eq!(order.len(), 1_000);
}

#[test]
fn overdue_timers_fire_in_the_order_of_their_deadlines() {
    let mut event_loop = new_loop();
    let mut random = fastrand::Rng::with_seed(2);
    for _ in 0..300 {
        // Far apart enough that the order of arming does not matter.
        let after = MILLISECOND * 50 * random.u32(0..4);
        event_loop.after(after, move |cx: &mut LoopContext<'_, Vec<_>>| {
            cx.shared.push(after);
        });
    }
    spend(MILLISECOND * 160);
    let mut order = Vec::new();
    let turn = turn(&mut event_loop, &mut order, Wait::No);
    assert_eq!(turn.timers, 300);
    assert!(order.is_sorted(), "{order:?}");
}

// libuv's timer_zero_timeout; B13.
#[test]
fn a_timer_that_rearms_itself_without_delay_comes_once_a_turn() {
    fn again(cx: &mut LoopContext<'_, u32>) {
        *cx.shared += 1;
        cx.after(Duration::ZERO, again);
    }
    let mut event_loop = new_loop();
    event_loop.after(Duration::ZERO, again);
    let mut count = 0;
    let mut fired = 0;
    while fired < 20 {
        let turn = turn(&mut event_loop, &mut count, Wait::For(MILLISECOND * 50));
        assert!(turn.timers <= 1);
        fired += turn.timers;
        assert_eq!(count, fired);
    }
}

// The same, for a clock that has moved on within the callback.
#[test]
fn a_due_timer_armed_in_a_callback_waits_for_the_next_turn() {
    let mut event_loop = new_loop();
    event_loop.after(Duration::ZERO, |cx: &mut LoopContext<'_, Vec<_>>| {
        cx.shared.push("first");
        cx.after(Duration::ZERO, |cx| cx.shared.push("second"));
        spend(MILLISECOND * 3);
    });
    spend(MILLISECOND * 2);
    let mut order = Vec::new();
    turn(&mut event_loop, &mut order, Wait::No);
    assert_eq!(order, ["first"]);
    turn(&mut event_loop, &mut order, Wait::No);
    assert_eq!(order, ["first", "second"]);
}

// libuv's timer_huge_timeout; E1.
#[test]
fn timers_beyond_the_range_of_the_clock_never_come() {
    let mut event_loop = new_loop();
    let armed: Vec<TimerId> = HUGE
        .into_iter()
        .flat_map(|huge| {
            [
                event_loop.after(huge, |_| panic!("a timer far away")),
                event_loop.every(huge, |_| panic!("a period far too long")),
            ]
        })
        .collect();
    let expected = Instant::now().checked_add(HUGE[0]);
    let due = event_loop.timer(armed[0]).due_at();
    assert_eq!(due.is_some(), expected.is_some());
    assert_eq!(
        event_loop.timer(armed[6]).due_at(),
        None,
        "it is beyond the clock"
    );

    let mut fired = 0;
    event_loop.after(MILLISECOND, |cx: &mut LoopContext<'_, u32>| *cx.shared += 1);
    while fired == 0 {
        turn(&mut event_loop, &mut fired, Wait::Forever);
    }
    for id in armed {
        assert!(event_loop.timer(id).cancel());
    }
    assert!(!event_loop.is_alive());
    assert_eq!(event_loop.poll_timeout(), None);
}

// libuv's timer_run_once.
#[test]
fn a_turn_that_waits_for_ever_waits_for_a_timer() {
    let mut event_loop = new_loop();
    for after in [Duration::ZERO, MILLISECOND, MILLISECOND * 20] {
        event_loop.after(after, |cx: &mut LoopContext<'_, u32>| *cx.shared += 1);
        let mut fired = 0;
        let mut turns = 0;
        while fired == 0 {
            let turn = turn(&mut event_loop, &mut fired, Wait::Forever);
            assert_eq!(turn.alive, fired == 0);
            turns += 1;
        }
        // It waits for the deadline in one go, and not by looking again and again.
        assert!(turns <= 3, "{turns} turns for {after:?}");
    }
}

// libuv's timer_no_run_on_unref and timer_ref2.
#[test]
fn a_timer_that_does_not_hold_the_loop_is_not_waited_for() {
    let mut event_loop = new_loop();
    for after in [Duration::ZERO, PATIENCE] {
        let id = event_loop.after(after, |_| panic!("nobody waits for it"));
        event_loop.timer(id).release();
        event_loop.timer(id).release();
    }
    spend(MILLISECOND * 2);
    assert!(!event_loop.is_alive());
    event_loop.run(&mut ()).unwrap();
}

#[test]
fn a_timer_that_does_not_hold_the_loop_comes_while_others_do() {
    let mut event_loop = new_loop();
    let id = event_loop.every(MILLISECOND, |cx: &mut LoopContext<'_, u32>| {
        *cx.shared += 1;
    });
    event_loop.timer(id).release();
    // However seldom this thread runs, these hold the loop until the other has come twice.
    fn hold(cx: &mut LoopContext<'_, u32>) {
        if *cx.shared < 2 {
            cx.after(MILLISECOND, hold);
        }
    }
    event_loop.after(MILLISECOND, hold);
    let mut fired = 0;
    run(&mut event_loop, &mut fired);
    assert!(fired >= 2, "{fired}");

    event_loop.timer(id).hold();
    assert!(event_loop.is_alive());
    event_loop.timer(id).cancel();
    assert!(!event_loop.is_alive());
}

// libuv's timer_start_twice.
#[test]
fn a_timer_cancelled_and_armed_anew_comes_at_the_new_time() {
    let mut event_loop = new_loop();
    let old = event_loop.after(PATIENCE * 100, |_| panic!("the old one"));
    assert!(event_loop.timer(old).cancel());
    let new = event_loop.after(MILLISECOND, |cx: &mut LoopContext<'_, u32>| *cx.shared += 1);
    assert_ne!(old, new);
    assert!(!event_loop.timer(old).cancel(), "a dead id reaches nobody");
    let mut fired = 0;
    run(&mut event_loop, &mut fired);
    assert_eq!(fired, 1);
}

// libuv's handles that close each other.
#[test]
fn a_timer_cancelled_by_another_at_its_moment_does_not_come() {
    let mut event_loop = new_loop();
    let victims = Rc::new(RefCell::new(Vec::new()));
    for number in 0..10 {
        let others = Rc::clone(&victims);
        let id = event_loop.after(MILLISECOND, move |cx: &mut LoopContext<'_, Vec<_>>| {
            cx.shared.push(number);
            for id in others.borrow_mut().drain(..) {
                cx.timer(id).cancel();
            }
        });
        victims.borrow_mut().push(id);
    }
    spend(MILLISECOND * 3);
    let mut order = Vec::new();
    turn(&mut event_loop, &mut order, Wait::No);
    assert_eq!(order, [0], "the first cancels all others");
    assert!(!event_loop.is_alive());
}

// libuv's loop_backend_timeout.
#[test]
fn the_time_until_the_next_timer_can_be_asked() {
    let mut event_loop: EventLoop = new_loop();
    assert_eq!(event_loop.poll_timeout(), None, "nothing is left to do");
    assert_eq!(event_loop.next_deadline(), None);

    let armed = Instant::now();
    let second = event_loop.after(Duration::from_secs(1), |_| {});
    let due = event_loop.timer(second).due_at().unwrap();
    assert!(due >= armed + Duration::from_secs(1));
    assert!(due <= Instant::now() + Duration::from_secs(1) + MILLISECOND);
    assert_eq!(event_loop.next_deadline(), Some(due));
    let left = event_loop.poll_timeout().unwrap();
    assert!(left <= Duration::from_secs(1) + MILLISECOND, "{left:?}");
    assert!(armed + left + (Instant::now() - armed) >= due);

    let sooner = event_loop.after(MILLISECOND * 100, |_| {});
    assert_eq!(
        event_loop.next_deadline(),
        event_loop.timer(sooner).due_at()
    );
    event_loop.timer(sooner).cancel();
    assert_eq!(event_loop.next_deadline(), Some(due));
    event_loop.timer(second).cancel();
    assert_eq!(event_loop.poll_timeout(), None);
}

// A wheel finds deadlines by its levels; whatever it says must not be later than what is due.
#[test]
fn the_next_deadline_is_never_later_than_the_first_timer() {
    let mut event_loop: EventLoop = new_loop();
    let mut random = fastrand::Rng::with_seed(3);
    let mut armed: Vec<TimerId> = Vec::new();
    for _ in 0..2_000 {
        if armed.is_empty() || random.u32(0..3) > 0 {
            let after = Duration::from_millis(1 << random.u32(0..40));
            armed.push(event_loop.after(after, |_| {}));
        } else {
            let victim = armed.swap_remove(random.usize(0..armed.len()));
            event_loop.timer(victim).cancel();
        }
        let first = armed
            .iter()
            .filter_map(|&id| event_loop.timer(id).due_at())
            .min();
        let said = event_loop.next_deadline();
        assert!(said.is_some() == first.is_some() && said <= first, "seed 3");
    }
}

// libuv's idle_starvation; B13.
#[test]
fn calls_that_defer_themselves_for_ever_do_not_starve_a_timer() {
    fn busy(cx: &mut LoopContext<'_, bool>) {
        if !*cx.shared {
            cx.defer(busy);
        }
    }
    let mut event_loop = new_loop();
    event_loop.defer(busy);
    event_loop.after(MILLISECOND * 10, |cx| *cx.shared = true);
    let mut is_over = false;
    run(&mut event_loop, &mut is_over);
    assert!(is_over);
}
