//! The times that the deadlines of a connection count from, as ticks of the reactor. A tick is one millisecond.

use std::time::Duration;

use crate::reactor::Registration;

#[derive(Debug)]
pub(super) struct Activity {
    /// The tick at which a byte last moved. The success of the connect or handshake counts as a byte. So do the peer's
    /// end, a new idle timeout, and the end of a pause by a pipe. Before all of these, the tick of the registration.
    pub(super) last_byte_tick: u64,
    /// The tick of the registration, or of the end of an accepted connection's handshake. `end` sets it to the tick of
    /// the call or, if the connection opens later, of the opening. Our FIN sets it again. A pause moves the tick on by
    /// the time for which it stopped the close timeout.
    pub(super) began_tick: u64,
    idle: IdleTimeout,
}

/// An idle timeout in nanoseconds; zero means none. Three bits are flags, so it has at most 61 bits: 73 years. An
/// `Option<Duration>` would take twice the memory in every connection.
#[derive(Clone, Copy, Debug)]
struct IdleTimeout(u64);

impl IdleTimeout {
    /// Invariant: set exactly while `REPORTED` or `EXACT` is set, so that `touch` tests one bit for both.
    const NOTED_BYTES: u64 = 1 << 63;
    /// Set from the report of the timeout until a byte moves, the peer ends, or the user sets the timeout.
    const REPORTED: u64 = 1 << 62;
    /// Set by `measure_exactly`. `touch` then reads the clock for each byte.
    const EXACT: u64 = 1 << 61;
    const LONGEST: u64 = Self::EXACT - 1;

    /// A timeout of zero never elapses, as in Node.
    fn new(timeout: Option<Duration>) -> Self {
        let nanoseconds = timeout.map_or(0, |timeout| timeout.as_nanos());
        Self(u64::try_from(nanoseconds).map_or(Self::LONGEST, |it| it.min(Self::LONGEST)))
    }

    fn duration(self) -> Option<Duration> {
        let nanoseconds = self.0 & Self::LONGEST;
        (nanoseconds > 0).then(|| Duration::from_nanos(nanoseconds))
    }

    fn insert(&mut self, flag: u64) {
        self.0 |= flag | Self::NOTED_BYTES;
    }

    fn is_exact(self) -> bool {
        self.0 & Self::EXACT != 0
    }

    #[inline]
    fn is_reported(self) -> bool {
        self.0 & Self::REPORTED != 0
    }
}

impl Activity {
    pub(super) fn new(idle_timeout: Option<Duration>) -> Self {
        Self {
            last_byte_tick: 0,
            began_tick: 0,
            idle: IdleTimeout::new(idle_timeout),
        }
    }

    pub(super) fn start(&mut self, tick: u64) {
        self.last_byte_tick = tick;
        self.began_tick = tick;
    }

    /// Notes that a byte has moved. If the idle timeout was reported before, files the deadline of the next report.
    #[inline]
    pub(super) fn touch(&mut self, registration: &mut Registration<'_>) {
        self.last_byte_tick = registration.latest_tick();
        if self.idle.0 & IdleTimeout::NOTED_BYTES != 0 {
            self.note_byte(&mut registration.reborrow());
        }
    }

    /// As [`touch`](Self::touch), but reads the clock. Called when the connect or the handshake has succeeded, perhaps
    /// behind a long callback of another socket.
    pub(super) fn touch_now(&mut self, registration: &mut Registration<'_>) {
        self.touch(registration);
        self.last_byte_tick = registration.read_tick();
    }

    #[cold]
    fn note_byte(&mut self, registration: &mut Registration<'_>) {
        if self.idle.is_exact() {
            self.last_byte_tick = registration.read_tick();
        }
        if self.idle.is_reported() {
            self.set_idle(self.idle.duration());
            if let Some(deadline) = self.idle_deadline() {
                registration.wake_at(deadline);
            }
        }
    }

    /// Makes `touch` read the clock for each byte. Called when a side has ended: deadlines then count from the last
    /// byte, and must not fire early. After a long callback, the turn's reading is older than the byte.
    pub(super) fn measure_exactly(&mut self) {
        self.idle.insert(IdleTimeout::EXACT);
    }

    fn set_idle(&mut self, timeout: Option<Duration>) {
        let is_exact = self.idle.is_exact();
        self.idle = IdleTimeout::new(timeout);
        if is_exact {
            self.measure_exactly();
        }
    }

    pub(super) fn idle_timeout(&self) -> Option<Duration> {
        self.idle.duration()
    }

    pub(super) fn set_idle_timeout(&mut self, timeout: Option<Duration>, tick: u64) {
        self.set_idle(timeout);
        self.last_byte_tick = tick;
    }

    pub(super) fn report_idle(&mut self) {
        self.idle.insert(IdleTimeout::REPORTED);
    }

    pub(super) fn idle_is_reported(&self) -> bool {
        self.idle.is_reported()
    }

    pub(super) fn idle_deadline(&self) -> Option<u64> {
        if self.idle.is_reported() {
            return None;
        }
        let timeout = self.idle.duration()?;
        Some(later(self.last_byte_tick, timeout))
    }

    /// Moves `began_tick` on by the part of a pause that came after this side's end. The pause began at `rest_began`,
    /// or before that end (`None`), and ends at `tick`.
    pub(super) fn skip_rest(&mut self, rest_began: Option<u64>, tick: u64) {
        let rest_began = rest_began.map_or(self.began_tick, |it| it.max(self.began_tick));
        self.began_tick += tick.saturating_sub(rest_began);
    }
}

/// Returns the first tick at which `timeout` has certainly passed, counted even from the very end of the tick `since`.
pub(super) fn later(since: u64, timeout: Duration) -> u64 {
    // Not `as_nanos`, because its division of 128 bits takes a hundred instructions.
    let rest = u64::from(timeout.subsec_nanos().div_ceil(1_000_000));
    let ticks = timeout.as_secs().saturating_mul(1_000).saturating_add(rest);
    since.saturating_add(ticks).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    // A byte does not move `began_tick`. A pause moves it by the length of the pause.
    #[test]
    fn a_rest_takes_nothing_from_the_time_since_the_end() {
        let mut activity = Activity::new(None);
        activity.start(1000);
        activity.last_byte_tick = 1020;
        activity.skip_rest(Some(1030), 5000);
        assert_eq!(activity.began_tick, 4970);
        // This pause began before this side ended.
        activity.skip_rest(None, 6000);
        assert_eq!(activity.began_tick, 6000);
    }

    #[test]
    fn an_idle_timeout_comes_back_as_it_was() {
        let second = Duration::from_secs(1);
        for (set, kept) in [
            (None, None),
            (Some(Duration::ZERO), None),
            (Some(Duration::from_nanos(1)), Some(Duration::from_nanos(1))),
            (Some(second), Some(second)),
            (
                Some(Duration::MAX),
                Some(Duration::from_nanos(IdleTimeout::LONGEST)),
            ),
        ] {
            let mut activity = Activity::new(set);
            activity.measure_exactly();
            assert_eq!(activity.idle_timeout(), kept);
            activity.report_idle();
            assert_eq!(activity.idle_timeout(), kept, "reported");
            assert_eq!(activity.idle_deadline(), None, "until the next byte");
        }
    }
}
