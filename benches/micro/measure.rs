//! How a line is measured: the clock around the operation alone, and every allocation within it counted.
//!
//! What criterion makes of it goes to its own files; the medians are kept here too, for [`crate::bars`].

use std::alloc::System;
use std::cell::{Cell, RefCell};
use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// How often a line is measured after its warm-up.
pub(crate) const SAMPLES: usize = 20;

thread_local! {
    /// The lines that have run, with the nanoseconds of one operation.
    static MEDIANS: RefCell<Vec<(String, f64)>> = const { RefCell::new(Vec::new()) };
}

/// The nanoseconds of one operation, if that line has run. Its name is that of the group, of the line, and the size.
pub(crate) fn median_of(line: &str) -> Option<f64> {
    MEDIANS.with_borrow(|medians| {
        let found = medians.iter().find(|(name, _)| name == line);
        found.map(|(_, nanoseconds)| *nanoseconds)
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
    pub(crate) fn each<T>(
        &mut self,
        name: &str,
        size: impl Into<Option<usize>>,
        mut operation: impl FnMut() -> T,
    ) {
        self.line(name, size.into(), |iterations, tally| {
            let watch = tally.begin();
            for _ in 0..iterations {
                black_box(operation());
            }
            tally.end(watch, iterations)
        });
    }

    /// Measures rounds of `operations` operations each. What `prepare` does to the state before a round is not
    /// measured.
    pub(crate) fn rounds<S>(
        &mut self,
        name: &str,
        size: impl Into<Option<usize>>,
        operations: usize,
        mut state: S,
        mut prepare: impl FnMut(&mut S),
        mut run: impl FnMut(&mut S),
    ) {
        self.line(name, size.into(), |iterations, tally| {
            // At least one whole round, of whose time a part is told if fewer operations were asked for.
            let rounds = iterations.div_ceil(operations as u64);
            let mut elapsed = Duration::ZERO;
            for _ in 0..rounds {
                prepare(&mut state);
                let watch = tally.begin();
                run(black_box(&mut state));
                elapsed += tally.end(watch, operations as u64);
            }
            let share = iterations as f64 / (rounds * operations as u64) as f64;
            elapsed.mul_f64(share)
        });
    }

    fn line(
        &mut self,
        name: &str,
        size: Option<usize>,
        mut measure: impl FnMut(u64, &Tally) -> Duration,
    ) {
        let id = match size {
            Some(size) => BenchmarkId::new(name, size),
            None => BenchmarkId::from(Name(name)),
        };
        let tally = Tally::default();
        let mut samples = Vec::new();
        self.group.bench_function(id, |bencher| {
            bencher.iter_custom(|iterations| {
                let elapsed = measure(iterations, &tally);
                samples.push(elapsed.as_secs_f64() * 1e9 / iterations as f64);
                elapsed
            });
        });
        tally.print();
        self.keep(name, size, &samples);
    }

    /// Without the samples of the warm-up, which come first.
    fn keep(&self, name: &str, size: Option<usize>, samples: &[f64]) {
        let mut measured = samples[samples.len().saturating_sub(SAMPLES)..].to_vec();
        measured.sort_by(f64::total_cmp);
        if let Some(median) = measured.get(measured.len() / 2) {
            let size = size.map_or_else(String::new, |size| format!("/{size}"));
            let line = format!("{}/{name}{size}", self.name);
            MEDIANS.with_borrow_mut(|medians| medians.push((line, *median)));
        }
    }
}

/// A name without a size, which criterion has no constructor for.
struct Name<'a>(&'a str);

impl From<Name<'_>> for BenchmarkId {
    fn from(name: Name<'_>) -> Self {
        Self::from_parameter(name.0)
    }
}

/// What was allocated in the measured parts of a line.
#[derive(Default)]
struct Tally {
    operations: Cell<u64>,
    allocations: Cell<u64>,
    bytes: Cell<u64>,
}

/// A measured part that is under way.
struct Watch {
    allocations: usize,
    bytes: usize,
    began: Instant,
}

impl Tally {
    fn begin(&self) -> Watch {
        let (allocations, bytes) = allocated();
        Watch {
            allocations,
            bytes,
            began: Instant::now(),
        }
    }

    fn end(&self, watch: Watch, operations: u64) -> Duration {
        let elapsed = watch.began.elapsed();
        let (allocations, bytes) = allocated();
        self.operations.set(self.operations.get() + operations);
        let allocations = (allocations - watch.allocations) as u64;
        self.allocations.set(self.allocations.get() + allocations);
        let bytes = (bytes - watch.bytes) as u64;
        self.bytes.set(self.bytes.get() + bytes);
        elapsed
    }

    fn print(&self) {
        // A line that the user has filtered out has not run.
        if self.operations.get() > 0 {
            let each = |count: &Cell<u64>| count.get() as f64 / self.operations.get() as f64;
            println!(
                "{:24}allocations: {:.2}, {:.0} bytes",
                "",
                each(&self.allocations),
                each(&self.bytes)
            );
        }
    }
}

/// How many times memory was asked for until now, and for how many bytes.
fn allocated() -> (usize, usize) {
    let stats = ALLOCATOR.stats();
    (
        stats.allocations + stats.reallocations,
        stats.bytes_allocated,
    )
}
