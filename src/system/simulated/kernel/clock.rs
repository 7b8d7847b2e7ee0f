//! The virtual clock of a simulation.

use std::time::{Duration, Instant};

/// The duration of a poll that does not wait, in nanoseconds.
const POLL: u64 = 1_000;

/// A clock that moves only when it is told to.
#[derive(Debug)]
pub(super) struct VirtualClock {
    /// The beginning of the simulation, on a real clock that is never read again.
    origin: Instant,
    /// Nanoseconds since `origin`.
    elapsed: u64,
}

impl VirtualClock {
    pub(super) fn new() -> Self {
        Self {
            origin: Instant::now(),
            elapsed: 0,
        }
    }

    pub(super) fn now(&self) -> Instant {
        self.instant(self.elapsed)
    }

    pub(super) fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.elapsed)
    }

    /// The time as nanoseconds since the beginning.
    pub(super) fn nanoseconds(&self) -> u64 {
        self.elapsed
    }

    /// The instant that many nanoseconds after the beginning.
    pub(super) fn instant(&self, nanoseconds: u64) -> Instant {
        self.origin + Duration::from_nanos(nanoseconds)
    }

    /// Lets the time of a poll pass, so that the clock moves even for a loop that is always busy.
    pub(super) fn pass_poll(&mut self) {
        self.elapsed += POLL;
    }

    /// Moves the clock on to `instant`. Returns whether that was in the future.
    pub(super) fn advance_to(&mut self, instant: Instant) -> bool {
        let since = nanoseconds(instant.saturating_duration_since(self.origin));
        let is_future = since > self.elapsed;
        self.elapsed = self.elapsed.max(since);
        is_future
    }
}

pub(super) fn nanoseconds(duration: Duration) -> u64 {
    // A quarter of the range stands for ever, so that sums of it do not overflow.
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX / 4)
}
