//! The guarantees of the wheel, one test each. [`model`] compares the wheel with a naive model.

mod model;

use self::model::STARTS;
use super::*;

fn drain<T: Copy>(wheel: &mut Wheel<T>) -> Vec<T> {
    std::iter::from_fn(|| wheel.next_due())
        .map(|(_, payload)| payload)
        .collect()
}

#[test]
fn the_next_deadline_is_that_of_the_earliest_timer_left() {
    let mut wheel = Wheel::new(1_000);
    let connect = wheel.arm(1_250, "connect");
    wheel.arm(31_000, "idle");
    wheel.arm(NEVER, "paused");
    assert_eq!(wheel.next_deadline(), Some(1_250));
    assert_eq!(wheel.cancel(connect), Some("connect"));
    assert_eq!(wheel.next_deadline(), Some(31_000));
    wheel.advance(31_000);
    assert_eq!(drain(&mut wheel), ["idle"]);
    assert_eq!(wheel.next_deadline(), None);
    assert_eq!(wheel.len(), 1, "one never fires");
}

#[test]
fn same_deadline_fires_in_arming_order_across_levels() {
    let deadline = 5 * 262_144 + 7;
    let mut wheel = Wheel::new(0);
    wheel.arm(deadline, 0);
    let mut expected = vec![0];
    for (payload, before) in (1..).zip([300_000, 70_000, 4_000, 100, 64, 63, 1]) {
        wheel.advance(deadline - before);
        wheel.arm(deadline, payload);
        expected.push(payload);
    }
    wheel.advance(deadline);
    assert_eq!(drain(&mut wheel), expected);
}

#[test]
fn a_jump_over_all_of_time_fires_everything_in_order() {
    for start in [0, 1 << 32, u64::MAX - (1 << 40)] {
        let mut wheel = Wheel::new(start);
        let never = wheel.arm(NEVER, NEVER);
        let mut expected: Vec<u64> = (0..64).map(|bit| start.saturating_add(1 << bit)).collect();
        expected.retain(|deadline| *deadline != NEVER);
        for deadline in expected.iter().rev() {
            wheel.arm(*deadline, *deadline);
        }
        wheel.advance(u64::MAX);
        assert_eq!(drain(&mut wheel), expected, "start {start}");
        assert_eq!(wheel.next_deadline(), None, "start {start}");
        assert_eq!(wheel.cancel(never), Some(NEVER), "start {start}");
    }
}

#[test]
fn nothing_fires_a_tick_early() {
    for start in STARTS {
        for bit in 0..64 {
            let Some(deadline) = start.checked_add(1 << bit).filter(|tick| *tick != NEVER) else {
                break;
            };
            let mut wheel = Wheel::new(start);
            wheel.arm(deadline, ());
            wheel.advance(deadline - 1);
            assert!(
                wheel.next_due().is_none(),
                "start {start}, deadline {deadline}"
            );
            wheel.advance(deadline);
            assert!(
                wheel.next_due().is_some(),
                "start {start}, deadline {deadline}"
            );
        }
    }
}

#[test]
fn a_timer_armed_for_now_while_popping_waits_an_advance() {
    let mut wheel = Wheel::new(10);
    wheel.arm(20, "first");
    wheel.advance(20);
    wheel.arm(20, "now");
    wheel.arm(15, "long past");
    assert_eq!(drain(&mut wheel), ["first"]);
    assert_eq!(wheel.next_deadline(), Some(20));
    wheel.advance(20);
    assert_eq!(drain(&mut wheel), ["long past", "now"]);
}

#[test]
fn a_due_timer_can_be_cancelled_or_rearmed_until_popped() {
    let mut wheel = Wheel::new(0);
    let handles = ["kept", "cancelled", "rearmed", "last"].map(|payload| wheel.arm(5, payload));
    wheel.advance(7);
    assert_eq!(wheel.cancel(handles[1]), Some("cancelled"));
    assert!(wheel.rearm(handles[2], 100));
    assert_eq!(wheel.deadline(handles[3]), Some(5));
    assert_eq!(wheel.next_deadline(), Some(7));
    assert_eq!(drain(&mut wheel), ["kept", "last"]);
    assert_eq!(wheel.next_deadline(), Some(100));
    wheel.advance(100);
    assert_eq!(wheel.next_due(), Some((handles[2], "rearmed")));
}

#[test]
fn unpopped_timers_precede_later_ones() {
    let mut wheel = Wheel::new(0);
    wheel.arm(5, 1);
    wheel.arm(9, 2);
    wheel.advance(9);
    wheel.arm(3, 3);
    wheel.arm(12, 4);
    wheel.advance(12);
    assert_eq!(drain(&mut wheel), [1, 2, 3, 4]);
}

#[test]
fn a_clock_that_goes_back_is_ignored() {
    let mut wheel = Wheel::new(1_000);
    wheel.arm(1_005, "later");
    wheel.arm(990, "past");
    wheel.advance(3);
    assert_eq!(drain(&mut wheel), ["past"]);
    assert_eq!(wheel.next_deadline(), Some(1_005));
    wheel.advance(1_005);
    assert_eq!(drain(&mut wheel), ["later"]);
}

#[test]
fn a_dead_handle_never_reaches_a_later_timer() {
    let mut wheel = Wheel::new(0);
    let cancelled = wheel.arm(5, 'a');
    wheel.cancel(cancelled);
    let popped = wheel.arm(5, 'b');
    wheel.advance(5);
    assert_eq!(wheel.next_due(), Some((popped, 'b')));
    let alive = wheel.arm(9, 'c');
    for dead in [cancelled, popped] {
        assert_eq!(dead.number, alive.number, "the memory is the same");
        assert_eq!(wheel.cancel(dead), None);
        assert!(!wheel.rearm(dead, 1));
        assert_eq!(wheel.deadline(dead), None);
    }
    assert_eq!(wheel.deadline(alive), Some(9));
}

#[test]
fn sleeping_to_the_next_deadline_wakes_only_to_fire() {
    let mut wheel = Wheel::new(0);
    let deadlines = [3, 100, 5_000, 300_000, 400_000, 20_000_000, 1 << 40];
    for deadline in deadlines {
        wheel.arm(deadline, deadline);
    }
    let mut woken = Vec::new();
    while let Some(tick) = wheel.next_deadline() {
        wheel.advance(tick);
        assert_eq!(drain(&mut wheel), [tick]);
        woken.push(tick);
    }
    assert_eq!(woken, deadlines);
}

#[test]
fn a_cancel_in_a_crowded_bucket_costs_one_early_wake() {
    let mut wheel = Wheel::new(0);
    let first = wheel.arm(8_192, 8_192);
    for deadline in 8_300..8_400 {
        wheel.arm(deadline, deadline);
    }
    assert_eq!(wheel.next_deadline(), Some(8_192));
    wheel.cancel(first);
    wheel.advance(wheel.next_deadline().expect("a hundred timers are armed"));
    assert!(wheel.next_due().is_none());
    assert_eq!(wheel.next_deadline(), Some(8_300));
}

#[test]
fn endless_rearming_leaves_bounded_stale_cells() {
    for count in [1, 2, 15, 16, 300] {
        let mut wheel = Wheel::new(1_000);
        let handles: Vec<TimerHandle> = (0..count)
            .map(|payload| wheel.arm(5_000, payload))
            .collect();
        let chunks = wheel.chains.capacity();
        // Timers move within a bucket, from list to list, and within `overdue`. No `advance` comes between the moves.
        for deadlines in [[5_000, 5_001], [5_000, 900_000], [7, 8], [NEVER, 5_000]] {
            for round in 0..1_000 {
                for &handle in &handles {
                    assert!(wheel.rearm(handle, deadlines[round % 2]));
                }
            }
        }
        assert_eq!(wheel.chains.capacity(), chunks, "{count} timers");
        wheel.advance(5_000);
        assert_eq!(drain(&mut wheel), (0..count).collect::<Vec<_>>());
    }
}

#[test]
fn the_next_deadline_of_the_sixteen_that_are_left_is_exact() {
    let mut wheel = Wheel::new(0);
    let kept = 8_192 + u64::from(SEARCH_LIMIT);
    let handles: Vec<TimerHandle> = (8_192..8_448)
        .rev()
        .map(|tick| wheel.arm(tick, ()))
        .collect();
    for &handle in &handles {
        let deadline = wheel.deadline(handle).expect("it is armed");
        if deadline >= kept {
            wheel.cancel(handle);
        }
    }
    for (deadline, &handle) in (8_192..kept).zip(handles.iter().rev()) {
        assert_eq!(wheel.next_deadline(), Some(deadline));
        wheel.cancel(handle);
    }
    assert_eq!(wheel.next_deadline(), None);
}

#[test]
fn a_far_bucket_that_lost_its_first_timer_is_exact_in_turn() {
    let mut wheel = Wheel::new(0);
    let near = wheel.arm(300, 300);
    let first = wheel.arm(8_200, 8_200);
    wheel.arm(8_210, 8_210);
    wheel.cancel(first);
    assert_eq!(wheel.next_deadline(), Some(300));
    wheel.rearm(near, 8_220);
    assert_eq!(wheel.next_deadline(), Some(8_210));
    let nearer = wheel.arm(20, 20);
    wheel.advance(20);
    assert_eq!(wheel.next_due(), Some((nearer, 20)));
    assert_eq!(wheel.next_deadline(), Some(8_210));
}

#[test]
fn a_bucket_compacted_before_its_turn_names_its_earliest() {
    let mut wheel = Wheel::new(0);
    let near = wheel.arm(10, 0);
    let first = wheel.arm(520, 1);
    wheel.arm(700, 2);
    let mover = wheel.arm(5_000, 3);
    wheel.arm(5_060, 4);
    // This bucket is not the nearest, so the wheel does not look for its new earliest deadline yet.
    wheel.cancel(first);
    // Each step leaves one stale cell. In fewer than 600 steps the chunks are used up, and all lists are compacted.
    for step in 0..600 {
        wheel.rearm(mover, 5_000 + step % 50);
    }
    wheel.cancel(near);
    assert_eq!(wheel.next_deadline(), Some(700));
}

#[test]
fn a_timer_takes_45_bytes_among_10000_and_39_among_a_million() {
    for (count, most) in [(10_000_u32, 45), (1_000_000, 39)] {
        let mut wheel = Wheel::new(0);
        for payload in 0..count {
            wheel.arm(u64::from(payload) * 7_919 % 60_000 + 1, [0_u32; 3]);
        }
        let tables = wheel.entries.capacity() * 28 + wheel.chains.capacity() * 64;
        let bytes = tables + size_of_val(&*wheel.lists) + size_of::<Batch>();
        assert!(bytes < most * count as usize, "{bytes} bytes for {count}");
    }
}

fn held_bytes<T: Copy>(wheel: &Wheel<T>) -> usize {
    wheel.entries.held_bytes()
        + wheel.chains.capacity() * 64
        + wheel.overdue_order.capacity() * size_of::<(u64, usize, u32)>()
}

#[test]
fn a_wheel_gives_back_a_spike_and_its_handles_stay_dead() {
    let mut random = fastrand::Rng::with_seed(3);
    let mut wheel = Wheel::new(0);
    let survivor = wheel.arm(50_000, 0_u64);
    let mut dead = Vec::new();
    for spike in 1..=3 {
        let handles: Vec<TimerHandle> = (0..100_000)
            .map(|_| wheel.arm(wheel.levels.now + random.u64(0..60), 1))
            .collect();
        assert!(
            handles
                .iter()
                .all(|&handle| wheel.deadline(handle).is_some())
        );
        wheel.advance(spike * 100);
        assert_eq!(drain(&mut wheel).len(), 100_000);
        assert!(wheel.has_slack());
        wheel.shrink();
        assert!(!wheel.has_slack());
        let bytes = held_bytes(&wheel);
        assert!(bytes < 15_000, "{bytes} bytes after spike {spike}");
        dead.extend(handles);
    }
    wheel.arm(60_000, 2);
    for handle in dead {
        assert_eq!(wheel.cancel(handle), None);
    }
    assert_eq!(wheel.deadline(survivor), Some(50_000));
    wheel.advance(60_000);
    assert_eq!(drain(&mut wheel), [0, 2]);
}

#[test]
fn survivors_at_random_places_keep_the_entries_before_them() {
    let mut random = fastrand::Rng::with_seed(4);
    let mut wheel = Wheel::new(0);
    let handles: Vec<TimerHandle> = (0..100_000)
        .map(|payload| wheel.arm(random.u64(1..1_000_000), [payload; 3]))
        .collect();
    let before = held_bytes(&wheel);
    for handle in handles {
        if random.u8(0..100) > 0 {
            wheel.cancel(handle);
        }
    }
    wheel.shrink();
    // An entry cannot move, because its number is in the handle. Only the entries after the last survivor are freed,
    // and unused capacity, which is at most a sixteenth of the table.
    let after = held_bytes(&wheel);
    assert!(after < before, "{after} of {before} bytes are left");
    assert!(wheel.len() > 800);
    let (mut deadline, mut fired) = (0, 0);
    wheel.advance(1_000_000);
    while let Some((handle, _)) = wheel.next_due() {
        assert!(wheel.deadline_of_popped(handle) >= deadline);
        deadline = wheel.deadline_of_popped(handle);
        fired += 1;
    }
    assert!(fired > 800);
    wheel.shrink();
    assert!(held_bytes(&wheel) < 15_000);
}

#[test]
fn churn_at_a_size_reached_before_does_not_allocate() {
    let mut random = fastrand::Rng::with_seed(7);
    let mut wheel = Wheel::new(0);
    let mut handles: Vec<TimerHandle> = (0..1_000)
        .map(|payload| wheel.arm(payload, payload))
        .collect();
    wheel.advance(0);
    let held = |wheel: &Wheel<u64>| {
        (
            wheel.entries.capacity(),
            wheel.chains.capacity(),
            wheel.overdue_order.capacity(),
        )
    };
    while let Some(handle) = handles.pop() {
        wheel.cancel(handle);
    }
    let before = held(&wheel);
    for round in 0..50 {
        for payload in 0..1_000 {
            handles.push(wheel.arm(wheel.levels.now + random.u64(1..100_000), payload));
        }
        for handle in handles.drain(..) {
            wheel.rearm(
                handle,
                random.u64(wheel.levels.now + 1..wheel.levels.now + 1_000_000),
            );
            if random.bool() {
                wheel.cancel(handle);
            }
        }
        wheel.advance((round + 1) * 2_000_000);
        drain(&mut wheel);
        assert!(wheel.is_empty());
    }
    assert_eq!(held(&wheel), before);
}
