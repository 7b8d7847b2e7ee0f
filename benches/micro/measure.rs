//! The measurement of a line: the clock around the operation alone, and every allocation within it counted.
//!
//! Criterion writes its results to its own files; the samples are kept here too, for the bars.

use std::alloc::System;
use std::cell::RefCell;
use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The measurements of a line after its warm-up.
pub(crate) const SAMPLES: usize = 20;

thread_local! {
    /// The lines that have run, with the nanoseconds of one operation in each sample.
    static LINES: RefCell<Vec<(String, Vec<f64>)>> = const { RefCell::new(Vec::new()) };
}

/// Returns the samples of a line, if it has run. Its name is that of the group, of the line, and the size.
pub(crate) fn samples_of(line: &str) -> Option<Vec<f64>> {
    LINES.with_borrow(|lines| {
        let found = lines.iter().find(|(name, _)| name == line);
        found.map(|(_, samples)| samples.clone())
    })
}

/// Lines that are compared with each other.
pub(crate) struct Group<'a> {
    name: String,
    group: BenchmarkGroup<'a, WallTime>,
}

impl<'a> Group<'a> {
    pub(crate) fn new(criterion: &'a mut Criterion, name: &str) -> Self {
        Self {
            name: name.to_owned(),
            group: criterion.benchmark_group(name),
        }
    }

    /// Measures a short operation that can be done again and again.
    pub(crate) fn each<T>(&mut self, name: &str, size: usize, mut operation: impl FnMut() -> T) {
        self.line(name, size, |iterations, tally| {
            tally.time(iterations, || {
                for _ in 0..iterations {
                    black_box(operation());
                }
            })
        });
    }

    /// Measures rounds of `operations` operations each.
    pub(crate) fn rounds<S>(
        &mut self,
        name: &str,
        operations: usize,
        state: S,
        run: impl FnMut(&mut S),
    ) {
        self.prepared_rounds(name, operations, state, |_| (), run);
    }

    /// Measures rounds of `operations` operations each. The change that `prepare` makes to the state before a round is not
    /// measured.
    pub(crate) fn prepared_rounds<S>(
        &mut self,
        name: &str,
        operations: usize,
        mut state: S,
        mut prepare: impl FnMut(&mut S),
        mut run: impl FnMut(&mut S),
    ) {
        self.line(name, operations, |iterations, tally| {
            // At least one whole round; if fewer operations were asked for, a part of its time is the answer.
            let rounds = iterations.div_ceil(operations as u64);
            let mut elapsed = Duration::ZERO;
            for _ in 0..rounds {
                prepare(&mut state);
                elapsed += tally.time(operations as u64, || run(black_box(&mut state)));
            }
            elapsed.mul_f64(iterations as f64 / (rounds * operations as u64) as f64)
        });
    }

    fn line(
        &mut self,
        name: &str,
        size: usize,
        mut measure: impl FnMut(u64, &mut Tally) -> Duration,
    ) {
        let mut tally = Tally::default();
        let mut samples = Vec::new();
        let id = BenchmarkId::new(name, size);
        self.group.bench_function(id, |bencher| {
            bencher.iter_custom(|iterations| {
                let elapsed = measure(iterations, &mut tally);
                samples.push(elapsed.as_secs_f64() * 1e9 / iterations as f64);
                elapsed
            });
        });
        // A line that the user has filtered out has not run.
        if tally.operations > 0 {
            let each = |count: usize| count as f64 / tally.operations as f64;
            let (allocations, bytes) = (each(tally.allocations), each(tally.bytes));
            println!("{:24}allocations: {allocations:.2}, {bytes:.0} bytes", "");
            // The samples of the warm-up come first.
            let samples = samples.split_off(samples.len().saturating_sub(SAMPLES));
            let line = format!("{}/{name}/{size}", self.name);
            LINES.with_borrow_mut(|lines| lines.push((line, samples)));
        }
    }
}

/// The allocations in the measured parts of a line.
#[derive(Default)]
struct Tally {
    operations: u64,
    allocations: usize,
    bytes: usize,
}

impl Tally {
    /// Times `run`, which carries out so many operations.
    fn time(&mut self, operations: u64, run: impl FnOnce()) -> Duration {
        let region = Region::new(ALLOCATOR);
        let began = Instant::now();
        run();
        let elapsed = began.elapsed();
        let change = region.change();
        self.operations += operations;
        self.allocations += change.allocations + change.reallocations;
        self.bytes += change.bytes_allocated;
        elapsed
    }
}
