//! A runner of seeds for the tests of users: many simulations within a time limit, and a report of the first failure.

use std::env;
use std::ffi::OsString;
use std::ops::Range;
use std::panic::{self, AssertUnwindSafe};
use std::thread;
use std::time::{Duration, Instant};

use crate::net::{Error, Result};

use super::{Options, Simulation};

/// The environment variable with the one seed to run.
const VARIABLE: &str = "SEED";

/// The limit on the lines of the log that a failing seed prints.
const LOG_LINES: usize = 200;

/// The seeds to run a test with, each in a [`Simulation`] of its own.
///
/// ```
/// use netloop::simulation::Seeds;
/// use netloop::{Context, SocketHandler};
/// use std::time::Duration;
/// # struct Echo;
/// # impl SocketHandler for Echo {
/// #     fn on_data(&mut self, cx: &mut Context<'_>, data: &[u8]) { let _ = cx.socket.write(data); }
/// # }
/// # struct Ask;
/// # impl SocketHandler<Vec<u8>> for Ask {
/// #     fn on_connect(&mut self, cx: &mut Context<'_, Vec<u8>>) { let _ = cx.socket.end_with(b"hello"); }
/// #     fn on_data(&mut self, cx: &mut Context<'_, Vec<u8>>, data: &[u8]) { cx.shared.extend_from_slice(data); }
/// # }
///
/// # fn main() -> netloop::Result<()> {
/// // Runs 10,000 seeds, or as many as a second allows, up to the first that fails.
/// let run = Seeds::new(0..10_000)
///     .time_limit(Duration::from_secs(1))
///     .options(|options| options.faults = Default::default())
///     .run(|simulation| {
///         let mut server = simulation.host(())?;
///         let mut client = simulation.host(Vec::new())?;
///         server.event_loop.listen("10.0.0.1:7000", |_, _| Echo)?;
///         client.event_loop.connect("10.0.0.1:7000", Ask)?;
///         simulation.run(&mut [&mut server, &mut client])?;
///         assert_eq!(client.shared, b"hello");
///         Ok(())
///     })?;
/// assert!(run.seeds > 0);
/// # Ok(())
/// # }
/// ```
///
/// For a seed that fails, the runner prints the number, the options, the last lines of the [log](Simulation::log), and
/// the command that runs this seed alone:
/// `SEED=17 cargo test --features netloop/simulation the_name_of_the_test`.
#[derive(Clone, Debug)]
pub struct Seeds {
    seeds: Range<u64>,
    time_limit: Option<Duration>,
    change: fn(&mut Options),
}

/// The result of a run of [`Seeds`] without a failure.
///
/// ```
/// use netloop::simulation::Seeds;
/// use std::time::Duration;
///
/// let run = Seeds::new(0..1_000).time_limit(Duration::from_millis(100)).run(|simulation| {
///     let mut host = simulation.host(())?;
///     host.event_loop.after(Duration::from_secs(60), |_| {});
///     simulation.run(&mut [&mut host])?;
///     Ok(())
/// })?;
/// println!("{} seeds, {:?} of virtual time", run.seeds, run.virtual_time);
/// # Ok::<(), netloop::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SeedRun {
    /// The number of seeds that ran.
    pub seeds: u64,
    /// The number of turns of all loops together.
    pub turns: u64,
    /// The virtual time of all simulations together.
    pub virtual_time: Duration,
}

impl Seeds {
    /// Makes a runner for the seeds of a range. If the environment has the variable `SEED`, the runner runs that seed
    /// only, whether it is in the range or not.
    pub fn new(seeds: Range<u64>) -> Self {
        Self {
            seeds,
            time_limit: None,
            change: |_| {},
        }
    }

    /// Begins no further seed after this real time, such as a second in every build and an hour at night. The first
    /// seed runs in any case. By default there is no limit.
    #[must_use]
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = Some(limit);
        self
    }

    /// Changes the options that [`Options::from_seed`] has drawn, for instance if the test does not allow for a fault.
    #[must_use]
    pub fn options(mut self, change: fn(&mut Options)) -> Self {
        self.change = change;
        self
    }

    /// Runs `test` once for each seed, until the time is over. A seed fails if `test` returns an error or panics.
    ///
    /// The first seed that fails runs a second time, with a log, and is reported on standard error. `test` must depend
    /// on nothing but its simulation, or the second run may differ.
    ///
    /// # Errors
    ///
    /// The error of the first seed that fails, or of [`Simulation::new`], and an error if `SEED` is no number. A panic
    /// of `test` continues after the report.
    pub fn run(&self, mut test: impl FnMut(&mut Simulation) -> Result<()>) -> Result<SeedRun> {
        let began = Instant::now();
        let mut run = SeedRun {
            seeds: 0,
            turns: 0,
            virtual_time: Duration::ZERO,
        };
        if let Some(seed) = chosen_seed(env::var_os(VARIABLE))? {
            self.run_seed(seed, &mut test, &mut run)?;
            return Ok(run);
        }
        for seed in self.seeds.clone() {
            let is_over = |limit| began.elapsed() >= limit;
            if run.seeds > 0 && self.time_limit.is_some_and(is_over) {
                break;
            }
            self.run_seed(seed, &mut test, &mut run)?;
        }
        Ok(run)
    }

    fn run_seed(
        &self,
        seed: u64,
        test: &mut impl FnMut(&mut Simulation) -> Result<()>,
        run: &mut SeedRun,
    ) -> Result<()> {
        let mut simulation = self.simulation(seed)?;
        let first = panic::catch_unwind(AssertUnwindSafe(|| test(&mut simulation)));
        if matches!(first, Ok(Ok(()))) {
            run.seeds += 1;
            run.turns += simulation.turns();
            run.virtual_time += simulation.elapsed();
            return Ok(());
        }
        drop(simulation);
        let mut again = self.simulation(seed)?;
        again.keep_log(LOG_LINES);
        let second = panic::catch_unwind(AssertUnwindSafe(|| test(&mut again)));
        report(seed, &again, matches!(second, Ok(Ok(()))));
        match first {
            Ok(result) => result,
            Err(payload) => panic::resume_unwind(payload),
        }
    }

    fn simulation(&self, seed: u64) -> Result<Simulation> {
        let mut options = Options::from_seed(seed);
        (self.change)(&mut options);
        Simulation::new(seed, options)
    }
}

fn chosen_seed(value: Option<OsString>) -> Result<Option<u64>> {
    let Some(value) = value else {
        return Ok(None);
    };
    let text = value.to_string_lossy();
    match text.trim().parse() {
        Ok(seed) => Ok(Some(seed)),
        Err(_) => Err(Error::other(format!("SEED is no number: {text}"))),
    }
}

/// Prints the log of a failed seed, and the way to run it again. The test harness shows the output of a failed test.
fn report(seed: u64, simulation: &Simulation, has_passed: bool) {
    let log = simulation.log();
    // The test harness names the thread of a test after the test.
    let current = thread::current();
    let name = current.name().unwrap_or("");
    eprintln!("the log of seed {seed}, of which the last {LOG_LINES} lines are kept:\n{log}");
    eprintln!("seed {seed} failed: {simulation:?}");
    if has_passed {
        eprintln!("it passed the second time, so the test depends on more than its simulation");
    }
    eprintln!("to run it again: {VARIABLE}={seed} cargo test --features netloop/simulation {name}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_is_a_seed_and_other_texts_are_errors() {
        let chosen = |text: &str| chosen_seed(Some(text.into()));
        assert_eq!(chosen_seed(None).unwrap(), None);
        assert_eq!(chosen(" 17\n").unwrap(), Some(17));
        assert_eq!(chosen("18446744073709551615").unwrap(), Some(u64::MAX));
        for text in ["", "x", "-1", "18446744073709551616"] {
            let error = chosen(text).unwrap_err();
            assert!(error.to_string().contains("SEED is no number"), "{error}");
        }
    }
}
