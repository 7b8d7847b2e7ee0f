//! TCP keep-alive: the probes on a silent connection.

use std::time::Duration;

use crate::system::KeepAliveTimes;

/// TCP keep-alive: probes on a silent connection, which detect that the peer has vanished.
///
/// The system counts in whole seconds. `KeepAlive` rounds a fraction up. Node drops the fraction, so half a second
/// becomes 0, and the system's setting stays. Each time is at most 32,767 s, and there are at most 127 probes, because
/// Linux accepts no more. The constructor of the loop, `listen`, `connect`, `adopt` and
/// [`set_keep_alive`](crate::Socket::set_keep_alive) refuse larger values with `ERR_INVALID_ARGUMENT`.
///
/// ```
/// use std::time::Duration;
/// use netloop::KeepAlive;
///
/// let keep_alive = KeepAlive::after(Duration::from_secs(60)).probes(4);
/// assert_eq!(keep_alive.idle(), Some(Duration::from_secs(60)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(alias = "setKeepAlive")]
pub struct KeepAlive {
    /// The silence before the first probe; `None` is the system's default. Invariant: whole seconds, and at least one.
    idle: Option<Duration>,
    /// The time between two unanswered probes. Invariant: whole seconds, and at least one.
    interval: Duration,
    /// The number of unanswered probes after which the connection fails. Invariant: at least 1.
    probes: u32,
}

impl KeepAlive {
    /// Keep-alive with the system's default silence before the first probe (two hours on Linux), and with Node's 10
    /// probes 1 s apart.
    pub fn new() -> Self {
        Self {
            idle: None,
            interval: Duration::from_secs(1),
            probes: 10,
        }
    }

    /// Keep-alive whose first probe comes after the silence `idle`, in whole seconds (rounded up).
    #[doc(alias = "keepAliveInitialDelay")]
    pub fn after(idle: Duration) -> Self {
        Self {
            idle: Some(whole_seconds(idle)),
            ..Self::new()
        }
    }

    /// Sets the time between two unanswered probes, in whole seconds (rounded up). Default: 1 s.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = whole_seconds(interval);
        self
    }

    /// Sets the number of unanswered probes after which the connection fails with ETIMEDOUT. Default: 10; 0 counts as 1.
    pub fn probes(mut self, probes: u32) -> Self {
        self.probes = probes.max(1);
        self
    }

    /// The silence before the first probe; `None` is the system's default.
    #[must_use]
    pub fn idle(&self) -> Option<Duration> {
        self.idle
    }

    /// The time between two unanswered probes.
    #[must_use]
    pub fn probe_interval(&self) -> Duration {
        self.interval
    }

    /// The number of unanswered probes after which the connection fails.
    #[must_use]
    pub fn probe_count(&self) -> u32 {
        self.probes
    }

    pub(crate) fn times(self) -> KeepAliveTimes {
        KeepAliveTimes {
            idle: self.idle,
            interval: Some(self.interval),
            count: Some(self.probes),
        }
    }
}

impl Default for KeepAlive {
    fn default() -> Self {
        Self::new()
    }
}

fn whole_seconds(duration: Duration) -> Duration {
    let seconds = duration
        .as_secs()
        .saturating_add(u64::from(duration.subsec_nanos() > 0));
    Duration::from_secs(seconds.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_whole_seconds_and_never_zero() {
        let keep_alive = KeepAlive::after(Duration::from_millis(1_001))
            .interval(Duration::ZERO)
            .probes(0);
        assert_eq!(keep_alive.idle(), Some(Duration::from_secs(2)));
        assert_eq!(keep_alive.probe_interval(), Duration::from_secs(1));
        assert_eq!(keep_alive.probe_count(), 1);
        assert_eq!(KeepAlive::new().idle(), None);
    }
}
