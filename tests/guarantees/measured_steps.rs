//! The longest step of a budget, by a clock of the host.

use std::cell::Cell;
use std::time::Duration;

use netloop::{Budget, EventLoop, SocketOptions, Wait};

use crate::support::{PATIENCE, Recorder, Scene};

thread_local! {
    /// The clock of the steps, which the callbacks move.
    static TIME: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

fn pass(milliseconds: u64) {
    TIME.set(TIME.get() + Duration::from_millis(milliseconds));
}

/// Makes turns within `budget` until nothing is left, and returns the longest step.
fn longest_step(event_loop: &mut EventLoop, budget: Budget) -> Duration {
    event_loop.reset_peaks();
    assert_eq!(event_loop.statistics().longest_step, Duration::ZERO);
    for milliseconds in [3, 7, 2] {
        event_loop.defer(move |_| pass(milliseconds));
    }
    while event_loop.turn(&mut (), Wait::No, budget).unwrap().more {}
    event_loop.statistics().longest_step
}

#[test]
fn the_longest_step_of_a_budget_is_measured_by_the_hosts_clock() {
    let mut event_loop: EventLoop = EventLoop::new().unwrap();
    let budgets = [
        Budget::new().steps(1),
        Budget::new().steps(10),
        Budget::new().bytes(10),
        Budget::new().time(PATIENCE),
    ];
    for budget in budgets {
        let unasked = longest_step(&mut event_loop, budget);
        assert_eq!(unasked, Duration::ZERO, "{budget:?}");
    }
    event_loop.measure_steps(|| TIME.get());
    for budget in budgets {
        let longest = longest_step(&mut event_loop, budget);
        assert_eq!(longest, Duration::from_millis(7), "{budget:?}");
    }
    let unlimited = longest_step(&mut event_loop, Budget::new());
    assert_eq!(unlimited, Duration::ZERO);
}

#[test]
fn each_send_of_a_flush_is_a_step() {
    const SOCKETS: usize = 5;
    let mut scene = Scene::new();
    let mut peers = Vec::new();
    for number in 0..SOCKETS {
        let recorder = Recorder::new(format!("{number}"));
        let (id, peer) = scene.adopted(SocketOptions::new(), recorder);
        peers.push((id, peer));
    }
    for &(id, _) in &peers {
        let _ = scene.socket(id).write(b"!");
    }
    // A clock that moves by 1 ms whenever it is read.
    scene.event_loop.measure_steps(|| {
        pass(1);
        TIME.get()
    });
    let begun = TIME.get();
    assert!(!scene.event_loop.flush(Budget::new().time(PATIENCE)));
    let readings = u32::try_from(SOCKETS).unwrap() + 2;
    assert_eq!(TIME.get() - begun, Duration::from_millis(1) * readings);
    let longest = scene.event_loop.statistics().longest_step;
    assert_eq!(longest, Duration::from_millis(1));
}
