//! The wheel against a naive model, and its guarantees one by one.

use std::collections::{BTreeMap, HashMap, VecDeque};

use super::*;

/// What the wheel must do, said as plainly as possible: a sorted map, and a queue of what is due.
struct Model {
    now: u64,
    armings: u64,
    waiting: BTreeMap<(u64, u64), u64>,
    due: VecDeque<(u64, u64)>,
    /// Deadline and arming number of every payload that is armed.
    armed: HashMap<u64, (u64, u64)>,
}

impl Model {
    fn new(now: u64) -> Self {
        Self {
            now,
            armings: 0,
            waiting: BTreeMap::new(),
            due: VecDeque::new(),
            armed: HashMap::new(),
        }
    }

    fn arm(&mut self, deadline: u64, payload: u64) {
        self.armings += 1;
        self.waiting.insert((deadline, self.armings), payload);
        self.armed.insert(payload, (deadline, self.armings));
    }

    fn cancel(&mut self, payload: u64) -> Option<u64> {
        let key = self.armed.remove(&payload)?;
        if self.waiting.remove(&key).is_none() {
            self.due.retain(|(_, due)| *due != payload);
        }
        Some(payload)
    }

    fn rearm(&mut self, payload: u64, deadline: u64) -> bool {
        let alive = self.cancel(payload).is_some();
        if alive {
            self.arm(deadline, payload);
        }
        alive
    }

    fn advance(&mut self, now: u64) {
        self.now = self.now.max(now);
        while let Some(first) = self.waiting.first_entry() {
            let (deadline, _) = *first.key();
            if deadline > self.now || deadline == NEVER {
                break;
            }
            self.due.push_back((deadline, first.remove()));
        }
    }

    fn next_due(&mut self) -> Option<u64> {
        let (_, payload) = self.due.pop_front()?;
        self.armed.remove(&payload);
        Some(payload)
    }

    fn next_deadline(&self) -> Option<u64> {
        if !self.due.is_empty() {
            return Some(self.now);
        }
        let (&(deadline, _), _) = self.waiting.first_key_value()?;
        (deadline != NEVER).then_some(deadline.max(self.now))
    }
}

/// Distances from nothing to the end of time, small ones and round ones more often than chance would have them.
fn random_gap(random: &mut fastrand::Rng) -> u64 {
    const HOUR: u64 = 3_600_000;
    const YEAR: u64 = 366 * 24 * HOUR;
    match random.u8(0..16) {
        0 | 1 => 0,
        2..=4 => random.u64(0..4),
        5..=7 => random.u64(0..130),
        8 | 9 => random.u64(0..10_000),
        10 => 30_000,
        11 => random.u64(0..HOUR),
        12 => random.u64(0..YEAR),
        13 => 1 << random.u32(0..64),
        14 => (1 << random.u32(0..64)) - 1,
        _ => random.u64(..) >> random.u32(0..64),
    }
}

/// Runs random operations on wheel and model and compares every answer.
///
/// `target` is how many timers it tends to hold: up to sixteen the wheel promises exact deadlines whatever was
/// cancelled, with many more its slots are crowded.
fn compare_with_model(seed: u64, start: u64, operations: usize, target: usize) {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut model = Model::new(start);
    let mut wheel = Wheel::new(start);
    let mut alarms: Vec<(Alarm, u64)> = Vec::new();
    let mut dead: Option<(Alarm, u64)> = None;
    let mut payloads = 0;
    for operation in 0..operations {
        let at = format_args!("seed {seed}, start {start}, operation {operation}").to_string();
        let pick = random.usize(..alarms.len().max(1));
        let chosen = alarms.get(pick).copied();
        match random.u8(0..20) {
            0..=6 if alarms.len() < target => {
                let gap = random_gap(&mut random);
                let deadline = match random.u8(0..16) {
                    0 => model.now.saturating_sub(gap),
                    1 => NEVER,
                    // Ties with a timer that was armed before, maybe on another level.
                    2 | 3 => chosen.map_or(NEVER - 1, |(_, payload)| model.armed[&payload].0),
                    _ => model.now.saturating_add(gap),
                };
                payloads += 1;
                model.arm(deadline, payloads);
                alarms.push((wheel.arm(deadline, payloads), payloads));
            }
            0..=9 => {
                let Some((alarm, payload)) = chosen else {
                    continue;
                };
                assert_eq!(wheel.cancel(alarm), model.cancel(payload), "{at}");
                dead = Some(alarms.swap_remove(pick));
            }
            10..=12 => {
                let Some((alarm, payload)) = chosen else {
                    continue;
                };
                let gap = random_gap(&mut random);
                let deadline = match random.u8(0..8) {
                    0 => model.now.saturating_sub(gap),
                    1 => model.armed[&payload].0,
                    _ => model.now.saturating_add(gap),
                };
                assert_eq!(
                    wheel.rearm(alarm, deadline),
                    model.rearm(payload, deadline),
                    "{at}"
                );
            }
            13 => {
                let Some((alarm, _)) = dead else { continue };
                assert_eq!(wheel.cancel(alarm), None, "{at}");
                assert!(!wheel.rearm(alarm, start), "{at}");
                assert_eq!(wheel.deadline(alarm), None, "{at}");
            }
            14..=16 => {
                let small = random.u8(0..8) != 0;
                let now = match random.u8(0..8) {
                    0 => model.now.saturating_sub(random_gap(&mut random)),
                    1..=3 => wheel.next_deadline().unwrap_or(model.now),
                    _ if small => model.now.saturating_add(random.u64(0..200)),
                    // Years at a time, but not so often that the end of time is soon reached.
                    _ => model
                        .now
                        .saturating_add(random_gap(&mut random) >> random.u32(0..48)),
                };
                wheel.advance(now);
                model.advance(now);
            }
            _ => {
                for _ in 0..random.usize(0..8) {
                    let popped = wheel.next_due();
                    assert_eq!(popped.map(|(_, payload)| payload), model.next_due(), "{at}");
                    let Some(popped) = popped else { break };
                    let position = alarms.iter().position(|armed| *armed == popped);
                    dead = Some(alarms.swap_remove(position.expect("popped alarms were armed")));
                }
            }
        }
        assert_eq!(wheel.len(), model.armed.len(), "{at}");
        assert_eq!(wheel.is_empty(), model.armed.is_empty(), "{at}");
        if let Some(&(alarm, payload)) = alarms.last() {
            assert_eq!(wheel.deadline(alarm), Some(model.armed[&payload].0), "{at}");
        }
        let (promised, exact) = (wheel.next_deadline(), model.next_deadline());
        if target <= SEARCH_LIMIT {
            assert_eq!(promised, exact, "{at}");
        } else {
            assert_eq!(promised.is_some(), exact.is_some(), "{at}");
            assert!(promised <= exact, "too late: {at}");
            assert!(
                promised.is_none_or(|tick| tick >= model.now),
                "in the past: {at}"
            );
        }
    }
}

const STARTS: [u64; 16] = [
    0,
    1,
    (1 << 16) - 100,
    1 << 16,
    (1 << 31) - 100,
    (1 << 32) - 100,
    1 << 32,
    (1 << 36) - 100,
    1 << 36,
    (1 << 48) - 100,
    1 << 48,
    (1 << 60) - 100,
    u64::MAX / 3,
    u64::MAX - (1 << 40),
    u64::MAX - 1_000,
    u64::MAX,
];

#[test]
fn does_what_the_model_does_with_few_timers_and_names_every_deadline_exactly() {
    for (seed, start) in (0..).zip(STARTS) {
        for round in 0..20 {
            compare_with_model(seed * 100 + round, start, 2_000, SEARCH_LIMIT);
        }
    }
}

#[test]
fn does_what_the_model_does_with_many_timers() {
    for (seed, start) in (10_000..).zip(STARTS) {
        for round in 0..15 {
            compare_with_model(seed * 100 + round, start, 2_000, 300);
        }
    }
}

/// Pops everything that is due.
fn drain<T: Copy>(wheel: &mut Wheel<T>) -> Vec<T> {
    std::iter::from_fn(|| wheel.next_due())
        .map(|(_, payload)| payload)
        .collect()
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
fn what_is_armed_for_now_while_popping_waits_for_the_next_advance() {
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
fn what_is_due_can_be_cancelled_and_rearmed_until_it_is_popped() {
    let mut wheel = Wheel::new(0);
    let alarms = ["kept", "cancelled", "rearmed", "last"].map(|payload| wheel.arm(5, payload));
    wheel.advance(7);
    assert_eq!(wheel.cancel(alarms[1]), Some("cancelled"));
    assert!(wheel.rearm(alarms[2], 100));
    assert_eq!(wheel.deadline(alarms[3]), Some(5));
    assert_eq!(wheel.next_deadline(), Some(7));
    assert_eq!(drain(&mut wheel), ["kept", "last"]);
    assert_eq!(wheel.next_deadline(), Some(100));
    wheel.advance(100);
    assert_eq!(wheel.next_due(), Some((alarms[2], "rearmed")));
}

#[test]
fn what_was_left_unpopped_goes_before_what_falls_due_later() {
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
fn a_dead_alarm_never_reaches_a_later_timer() {
    let mut wheel = Wheel::new(0);
    let cancelled = wheel.arm(5, 'a');
    wheel.cancel(cancelled);
    let popped = wheel.arm(5, 'b');
    wheel.advance(5);
    assert_eq!(wheel.next_due(), Some((popped, 'b')));
    let alive = wheel.arm(9, 'c');
    for dead in [cancelled, popped] {
        assert_eq!(dead.index, alive.index, "the memory is the same");
        assert_eq!(wheel.cancel(dead), None);
        assert!(!wheel.rearm(dead, 1));
        assert_eq!(wheel.deadline(dead), None);
    }
    assert_eq!(wheel.deadline(alive), Some(9));
}

#[test]
fn an_entry_is_retired_before_its_alarms_repeat() {
    let mut wheel = Wheel::new(0);
    let first = wheel.arm(5, ());
    let generation = NonZeroU32::new(u32::MAX - 1).expect("not zero");
    wheel.entries[0].generation = generation;
    let last = Alarm {
        generation,
        ..first
    };
    assert_eq!(wheel.cancel(last), Some(()));
    assert_eq!(wheel.arm(5, ()).index, 1);
    assert_eq!(wheel.cancel(last), None);
}

#[test]
fn a_loop_that_sleeps_until_the_next_deadline_wakes_only_to_fire() {
    let mut wheel = Wheel::new(0);
    // One per slot size, and two that share a slot on a high level.
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
fn in_a_crowded_slot_a_cancelled_first_deadline_costs_a_loop_one_early_wake() {
    let mut wheel = Wheel::new(0);
    let first = wheel.arm(8_192, 8_192);
    for deadline in 9_000..9_100 {
        wheel.arm(deadline, deadline);
    }
    assert_eq!(wheel.next_deadline(), Some(8_192));
    wheel.cancel(first);
    wheel.advance(wheel.next_deadline().expect("a hundred timers are armed"));
    assert!(wheel.next_due().is_none());
    assert_eq!(wheel.next_deadline(), Some(9_000));
}

#[test]
fn churn_at_a_size_reached_before_does_not_allocate() {
    let mut random = fastrand::Rng::with_seed(7);
    let mut wheel = Wheel::new(0);
    let mut alarms: Vec<Alarm> = (0..1_000)
        .map(|payload| wheel.arm(payload, payload))
        .collect();
    wheel.advance(0);
    let held = |wheel: &Wheel<u64>| {
        (
            wheel.entries.capacity(),
            wheel.free.capacity(),
            wheel.overdue_order.capacity(),
        )
    };
    while let Some(alarm) = alarms.pop() {
        wheel.cancel(alarm);
    }
    let before = held(&wheel);
    for round in 0..50 {
        for payload in 0..1_000 {
            alarms.push(wheel.arm(wheel.now + random.u64(1..100_000), payload));
        }
        for alarm in alarms.drain(..) {
            wheel.rearm(alarm, random.u64(wheel.now + 1..wheel.now + 1_000_000));
            if random.bool() {
                wheel.cancel(alarm);
            }
        }
        wheel.advance((round + 1) * 2_000_000);
        drain(&mut wheel);
        assert!(wheel.is_empty());
    }
    assert_eq!(held(&wheel), before);
}

#[test]
fn a_timer_takes_32_bytes_and_an_optional_alarm_8() {
    assert_eq!(size_of::<Entry<u64>>(), 32);
    assert_eq!(size_of::<Option<Alarm>>(), 8);
}
