//! The load generator: threads on raw epoll that owe nothing to the library under test.
//!
//! This file knows how a slice of load runs: connect, warm up, measure for a while, drain, check. The kinds of load
//! are in the files beside it.

pub(crate) mod broadcast;
pub(crate) mod bulk;
pub(crate) mod churn;
pub(crate) mod connection;
pub(crate) mod echo;
pub(crate) mod idle;
mod joining;
pub(crate) mod paced;
pub(crate) mod stalled;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Barrier, OnceLock};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::pattern::Pattern;
use crate::peers::family::{Family, Reading, own_thread_waited};
use crate::system;

/// A server that does not answer for so long is taken for dead.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);
/// What one receive call of the client may bring.
pub(crate) const READ_BUFFER: usize = 256 * 1024;

/// The server that the load is for, and what the generator may use.
pub(crate) struct Target<'a> {
    pub(crate) address: SocketAddr,
    pub(crate) server: &'a Family,
    /// The cores of the generator: one thread on each at most.
    pub(crate) cores: &'a [usize],
    pub(crate) pattern: &'a Pattern,
}

/// How long a slice is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    pub(crate) warm_up: Duration,
    pub(crate) measured: Duration,
}

/// What one slice of load showed.
#[derive(Clone, Debug)]
pub(crate) struct Slice {
    pub(crate) operations: u64,
    pub(crate) seconds: f64,
    pub(crate) server_cpu: Duration,
    pub(crate) client_cpu: Duration,
    pub(crate) client_threads: usize,
    /// How long the first thread of the generator was ready to run and something else had its core.
    pub(crate) client_waited: Duration,
    /// The same of the server's main thread, as far as it was not another thread of the server.
    pub(crate) server_waited: Duration,
    pub(crate) verified_bytes: u64,
    /// Nanoseconds from the send, or in fixed-rate loads from the intended send, until the whole answer is there.
    pub(crate) latency: Histogram<u64>,
    /// Fixed-rate loads only: nanoseconds from the actual send.
    pub(crate) uncorrected: Option<Histogram<u64>>,
    pub(crate) intended_rate: Option<f64>,
    /// Figures that only this kind of load has.
    pub(crate) extras: Vec<(&'static str, f64)>,
}

impl Slice {
    pub(crate) fn empty() -> Self {
        Self {
            operations: 0,
            seconds: 0.0,
            server_cpu: Duration::ZERO,
            client_cpu: Duration::ZERO,
            client_threads: 0,
            client_waited: Duration::ZERO,
            server_waited: Duration::ZERO,
            verified_bytes: 0,
            latency: new_histogram(),
            uncorrected: None,
            intended_rate: None,
            extras: Vec::new(),
        }
    }

    pub(crate) fn rate(&self) -> f64 {
        if self.seconds > 0.0 {
            self.operations as f64 / self.seconds
        } else {
            0.0
        }
    }

    pub(crate) fn cpu_per_operation_ns(&self) -> f64 {
        if self.operations > 0 {
            self.server_cpu.as_secs_f64() * 1e9 / self.operations as f64
        } else {
            0.0
        }
    }

    pub(crate) fn server_busy(&self) -> f64 {
        if self.seconds > 0.0 {
            self.server_cpu.as_secs_f64() / self.seconds
        } else {
            0.0
        }
    }

    /// Of one thread of the generator.
    pub(crate) fn client_busy(&self) -> f64 {
        let available = self.seconds * self.client_threads as f64;
        if available > 0.0 {
            self.client_cpu.as_secs_f64() / available
        } else {
            0.0
        }
    }

    /// The share of the time in which something else had a core that server or generator wanted.
    pub(crate) fn disturbance(&self) -> f64 {
        if self.seconds > 0.0 {
            self.client_waited.max(self.server_waited).as_secs_f64() / self.seconds
        } else {
            0.0
        }
    }

    /// Adds what was seen in a slice after this one.
    fn append(&mut self, later: &Self) {
        let (seconds, threads) = (self.seconds + later.seconds, self.client_threads);
        self.merge(later);
        self.seconds = seconds;
        self.client_threads = threads;
    }

    /// Adds what another thread saw in the same slice.
    fn merge(&mut self, other: &Self) {
        self.operations += other.operations;
        self.seconds = self.seconds.max(other.seconds);
        self.server_cpu += other.server_cpu;
        self.client_cpu += other.client_cpu;
        self.client_threads += other.client_threads;
        self.client_waited += other.client_waited;
        self.server_waited += other.server_waited;
        self.verified_bytes += other.verified_bytes;
        self.latency
            .add(&other.latency)
            .expect("all latency histograms have the same bounds");
        if let (Some(mine), Some(theirs)) = (&mut self.uncorrected, &other.uncorrected) {
            mine.add(theirs)
                .expect("all latency histograms have the same bounds");
        }
        // Each thread keeps its share of the schedule.
        if let (Some(mine), Some(theirs)) = (&mut self.intended_rate, other.intended_rate) {
            *mine += theirs;
        }
    }
}

/// From 100 ns to a minute, two significant digits: the error is below one per cent.
pub(crate) fn new_histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(100, 60_000_000_000, 2).expect("the bounds are valid")
}

pub(crate) fn record(histogram: &mut Histogram<u64>, latency: Duration, count: u64) {
    let nanoseconds = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
    histogram.saturating_record_n(nanoseconds, count);
}

/// Where a slice is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Phase {
    /// Operations do not count yet.
    WarmUp,
    /// Operations count.
    Measured,
    /// Nothing new is begun; what is in flight must still arrive.
    Over,
}

/// A thread's view of the clock: it notices where warm-up and measurement end, and reads the CPU clocks there.
pub(crate) struct Stopwatch {
    begin: Instant,
    end: Instant,
    phase: Phase,
    began: Instant,
    /// Only one thread measures the server, or its time would count twice.
    server: Option<Family>,
    client_at_begin: Duration,
    client_waited_at_begin: Duration,
    server_at_begin: Reading,
    pub(crate) slice: Slice,
}

impl Stopwatch {
    fn new(begin: Instant, measured: Duration, server: Option<Family>) -> Self {
        Self {
            begin,
            end: begin + measured,
            phase: Phase::WarmUp,
            began: begin,
            server,
            client_at_begin: Duration::ZERO,
            client_waited_at_begin: Duration::ZERO,
            server_at_begin: Reading::default(),
            slice: Slice::empty(),
        }
    }

    #[inline]
    pub(crate) fn phase(&mut self, now: Instant) -> Phase {
        if self.phase == Phase::WarmUp && now >= self.begin {
            self.phase = Phase::Measured;
            self.began = now;
            // Whoever was late to notice still measures for the whole time.
            self.end += now - self.begin;
            self.client_at_begin = system::thread_cpu();
            if let Some(server) = &self.server {
                self.server_at_begin = server.read();
                self.client_waited_at_begin = own_thread_waited();
            }
        }
        // On a machine that is busy with other things not one operation may have fitted in.
        let is_over = now >= self.end && (self.slice.operations > 0 || now >= self.end + PATIENCE);
        if self.phase == Phase::Measured && is_over {
            self.phase = Phase::Over;
            self.slice.seconds = (now - self.began).as_secs_f64();
            self.slice.client_cpu = system::thread_cpu().saturating_sub(self.client_at_begin);
            self.slice.client_threads = 1;
            if let Some(server) = &self.server {
                let reading = server.read();
                self.slice.server_cpu = reading.cpu.saturating_sub(self.server_at_begin.cpu);
                self.slice.server_waited = reading.disturbed_since(&self.server_at_begin);
                self.slice.client_waited =
                    own_thread_waited().saturating_sub(self.client_waited_at_begin);
            }
        }
        self.phase
    }

    pub(crate) fn begin(&self) -> Instant {
        self.begin
    }

    pub(crate) fn end(&self) -> Instant {
        self.end
    }
}

/// One kind of load, as one thread of the generator carries it out.
pub(crate) trait Load: Sync {
    /// What a thread has ready before the clock starts: its connections, as a rule.
    type Ready;

    /// More threads than this have nothing to do.
    fn most_threads(&self) -> usize;

    /// Connects the share of thread `thread` of `threads`.
    fn prepare(
        &self,
        target: &Target<'_>,
        thread: usize,
        threads: usize,
    ) -> Result<Self::Ready, String>;

    /// Carries the load until the stopwatch says that it is over, and checks that nothing is missing.
    fn drive(
        &self,
        target: &Target<'_>,
        ready: Self::Ready,
        stopwatch: &mut Stopwatch,
    ) -> Result<(), String>;
}

/// Runs one slice on as many threads as there are cores for it. An error voids the slice: a connection that failed,
/// a byte that is wrong, an answer that is missing.
pub(crate) fn run<L: Load>(load: &L, target: &Target<'_>, timing: Timing) -> Result<Slice, String> {
    let threads = target.cores.len().min(load.most_threads()).max(1);
    let connected = Barrier::new(threads);
    let failed = AtomicBool::new(false);
    let begin = OnceLock::new();
    let work = &|thread: usize| {
        if let Some(core) = target.cores.get(thread) {
            system::pin_thread(*core);
        }
        let ready = load.prepare(target, thread, threads);
        failed.fetch_or(ready.is_err(), Ordering::Relaxed);
        // Nobody may start while others still connect, and nobody may wait for one that gave up.
        connected.wait();
        let ready = ready?;
        if failed.load(Ordering::Relaxed) {
            return Err("another thread of the generator could not connect".to_owned());
        }
        let begin = *begin.get_or_init(|| Instant::now() + timing.warm_up);
        let server = (thread == 0).then(|| target.server.clone());
        let mut stopwatch = Stopwatch::new(begin, timing.measured, server);
        load.drive(target, ready, &mut stopwatch)?;
        Ok(stopwatch.slice)
    };
    let outcomes: Vec<Result<Slice, String>> = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads)
            .map(|thread| scope.spawn(move || work(thread)))
            .collect();
        let panicked = |_| Err("a thread of the generator panicked".to_owned());
        handles
            .into_iter()
            .map(|handle| handle.join().unwrap_or_else(panicked))
            .collect()
    });
    let mut outcomes = outcomes.into_iter();
    let mut whole = outcomes.next().expect("there is at least one thread")?;
    for outcome in outcomes {
        whole.merge(&outcome?);
    }
    Ok(whole)
}

/// How many of `total` fall to one thread.
pub(crate) fn share(total: usize, thread: usize, threads: usize) -> usize {
    total / threads + usize::from(thread < total % threads)
}
