//! The times of the frames, for a run that ends.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use netloop::Steps;

use crate::{ALLOCATOR, SHARE};

/// The times that the network has taken in a frame.
pub(crate) struct Network {
    pub(crate) wall: Duration,
    /// The processor time of the thread.
    pub(crate) cpu: Duration,
    /// The longest step, by the processor time of the thread.
    pub(crate) longest_step: Duration,
}

/// The figures of each frame. Without an end of the run, nothing is kept.
pub(crate) struct Figures {
    most: Option<usize>,
    begun: Option<Instant>,
    ended: Option<Instant>,
    steps: u64,
    skipped: u64,
    snapshots: usize,
    late: Vec<Duration>,
    wall: Vec<Duration>,
    cpu: Vec<Duration>,
    longest_step: Duration,
    /// The longest step of the frame that took the most processor time, with that time.
    worst: (Duration, Duration),
    /// The frames that took more processor time than their share and their longest step together.
    beyond: usize,
    /// The allocations up to the end of the warm-up, a sixth of the run.
    warm: Option<usize>,
}

impl Figures {
    pub(crate) fn new(most: Option<usize>) -> Self {
        // The lists themselves must not allocate during the run.
        let list = || Vec::with_capacity(most.unwrap_or(0));
        Self {
            most,
            begun: None,
            ended: None,
            steps: 0,
            skipped: 0,
            snapshots: 0,
            late: list(),
            wall: list(),
            cpu: list(),
            longest_step: Duration::ZERO,
            worst: (Duration::ZERO, Duration::ZERO),
            beyond: 0,
            warm: None,
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.most.is_some_and(|most| self.steps >= most as u64)
    }

    pub(crate) fn note(&mut self, steps: &Steps, network: &Network, sent: usize) {
        let Some(most) = self.most else {
            return;
        };
        if self.begun.is_none() {
            self.begun = Some(Instant::now());
        }
        self.ended = Some(Instant::now());
        self.steps += u64::from(steps.count);
        self.skipped += steps.skipped;
        self.snapshots += sent;
        self.late.push(steps.late);
        self.wall.push(network.wall);
        self.cpu.push(network.cpu);
        self.longest_step = self.longest_step.max(network.longest_step);
        self.worst = self.worst.max((network.cpu, network.longest_step));
        self.beyond += usize::from(network.cpu > SHARE + network.longest_step);
        if self.warm.is_none() && self.late.len() * 6 >= most {
            self.warm = Some(allocations());
        }
    }

    pub(crate) fn print(&mut self, players: usize, snapshot: usize) -> io::Result<()> {
        let allocated = allocations() - self.warm.unwrap_or(0);
        let mut output = io::stdout();
        let time = match (self.begun, self.ended) {
            (Some(begun), Some(ended)) => (ended - begun).as_secs_f64(),
            _ => 0.0,
        };
        let rate = (self.steps.saturating_sub(1)) as f64 / time;
        let late = summary(&mut self.late);
        writeln!(
            output,
            "{} steps, {rate:.3} a second; late: {late}; skipped {}",
            self.steps, self.skipped
        )?;
        writeln!(
            output,
            "network of a frame, processor: {}",
            summary(&mut self.cpu)
        )?;
        let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
        writeln!(
            output,
            "longest step, processor: {:.2} ms, {:.2} ms in the frame that took most; beyond the share and a step: {}",
            milliseconds(self.longest_step),
            milliseconds(self.worst.1),
            self.beyond
        )?;
        writeln!(
            output,
            "network of a frame, wall: {}",
            summary(&mut self.wall)
        )?;
        writeln!(
            output,
            "{players} players at the end; {snapshot} bytes a snapshot, {} sent",
            self.snapshots
        )?;
        writeln!(output, "allocations after a sixth of the time: {allocated}")
    }
}

fn allocations() -> usize {
    let stats = ALLOCATOR.stats();
    stats.allocations + stats.reallocations
}

fn summary(times: &mut [Duration]) -> String {
    times.sort_unstable();
    let at = |percent: usize| {
        let index = times.len() * percent / 100;
        let time = times.get(index.min(times.len().saturating_sub(1)));
        time.copied().unwrap_or_default().as_secs_f64() * 1e3
    };
    format!(
        "median {:.2} ms, 99 % {:.2} ms, most {:.2} ms",
        at(50),
        at(99),
        at(100)
    )
}

/// Returns the processor time of this thread so far. Where the system does not tell, the wall time.
#[cfg(target_os = "linux")]
pub(crate) fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let (seconds, nanos) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
    Duration::new(seconds.unwrap_or(0), nanos.unwrap_or(0))
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn cpu_time() -> Duration {
    static BEGUN: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    BEGUN.get_or_init(Instant::now).elapsed()
}
