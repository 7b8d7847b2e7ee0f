//! The load generator: threads on raw epoll that owe nothing to the library under test.
//!
//! This file runs a slice of load: connect, warm up, measure for a while, drain, check. The kinds of load are beside it.

pub(crate) mod broadcast;
pub(crate) mod bulk;
pub(crate) mod churn;
mod connection;
pub(crate) mod echo;
pub(crate) mod idle;
pub(crate) mod paced;
pub(crate) mod stalled;

use std::cell::Cell;
use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Barrier, OnceLock};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use netloop_benches::cores::pin;
use netloop_benches::epoll::Epoll;
use netloop_benches::process::Processes;

use crate::pattern::Pattern;
use crate::system;

/// A server that does not answer for so long is taken for dead.
const PATIENCE: Duration = Duration::from_secs(5);
/// A wait ends after so long, to look at the clock.
const TICK: Duration = Duration::from_secs(1);
/// The capacity of one receive call of the client.
const READ_BUFFER: usize = 256 * 1024;

/// The server that the load is for, and the cores of the generator: at most one thread on each.
pub(crate) struct Target<'a> {
    pub(crate) address: SocketAddr,
    pub(crate) server: &'a Processes,
    pub(crate) cores: &'a [usize],
    pub(crate) pattern: &'a Pattern,
}

/// The length of a slice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    pub(crate) warm_up: Duration,
    pub(crate) measured: Duration,
}

impl Timing {
    pub(crate) const fn of_milliseconds(warm_up: u64, measured: u64) -> Self {
        Self {
            warm_up: Duration::from_millis(warm_up),
            measured: Duration::from_millis(measured),
        }
    }
}

/// The measurement of one slice of load.
#[derive(Clone, Debug, Default)]
pub(crate) struct Slice {
    pub(crate) operations: u64,
    pub(crate) seconds: f64,
    pub(crate) server_cpu: Duration,
    pub(crate) client_cpu: Duration,
    pub(crate) client_threads: usize,
    pub(crate) verified_bytes: u64,
    /// Nanoseconds from the send, or in paced loads from the intended send, until the whole answer is there.
    pub(crate) latency: Latencies,
    /// Paced loads only: the messages that were meant to be sent in each second.
    pub(crate) intended_rate: Option<f64>,
    /// Figures that only this kind of load has.
    pub(crate) extras: Vec<(&'static str, f64)>,
}

impl Slice {
    pub(crate) fn rate(&self) -> f64 {
        self.operations as f64 / self.seconds
    }

    pub(crate) fn cpu_per_operation_ns(&self) -> f64 {
        self.server_cpu.as_secs_f64() * 1e9 / self.operations as f64
    }

    pub(crate) fn server_busy(&self) -> f64 {
        self.server_cpu.as_secs_f64() / self.seconds
    }

    pub(crate) fn client_busy(&self) -> f64 {
        self.client_cpu.as_secs_f64() / self.seconds / self.client_threads as f64
    }

    pub(crate) fn latency_ns(&self, quantile: f64) -> f64 {
        self.latency.0.value_at_quantile(quantile) as f64
    }

    pub(crate) fn extra(&self, name: &str) -> Option<f64> {
        let found = self.extras.iter().find(|(extra, _)| *extra == name);
        found.map(|(_, value)| *value)
    }

    /// Adds what another thread saw in the same slice.
    fn merge(&mut self, other: Self) {
        self.operations += other.operations;
        self.seconds = self.seconds.max(other.seconds);
        self.server_cpu += other.server_cpu;
        self.client_cpu += other.client_cpu;
        self.client_threads += other.client_threads;
        self.verified_bytes += other.verified_bytes;
        self.latency.add(&other.latency);
        // Each thread keeps its share of the schedule.
        if let Some(theirs) = other.intended_rate {
            *self.intended_rate.get_or_insert(0.0) += theirs;
        }
        self.extras.extend(other.extras);
    }
}

/// A histogram from 100 ns to a minute with two significant digits: the error is below one per cent.
#[derive(Clone, Debug)]
pub(crate) struct Latencies(pub(crate) Histogram<u64>);

impl Default for Latencies {
    fn default() -> Self {
        let histogram = Histogram::new_with_bounds(100, 60_000_000_000, 2);
        Self(histogram.expect("the bounds are valid"))
    }
}

impl Latencies {
    pub(crate) fn add(&mut self, other: &Self) {
        let added = self.0.add(&other.0);
        added.expect("all latency histograms have the same bounds");
    }
}

/// The part of a slice that a thread is in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    /// Operations do not count yet.
    WarmUp,
    /// Operations count.
    Measured,
    /// Nothing new is begun; answers that are under way must still arrive.
    Over,
}

/// The clock of one thread: it notices where warm-up and measurement end, and reads the CPU clocks there.
pub(crate) struct Stopwatch<'a> {
    begin: Instant,
    end: Instant,
    phase: Phase,
    began: Instant,
    /// Only one thread measures the server, or its time would count twice.
    server: Option<&'a Processes>,
    /// The CPU times of the client and the server at the begin.
    cpu_before: (Duration, Duration),
    slice: Slice,
}

impl<'a> Stopwatch<'a> {
    fn new(begin: Instant, measured: Duration, server: Option<&'a Processes>) -> Self {
        Self {
            begin,
            end: begin + measured,
            phase: Phase::WarmUp,
            began: begin,
            server,
            cpu_before: (Duration::ZERO, Duration::ZERO),
            slice: Slice::default(),
        }
    }

    #[inline]
    fn phase(&mut self, now: Instant) -> Phase {
        match self.phase {
            Phase::WarmUp if now >= self.begin => self.start(now),
            Phase::Measured if now >= self.end && self.has_enough(now) => self.stop(now),
            _ => {}
        }
        self.phase
    }

    /// Whether operations have fitted in, which on a busy machine may take longer.
    fn has_enough(&self, now: Instant) -> bool {
        self.slice.operations > 0 || now >= self.end + PATIENCE
    }

    fn start(&mut self, now: Instant) {
        self.phase = Phase::Measured;
        self.began = now;
        // A thread that notices late still measures for the whole time.
        self.end += now - self.begin;
        self.cpu_before = self.cpu();
    }

    fn cpu(&self) -> (Duration, Duration) {
        let server = self.server.map(Processes::cpu);
        (system::thread_cpu(), server.unwrap_or_default())
    }

    fn stop(&mut self, now: Instant) {
        self.phase = Phase::Over;
        self.slice.seconds = (now - self.began).as_secs_f64();
        let (client, server) = self.cpu();
        self.slice.client_cpu = client.saturating_sub(self.cpu_before.0);
        self.slice.server_cpu = server.saturating_sub(self.cpu_before.1);
        self.slice.client_threads = 1;
    }

    /// Counts operations of the measured phase, with the time that each of them took.
    #[inline]
    fn count(&mut self, operations: u64, bytes: usize, latency: Option<Duration>) {
        if self.phase == Phase::Measured {
            self.slice.operations += operations;
            self.slice.verified_bytes += bytes as u64;
            if let Some(latency) = latency {
                self.record(latency, operations);
            }
        }
    }

    #[inline]
    fn record(&mut self, latency: Duration, count: u64) {
        let nanoseconds = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        let latency = &mut self.slice.latency.0;
        latency.saturating_record_n(nanoseconds, count);
    }
}

/// The events of one thread, and its patience with a server that does nothing.
struct Events {
    epoll: Epoll,
    memory: Vec<u8>,
    last_progress: Option<Instant>,
}

impl Events {
    fn new() -> Result<Self, String> {
        Ok(Self {
            epoll: Epoll::new(1024).map_err(text)?,
            memory: Vec::new(),
            last_progress: None,
        })
    }

    /// Returns the buffer of the receive calls.
    #[inline]
    fn buffer(&mut self) -> &mut [u8] {
        system::behind_page(&mut self.memory, READ_BUFFER, 0)
    }

    /// Tells `stopwatch` the time, and waits. Returns how many events there are, and fails where there is none for too long.
    fn wait(&mut self, stopwatch: &mut Stopwatch<'_>) -> Result<usize, String> {
        let now = Instant::now();
        stopwatch.phase(now);
        let count = self.epoll.wait(Some(TICK)).map_err(text)?;
        if count > 0 {
            self.last_progress = Some(now);
        } else if self.last_progress.get_or_insert(now).elapsed() > PATIENCE {
            return Err("the server has done nothing for 5 s".to_owned());
        }
        Ok(count)
    }
}

/// One kind of load, as one thread of the generator carries it out.
pub(crate) trait Load: fmt::Debug + Send + Sync {
    /// More threads than this have nothing to do.
    fn most_threads(&self) -> usize {
        1
    }

    /// Whether each slice needs a server that has served no connection: memory does not come back.
    fn needs_fresh_server(&self) -> bool {
        false
    }

    /// Whether operations are counted at all.
    fn counts_operations(&self) -> bool {
        true
    }

    /// Connects the share of one thread, and starts the clock together with the other threads. Carries the load until
    /// the clock ends it, and checks that nothing is missing.
    fn drive(&self, target: &Target<'_>, share: Share, start: Start<'_>) -> Result<Slice, String>;
}

/// Waits until all threads have connected, and starts the clock.
type Start<'a> = &'a dyn Fn() -> Result<Stopwatch<'a>, String>;

/// One thread of several.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Share {
    thread: usize,
    threads: usize,
}

impl Share {
    /// Returns the numbers of `total` that fall to this thread.
    fn of(self, total: usize) -> impl ExactSizeIterator<Item = usize> {
        (self.thread..total).step_by(self.threads)
    }
}

/// Runs one slice on as many threads as there are cores for it. An error voids the slice: a connection that failed, a byte
/// that is wrong, an answer that is missing.
pub(crate) fn run(load: &dyn Load, target: &Target<'_>, timing: Timing) -> Result<Slice, String> {
    let threads = target.cores.len().min(load.most_threads()).max(1);
    let connected = Barrier::new(threads);
    let has_failed = AtomicBool::new(false);
    let begin = OnceLock::new();
    let work = &|thread: usize| {
        if let Some(core) = target.cores.get(thread) {
            pin(*core);
            system::sleep_exactly();
        }
        let has_started = Cell::new(false);
        let start = || {
            has_started.set(true);
            connected.wait();
            if has_failed.load(Ordering::Relaxed) {
                return Err("another thread of the generator could not connect".to_owned());
            }
            let begin = *begin.get_or_init(|| Instant::now() + timing.warm_up);
            let server = (thread == 0).then_some(target.server);
            Ok(Stopwatch::new(begin, timing.measured, server))
        };
        let slice = load.drive(target, Share { thread, threads }, &start);
        // No thread waits for one that could not connect.
        if !has_started.get() {
            has_failed.store(true, Ordering::Relaxed);
            connected.wait();
        }
        slice
    };
    std::thread::scope(|scope| {
        let spawn = |thread| scope.spawn(move || work(thread));
        let handles: Vec<_> = (0..threads).map(spawn).collect();
        let panicked = |_| Err("a thread of the generator panicked".to_owned());
        let mut whole = Slice::default();
        for handle in handles {
            whole.merge(handle.join().unwrap_or_else(panicked)?);
        }
        Ok(whole)
    })
}

/// Makes the text of an I/O error, for `map_err`.
fn text(error: std::io::Error) -> String {
    error.to_string()
}
