//! R3: what a simulation takes of the heap it gives back, and while it runs it takes no more than it has to.
//!
//! All threads are counted, so it is looked at where no other test runs.

use std::rc::Rc;

use netloop::simulation::Flavour;
use stats_alloc::INSTRUMENTED_SYSTEM;

use super::pattern::Pattern;
use super::run::{Outcome, run};
use super::seeds::kind_of;
use super::support::in_own_process;
use super::workload::Workload;

/// The bytes on the heap, of the whole process.
pub(crate) fn live() -> usize {
    let stats = INSTRUMENTED_SYSTEM.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

/// Runs as [`run`] does, and looks at the heap.
pub(crate) fn run_and_count(
    workload: Workload,
    seed: u64,
    flavour: Flavour,
    pattern: &Rc<Pattern>,
) -> Outcome {
    let (mut before, mut after) = (0, 0);
    // Leftovers by chance, of the test harness or of something that is made once, are not left again.
    for _ in 0..3 {
        before = live();
        let outcome = run(workload, seed, flavour, pattern, Some(live));
        after = live();
        if after == before {
            return outcome;
        }
    }
    panic!("R3: {before} bytes on the heap became {after}: {workload:?} {flavour:?}, seed {seed}");
}

#[test]
fn the_heap_holds_only_what_is_queued_and_nothing_afterwards() {
    in_own_process(r#"exec "$@""#, || {
        let pattern = Rc::new(Pattern::new());
        for seed in 0..320 {
            let (workload, flavour) = kind_of(seed);
            run_and_count(workload, seed, flavour, &pattern);
        }
    });
}
