//! How a silent connection is probed.

use std::time::Duration;

use crate::system::KeepAliveTimes;

/// TCP keep-alive: probes on a silent connection, so that a peer that vanished is noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeepAlive {
    idle: Option<Duration>,
    interval: Duration,
    probes: u32,
}

impl KeepAlive {
    /// Keep-alive with the system's own idle time before the first probe (two hours on Linux), and Node's 1 s
    /// between probes and 10 probes.
    pub fn new() -> Self {
        Self {
            idle: None,
            interval: Duration::from_secs(1),
            probes: 10,
        }
    }

    /// Keep-alive whose first probe comes after `idle` of silence.
    ///
    /// The system counts in whole seconds: a fraction is rounded up here, where Node drops it and so silently turns
    /// half a second into "leave it as it is".
    pub fn after(idle: Duration) -> Self {
        Self {
            idle: Some(whole_seconds(idle)),
            ..Self::new()
        }
    }

    /// The time between two unanswered probes, in whole seconds (rounded up). Default 1 s.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = whole_seconds(interval);
        self
    }

    /// After how many unanswered probes the connection fails with ETIMEDOUT. Default 10.
    pub fn probes(mut self, probes: u32) -> Self {
        self.probes = probes.max(1);
        self
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
