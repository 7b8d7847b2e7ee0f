//! Compares the wheel with a naive model, by random operations.

use std::collections::{BTreeMap, HashMap, VecDeque};

use crate::wheel::list::SEARCH_LIMIT;
use crate::wheel::{NEVER, TimerHandle, Wheel};

/// A model of the wheel in the plainest code: a sorted map, and a queue of due timers.
struct Model {
    now: u64,
    armings: u64,
    waiting: BTreeMap<(u64, u64), u64>,
    due: VecDeque<(u64, u64)>,
    /// The deadline and the arming number of each armed payload.
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

/// Returns a random distance between two ticks, from zero to the greatest. Small and round distances are more frequent.
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

/// Applies random operations to the wheel and to the model. With a `target` of at most sixteen armed timers,
/// `next_deadline` must be exact, whatever was cancelled. If it is far larger, buckets hold several timers.
fn compare_with_model(seed: u64, start: u64, operations: usize, target: usize) {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut model = Model::new(start);
    let mut wheel = Wheel::new(start);
    let mut handles: Vec<(TimerHandle, u64)> = Vec::new();
    let mut dead: Vec<(TimerHandle, u64)> = Vec::new();
    let mut payloads = 0;
    let mut held = (0, 0);
    for operation in 0..operations {
        let at = format_args!("seed {seed}, start {start}, operation {operation}").to_string();
        let pick = random.usize(..handles.len().max(1));
        let chosen = handles.get(pick).copied();
        match random.u8(0..=20) {
            0..=6 if handles.len() < target => {
                let gap = random_gap(&mut random);
                let deadline = match random.u8(0..16) {
                    0 => model.now.saturating_sub(gap),
                    1 => NEVER,
                    // The deadline of an earlier timer, which may have cascaded from a higher level meanwhile.
                    2 | 3 => chosen.map_or(NEVER - 1, |(_, payload)| model.armed[&payload].0),
                    _ => model.now.saturating_add(gap),
                };
                payloads += 1;
                model.arm(deadline, payloads);
                handles.push((wheel.arm(deadline, payloads), payloads));
            }
            0..=9 => {
                let Some((handle, payload)) = chosen else {
                    continue;
                };
                assert_eq!(wheel.cancel(handle), model.cancel(payload), "{at}");
                dead.push(handles.swap_remove(pick));
            }
            10..=12 => {
                let Some((handle, payload)) = chosen else {
                    continue;
                };
                let gap = random_gap(&mut random);
                let deadline = match random.u8(0..8) {
                    0 => model.now.saturating_sub(gap),
                    1 => model.armed[&payload].0,
                    _ => model.now.saturating_add(gap),
                };
                assert_eq!(
                    wheel.rearm(handle, deadline),
                    model.rearm(payload, deadline),
                    "{at}"
                );
            }
            13 => {
                let Some(&(handle, _)) = random.choice(&dead) else {
                    continue;
                };
                assert_eq!(wheel.cancel(handle), None, "{at}");
                assert!(!wheel.rearm(handle, start), "{at}");
                assert_eq!(wheel.deadline(handle), None, "{at}");
            }
            // A shrink takes time for each timer, so most are left out.
            20 if random.u8(0..16) > 0 => {}
            20 => {
                wheel.shrink();
                held = (wheel.entries.capacity(), wheel.chains.capacity());
            }
            14..=16 => {
                let small = random.u8(0..8) != 0;
                let now = match random.u8(0..8) {
                    0 => model.now.saturating_sub(random_gap(&mut random)),
                    1..=3 => wheel.next_deadline().unwrap_or(model.now),
                    _ if small => model.now.saturating_add(random.u64(0..200)),
                    // Years at a time, but rarely, so that the greatest tick is not reached soon.
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
                    let position = handles.iter().position(|armed| *armed == popped);
                    dead.push(handles.swap_remove(position.expect("popped handles were armed")));
                }
            }
        }
        assert_eq!(wheel.len(), model.armed.len(), "{at}");
        let (timers, chunks) = (wheel.entries.capacity(), wheel.chains.capacity());
        assert!(timers > held.0 || chunks == held.1, "it grew: {at}");
        held = (timers, chunks);
        assert_eq!(wheel.is_empty(), model.armed.is_empty(), "{at}");
        if let Some(&(handle, payload)) = handles.last() {
            assert_eq!(
                wheel.deadline(handle),
                Some(model.armed[&payload].0),
                "{at}"
            );
        }
        let (promised, exact) = (wheel.next_deadline(), model.next_deadline());
        if target <= SEARCH_LIMIT as usize {
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

pub(super) const STARTS: [u64; 20] = [
    0,
    1,
    (1 << 8) - 100,
    1 << 8,
    (1 << 16) - 100,
    1 << 16,
    (1 << 22) - 100,
    (1 << 31) - 100,
    (1 << 32) - 100,
    1 << 32,
    (1 << 36) - 100,
    1 << 36,
    (1 << 46) - 100,
    (1 << 48) - 100,
    1 << 48,
    (1 << 60) - 100,
    u64::MAX / 3,
    u64::MAX - (1 << 40),
    u64::MAX - 1_000,
    u64::MAX,
];

#[test]
fn with_few_timers_the_wheel_is_exact_and_like_the_model() {
    for (seed, start) in (0..).zip(STARTS) {
        for round in 0..20 {
            compare_with_model(seed * 100 + round, start, 2_000, SEARCH_LIMIT as usize);
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

#[test]
fn with_many_timers_a_bucket_the_wheel_is_like_the_model() {
    for (seed, start) in (20_000..).zip(STARTS) {
        compare_with_model(seed, start, 10_000, 3_000);
    }
}

#[test]
#[ignore = "takes minutes in a release build"]
fn a_hundred_million_operations_do_what_the_model_does() {
    let first = first_seed();
    for seed in first..first + 10_000 {
        let start = STARTS[usize::try_from(seed % 20).expect("small")];
        let target = [SEARCH_LIMIT as usize, 300, 3_000][usize::try_from(seed % 3).expect("small")];
        compare_with_model(seed, start, 10_000, target);
    }
}

/// Prints and returns the first seed of a long run: the value of the environment variable SEED, or a random number.
fn first_seed() -> u64 {
    let given = std::env::var("SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| fastrand::u64(..1 << 48));
    println!("SEED={seed}");
    seed
}
