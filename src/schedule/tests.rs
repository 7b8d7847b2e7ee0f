//! The order and the rounds of the lists, and random operations against plain queues.

use super::*;

const GAP: u32 = u32::MAX;
const PHASES: [Phase; 3] = [Phase::Serve, Phase::Flush, Phase::Close];

fn round(schedule: &mut Schedule<u32>, phase: Phase) -> Vec<u32> {
    schedule.begin(phase);
    std::iter::from_fn(|| schedule.next(phase)).collect()
}

#[test]
fn keys_are_served_in_the_order_of_pushing() {
    let mut schedule = Schedule::new(GAP);
    for key in [3, 1, 2] {
        schedule.push(Phase::Serve, key);
    }
    assert_eq!(round(&mut schedule, Phase::Serve), [3, 1, 2]);
    assert!(schedule.is_idle());
}

#[test]
fn a_key_pushed_during_a_phase_waits_for_the_next_round() {
    let mut schedule = Schedule::new(GAP);
    schedule.push(Phase::Serve, 1);
    schedule.begin(Phase::Serve);
    assert_eq!(schedule.next(Phase::Serve), Some(1));
    schedule.push(Phase::Serve, 2);
    assert_eq!(schedule.next(Phase::Serve), None);
    assert_eq!(schedule.len(Phase::Serve), 1);
    assert_eq!(round(&mut schedule, Phase::Serve), [2]);
}

#[test]
fn one_source_that_is_always_ready_does_not_delay_the_others() {
    let mut schedule = Schedule::new(GAP);
    for key in 0..4 {
        schedule.push(Phase::Serve, key);
    }
    for _ in 0..100 {
        schedule.begin(Phase::Serve);
        let mut served = Vec::new();
        while let Some(key) = schedule.next(Phase::Serve) {
            served.push(key);
            schedule.push(Phase::Serve, key);
        }
        served.sort_unstable();
        assert_eq!(served, [0, 1, 2, 3]);
    }
}

#[test]
fn an_interrupted_round_goes_on_in_order_before_what_came_later() {
    let mut schedule = Schedule::new(GAP);
    for key in 0..4 {
        schedule.push(Phase::Flush, key);
    }
    schedule.begin(Phase::Flush);
    assert_eq!(schedule.next(Phase::Flush), Some(0));
    schedule.push(Phase::Flush, 4);
    assert_eq!(schedule.remaining(Phase::Flush), 3);
    assert_eq!(round(&mut schedule, Phase::Flush), [1, 2, 3, 4]);
}

#[test]
fn a_key_with_more_to_do_comes_behind_those_that_came_anew() {
    let mut schedule = Schedule::new(GAP);
    for key in [1, 2] {
        schedule.push(Phase::Serve, key);
    }
    schedule.begin(Phase::Serve);
    for key in [1, 2] {
        assert_eq!(schedule.next(Phase::Serve), Some(key));
        schedule.push_again(Phase::Serve, key);
    }
    schedule.push(Phase::Serve, 3);
    assert_eq!(schedule.len(Phase::Serve), 3);
    schedule.begin(Phase::Serve);
    assert_eq!(schedule.next(Phase::Serve), Some(3));
    schedule.push(Phase::Serve, 4);
    // `round` begins another round: the rest of the cut round comes first, then the key that was pushed meanwhile.
    assert_eq!(round(&mut schedule, Phase::Serve), [1, 2, 4]);
    assert!(schedule.is_idle());
}

#[test]
fn nothing_is_served_before_the_phase_begins() {
    let mut schedule = Schedule::new(GAP);
    schedule.push(Phase::Close, 1);
    assert_eq!(schedule.next(Phase::Close), None);
    assert_eq!(schedule.remaining(Phase::Close), 0);
    assert!(!schedule.is_idle());
}

#[test]
fn a_schedule_that_shrinks_keeps_what_waits_in_order() {
    let mut schedule = Schedule::new(GAP);
    for key in 0..1_000 {
        schedule.push(Phase::Serve, key);
        schedule.push(Phase::Close, key);
    }
    schedule.begin(Phase::Serve);
    for key in 0..990 {
        assert_eq!(schedule.next(Phase::Serve), Some(key));
    }
    schedule.push(Phase::Serve, 1_000);
    assert_eq!(round(&mut schedule, Phase::Close).len(), 1_000);
    schedule.shrink();
    assert_eq!(schedule.lane(Phase::Close).round.capacity(), FIRST);
    assert_eq!(schedule.remaining(Phase::Serve), 10);
    for key in 990..1_000 {
        assert_eq!(schedule.next(Phase::Serve), Some(key));
    }
    assert_eq!(round(&mut schedule, Phase::Serve), [1_000]);
    schedule.shrink();
    let serve = schedule.lane(Phase::Serve);
    assert!(serve.round.capacity() + serve.waiting.capacity() <= 2 * SMALLEST);
}

#[test]
fn a_list_that_is_cleared_is_empty_and_its_round_is_over() {
    let mut schedule = Schedule::new(GAP);
    for key in 0..10 {
        schedule.push(Phase::Serve, key);
    }
    schedule.begin(Phase::Serve);
    assert_eq!(schedule.next(Phase::Serve), Some(0));
    schedule.push(Phase::Serve, 10);
    schedule.push_again(Phase::Serve, 0);
    schedule.clear(Phase::Serve);
    assert!(schedule.is_idle());
    assert_eq!(schedule.next(Phase::Serve), None);
    schedule.push(Phase::Serve, 11);
    assert_eq!(round(&mut schedule, Phase::Serve), [11]);
}

#[test]
fn a_steady_load_does_not_allocate() {
    let mut schedule = Schedule::new(GAP);
    let mut capacities = None;
    for turn in 0..1_000 {
        for phase in PHASES {
            for key in 0..100 {
                schedule.push(phase, key);
            }
            assert_eq!(round(&mut schedule, phase).len(), 100);
        }
        let now = PHASES.map(|phase| {
            let lane = schedule.lane(phase);
            lane.round.capacity() + lane.waiting.capacity()
        });
        // The two arrays change places in each round, so one allocates in turn 0, and the other in turn 1.
        if turn > 0 {
            let first = *capacities.get_or_insert(now);
            assert_eq!(now, first, "in turn {turn}");
        }
    }
}

/// A plain model of one list: each entry notes whether a round has begun since its push.
#[derive(Default)]
struct Model {
    entries: Vec<(u32, bool)>,
    again: Vec<u32>,
}

impl Model {
    fn begin(&mut self) {
        self.entries
            .extend(self.again.drain(..).map(|key| (key, true)));
        for (_, in_round) in &mut self.entries {
            *in_round = true;
        }
    }

    fn next(&mut self) -> Option<u32> {
        let position = self.entries.iter().position(|&(_, in_round)| in_round)?;
        Some(self.entries.remove(position).0)
    }

    fn len(&self) -> usize {
        self.entries.len() + self.again.len()
    }

    fn remaining(&self) -> usize {
        self.entries
            .iter()
            .filter(|&&(_, in_round)| in_round)
            .count()
    }
}

#[test]
fn random_operations_agree_with_plain_queues() {
    for seed in 0..100 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut schedule = Schedule::new(GAP);
        let mut models = [Model::default(), Model::default(), Model::default()];
        let pushes = random.u32(30..=55);
        for step in 0..5_000 {
            let which = random.usize(0..PHASES.len());
            let (phase, model) = (PHASES[which], &mut models[which]);
            match random.u32(0..100) {
                roll if roll < pushes => {
                    schedule.push(phase, step);
                    model.entries.push((step, false));
                }
                roll if roll < pushes + 2 => {
                    schedule.push_again(phase, step);
                    model.again.push(step);
                }
                roll if roll < pushes + 5 => {
                    schedule.begin(phase);
                    model.begin();
                }
                _ => {
                    let (given, expected) = (schedule.next(phase), model.next());
                    assert_eq!(given, expected, "seed {seed}, step {step}");
                }
            }
            let model = &models[which];
            assert_eq!(
                (schedule.len(phase), schedule.remaining(phase)),
                (model.len(), model.remaining()),
                "seed {seed}, step {step}"
            );
            let idle = models.iter().all(|model| model.len() == 0);
            assert_eq!(schedule.is_idle(), idle, "seed {seed}, step {step}");
        }
    }
}
