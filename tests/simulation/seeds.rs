//! Many seeds, and what they say together.

use std::rc::Rc;
use std::time::Instant;

use netloop::simulation::Flavour;

use super::heap::run_and_count;
use super::pattern::Pattern;
use super::run::{Outcome, run};
use super::workload::Workload;

fn run_alone(workload: Workload, seed: u64, flavour: Flavour, pattern: &Rc<Pattern>) -> Outcome {
    run(workload, seed, flavour, pattern, None)
}

/// The workload and the flavour that a seed is for: all of them in turn.
pub(crate) fn kind_of(seed: u64) -> (Workload, Flavour) {
    let number = usize::try_from(seed).unwrap();
    let workload = Workload::ALL[number % Workload::ALL.len()];
    let flavour = Flavour::ALL[number / Workload::ALL.len() % Flavour::ALL.len()];
    (workload, flavour)
}

/// A way to run one seed: with or without a look at the heap.
type Run = fn(Workload, u64, Flavour, &Rc<Pattern>) -> Outcome;

fn run_seeds(seeds: std::ops::Range<u64>, run: Run) -> Outcome {
    let pattern = Rc::new(Pattern::new());
    let began = Instant::now();
    let mut all = Outcome::default();
    let count = seeds.end - seeds.start;
    for seed in seeds {
        let (workload, flavour) = kind_of(seed);
        let outcome = run(workload, seed, flavour, &pattern);
        all.turns += outcome.turns;
        all.callbacks += outcome.callbacks;
        all.bytes += outcome.bytes;
        all.connections += outcome.connections;
        all.virtual_time += outcome.virtual_time;
        all.idle_turns += outcome.idle_turns;
        all.filter_calls += outcome.filter_calls;
        all.failed_handshakes += outcome.failed_handshakes;
    }
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "{count} seeds, {} turns, {} callbacks, {} connections, {} bytes, {} calls of filters, {} failed handshakes, \
         {:.0} virtual seconds in {seconds:.1} s: {:.0} turns/s",
        all.turns,
        all.callbacks,
        all.connections,
        all.bytes,
        all.filter_calls,
        all.failed_handshakes,
        all.virtual_time.as_secs_f64(),
        all.turns as f64 / seconds,
    );
    all
}

#[test]
fn two_thousand_seeds_keep_every_promise() {
    if let Ok(seed) = std::env::var("SEED") {
        let pattern = Rc::new(Pattern::new());
        let seed = seed.parse().unwrap();
        for workload in Workload::ALL {
            for flavour in Flavour::ALL {
                let outcome = run_alone(workload, seed, flavour, &pattern);
                println!("{workload:?} {flavour:?}: {outcome:?}");
            }
        }
        return;
    }
    let outcome = run_seeds(0..2_000, run_alone);
    assert!(outcome.bytes > 1_000_000, "the workloads do something");
    assert!(outcome.filter_calls > 100_000, "filters are called");
    assert!(outcome.failed_handshakes > 100, "handshakes fail");
}

// Each was the only one of many thousands. What a seed draws changes with the workloads, so this keeps them for a while only.
#[test]
fn the_seeds_that_have_found_a_fault_find_none() {
    let pattern = Rc::new(Pattern::new());
    for seed in [
        3_170, 3_496, 6_308, 16_060, 20_444, 39_092, 46_996, 90_681, 153_983, 194_464,
    ] {
        let (workload, flavour) = kind_of(seed);
        run_alone(workload, seed, flavour, &pattern);
    }
}

#[test]
#[ignore = "it takes minutes"]
fn as_many_seeds_as_asked_for_keep_every_promise() {
    let seeds = std::env::var("SEEDS").map_or(200_000, |seeds| seeds.parse().unwrap());
    // It is alone in its process, as no other test is ignored.
    run_seeds(0..seeds, run_and_count);
}

#[test]
fn a_seed_always_gives_the_same_run() {
    let pattern = Rc::new(Pattern::new());
    let mut traces = std::collections::BTreeSet::new();
    for seed in 0..96 {
        let (workload, flavour) = kind_of(seed);
        let outcome = run_alone(workload, seed, flavour, &pattern);
        assert_eq!(
            outcome,
            run(workload, seed, flavour, &pattern, None),
            "{seed}"
        );
        traces.insert(outcome.trace);
    }
    assert_eq!(traces.len(), 96, "other seeds give other runs");
}
