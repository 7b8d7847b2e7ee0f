//! The runner of seeds that users' tests call.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use netloop::Error;
use netloop::simulation::{Faults, Seeds};

/// Whether the tests run with one seed of the caller's choice, which every runner obeys.
fn seed_is_given() -> bool {
    std::env::var_os("SEED").is_some()
}

#[test]
fn the_first_seed_that_fails_runs_once_more_with_a_log() {
    if seed_is_given() {
        return;
    }
    let mut logs = Vec::new();
    let run = Seeds::new(10..100).run(|simulation| {
        simulation.handle().note("the test was here");
        logs.push(simulation.log());
        match logs.len() {
            1..4 => Ok(()),
            _ => Err(Error::other("the fault")),
        }
    });
    assert_eq!(run.unwrap_err().to_string(), "the fault");
    assert_eq!(logs.len(), 5, "three pass, and one fails twice");
    assert!(logs[..4].iter().all(String::is_empty));
    assert!(logs[4].ends_with("the test was here\n"), "{logs:?}");
}

#[test]
fn a_panic_of_a_seed_goes_on_behind_its_report() {
    let mut runs = 0;
    let run = catch_unwind(AssertUnwindSafe(|| {
        Seeds::new(0..10).run(|_| {
            runs += 1;
            panic!("the fault");
        })
    }));
    let payload = run.unwrap_err();
    assert_eq!(payload.downcast_ref::<&str>(), Some(&"the fault"));
    assert_eq!(runs, 2);
}

#[test]
fn a_runner_begins_no_seed_after_its_time() {
    let run = Seeds::new(0..u64::MAX)
        .time_limit(Duration::ZERO)
        .run(|_| Ok(()));
    assert_eq!(run.unwrap().seeds, 1);
}

#[test]
fn the_options_of_each_seed_can_be_changed() {
    let mut seen = Vec::new();
    let run = Seeds::new(0..20)
        .options(|options| options.faults = Faults::NONE)
        .run(|simulation| {
            simulation.set_options(|options| seen.push(options.clone()));
            Ok(())
        });
    assert_eq!(run.unwrap().seeds, seen.len() as u64);
    assert!(seen.iter().all(|options| options.faults == Faults::NONE));
    assert!(seed_is_given() || seen.iter().any(|it| it.latency != seen[0].latency));
}
