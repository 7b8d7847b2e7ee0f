//! The virtual clock of a simulation, which moves only by calls of its methods.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The time that each poll takes, in nanoseconds, whether it waits or not.
const POLL: u64 = 1_000;

#[derive(Debug)]
pub(super) struct VirtualClock {
    /// The beginning of the simulation: the only reading of the real clock.
    origin: Instant,
    /// The number of nanoseconds since `origin`. Shared with the time providers of TLS, which have to be `Sync`.
    elapsed: Arc<AtomicU64>,
}

impl VirtualClock {
    pub(super) fn new() -> Self {
        Self {
            origin: Instant::now(),
            elapsed: Arc::default(),
        }
    }

    pub(super) fn now(&self) -> Instant {
        self.instant(self.nanoseconds())
    }

    pub(super) fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.nanoseconds())
    }

    pub(super) fn nanoseconds(&self) -> u64 {
        self.elapsed.load(Ordering::Relaxed)
    }

    #[cfg(feature = "tls")]
    pub(super) fn share(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.elapsed)
    }

    pub(super) fn instant(&self, nanoseconds: u64) -> Instant {
        self.origin + Duration::from_nanos(nanoseconds)
    }

    /// Moves the clock on by the time of a poll, so that time passes even for a loop that is always busy.
    pub(super) fn pass_poll(&self) {
        self.elapsed.fetch_add(POLL, Ordering::Relaxed);
    }

    /// Moves the clock on to `instant`. Returns `false`, and changes nothing, if `instant` is not in the future.
    pub(super) fn advance_to(&self, instant: Instant) -> bool {
        let since = nanoseconds(instant.saturating_duration_since(self.origin));
        let before = self.elapsed.fetch_max(since, Ordering::Relaxed);
        since > before
    }
}

pub(super) fn nanoseconds(duration: Duration) -> u64 {
    // A time beyond 64 bits becomes a quarter of the range of `u64`, so that a sum of times does not overflow.
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX / 4)
}
