//! The idle timeout of a side, and the callbacks that must come of it (S7).

use std::time::{Duration, Instant};

/// The activity of one side, as far as its handler knows it.
#[derive(Debug)]
pub(crate) struct Idling {
    /// A time since which no byte is known to have moved.
    active_at: Instant,
    /// The bytes that had moved when the timeout was told last; `None` if something has happened since.
    told_at: Option<u64>,
}

impl Idling {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            active_at: now,
            told_at: None,
        }
    }

    /// Bytes or an end have come, or the timeout was set: it counts from `now`, or later.
    pub(crate) fn restart(&mut self, now: Instant) {
        self.active_at = now;
        self.told_at = None;
    }

    /// The connection is there, which may or may not count as activity.
    pub(crate) fn connected(&mut self) {
        self.told_at = None;
    }

    /// The timeout is told, when `moved` bytes have moved in both directions together. `is_exact` says whether these are
    /// all bytes that count.
    pub(crate) fn told(
        &mut self,
        now: Instant,
        timeout: Option<Duration>,
        moved: u64,
        is_exact: bool,
    ) {
        let timeout = timeout.unwrap_or_else(|| panic!("S2: a timeout that is not set: {self:?}"));
        let passed = now.saturating_duration_since(self.active_at);
        assert!(
            passed >= timeout,
            "S7: a timeout of {timeout:?} after {passed:?}: {self:?}"
        );
        assert!(
            self.told_at != Some(moved) || !is_exact,
            "S2: a timeout is told once for each activity"
        );
        self.told_at = Some(moved);
    }

    /// L: at rest, each timeout has been told since the last byte.
    pub(crate) fn check_rest(&self, timeout: Option<Duration>, moved: u64) {
        let is_set = timeout.is_some_and(|timeout| !timeout.is_zero());
        assert!(
            !is_set || self.told_at == Some(moved),
            "L: a timeout that was never told: {self:?}, and {moved} bytes have moved"
        );
    }
}
