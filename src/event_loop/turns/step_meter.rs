//! The measure of the steps of a budget, by a clock of the host.

use std::time::Duration;

use crate::event_loop::EventLoop;
use crate::event_loop::watch::Meter;

#[derive(Clone, Copy, Debug)]
pub(crate) struct StepMeter {
    clock: fn() -> Duration,
    began: Duration,
    longest: Duration,
}

impl StepMeter {
    /// Measures the step that ends now, and begins the next one. Returns the longest so far.
    pub(super) fn end_step(&mut self) -> Duration {
        let now = (self.clock)();
        self.longest = self.longest.max(now.saturating_sub(self.began));
        self.began = now;
        self.longest
    }
}

impl Meter {
    pub(crate) fn step_meter(&self) -> Option<StepMeter> {
        self.step_clock.map(|clock| StepMeter {
            clock,
            began: clock(),
            longest: Duration::ZERO,
        })
    }

    pub(super) fn note_step(&mut self, longest: Duration) {
        self.longest_step = self.longest_step.max(longest);
    }
}

/// The cost of steps.
impl<S> EventLoop<S> {
    /// Measures the steps of turns and flushes with a [budget](crate::Budget) from now on, by `clock`. The longest one
    /// is `longest_step` of the [`Statistics`](crate::Statistics): a turn overruns its budget by this at most. The
    /// clock may count from any point in time, and is read once a step. The wall clock counts the time of other
    /// threads, too; the processor time of the thread (`CLOCK_THREAD_CPUTIME_ID`) does not, but takes a system call.
    ///
    /// ```
    /// use std::sync::LazyLock;
    /// use std::time::{Duration, Instant};
    /// use netloop::{Budget, EventLoop, Wait};
    ///
    /// static BEGUN: LazyLock<Instant> = LazyLock::new(Instant::now);
    ///
    /// let mut event_loop: EventLoop = EventLoop::new()?;
    /// event_loop.measure_steps(|| BEGUN.elapsed());
    /// event_loop.defer(|_| std::thread::sleep(Duration::from_millis(2)));
    /// event_loop.turn(&mut (), Wait::No, Budget::new().time(Duration::from_millis(1)))?;
    /// assert!(event_loop.statistics().longest_step >= Duration::from_millis(2));
    /// # Ok::<(), netloop::Error>(())
    /// ```
    pub fn measure_steps(&mut self, clock: fn() -> Duration) {
        self.agenda.meter.step_clock = Some(clock);
    }
}
