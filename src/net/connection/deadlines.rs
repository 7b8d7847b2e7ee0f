//! The clocks of a connection: connecting, closing, being idle. All share one entry on the wheel, which is re-filed
//! when it falls due and not whenever a byte moves.

use std::io;
use std::num::NonZeroU64;
use std::time::Duration;

use crate::net::values::Event;
use crate::reactor::{Readiness, Registration};

use super::{CloseReason, Connection, Facts, Outbound, SocketEvent, Stage};

impl Connection {
    pub(crate) fn elapsed(&mut self, registration: &mut Registration<'_>) -> Option<Event> {
        let now = registration.tick();
        if self.facts.contains(Facts::IS_OUT_OF_BUFFERS) {
            self.facts.remove(Facts::IS_OUT_OF_BUFFERS);
            registration.assume(Readiness::WRITABLE);
        }
        if self.stage == Stage::Connecting {
            if self
                .connect_deadline()
                .is_some_and(|deadline| deadline <= now)
            {
                self.fail_connect(io::ErrorKind::TimedOut.into(), registration);
                return None;
            }
            if self.dial_deadline().is_some_and(|deadline| deadline <= now) {
                if self.dial().is_some_and(|dial| dial.is_looking_up()) {
                    self.fail_lookup(io::ErrorKind::TimedOut.into(), registration);
                    return None;
                }
                return Some(Event::AttemptIsSlow);
            }
        } else if self
            .close_deadline()
            .is_some_and(|deadline| deadline <= now)
        {
            if self.has_failed() {
                self.report_held_back(registration);
            } else {
                self.close(CloseReason::TimedOut, registration);
            }
            return None;
        }
        let is_idle = self.idle_deadline().is_some_and(|deadline| deadline <= now);
        if is_idle && registration.has_work() {
            // Bytes have arrived that only wait for their turn.
            self.active_tick = now;
        } else if is_idle {
            self.facts.insert(Facts::IDLE_IS_REPORTED);
            self.file_deadline(registration);
            return Some(Event::Socket(SocketEvent::TimedOut));
        }
        self.file_deadline(registration);
        None
    }

    pub(crate) fn set_idle_timeout(
        &mut self,
        timeout: Option<Duration>,
        registration: &mut Registration<'_>,
    ) {
        if self.stage == Stage::Closed {
            return;
        }
        self.idle_ns = timeout.and_then(to_nanoseconds);
        self.active_tick = registration.latest_tick();
        self.facts.remove(Facts::IDLE_IS_REPORTED);
        self.file_deadline(registration);
    }

    /// A byte moved.
    #[inline]
    pub(super) fn touch(&mut self, registration: &mut Registration<'_>) {
        self.active_tick = registration.latest_tick();
        if self.facts.contains(Facts::IDLE_IS_REPORTED) {
            self.facts.remove(Facts::IDLE_IS_REPORTED);
            self.file_deadline(registration);
        }
    }

    /// Sees to it that `elapsed` is called by the next deadline.
    pub(crate) fn file_deadline(&self, registration: &mut Registration<'_>) {
        let deadline = match self.stage {
            Stage::Connecting => self.connect_deadline(),
            Stage::Open => self.close_deadline(),
            Stage::Closed => return,
        };
        let others = self.idle_deadline().into_iter().chain(self.dial_deadline());
        if let Some(deadline) = deadline.into_iter().chain(others).min() {
            registration.wake_at(deadline);
        }
    }

    pub(super) fn close_deadline(&self) -> Option<u64> {
        match self.outbound {
            Outbound::Open => None,
            Outbound::Ending | Outbound::Finished if self.is_input() => None,
            Outbound::Ending | Outbound::Finished => self
                .options
                .close_timeout
                .map(|timeout| later(self.begun_tick.max(self.active_tick), timeout)),
        }
    }

    pub(super) fn idle_deadline(&self) -> Option<u64> {
        match self.idle_timeout() {
            Some(timeout) if !self.facts.contains(Facts::IDLE_IS_REPORTED) => {
                Some(later(self.active_tick, timeout))
            }
            _ => None,
        }
    }
}

/// `None` for a timeout of zero, which never comes, as in Node. What 64 bits cannot say, 584 years, does not come either.
pub(super) fn to_nanoseconds(timeout: Duration) -> Option<NonZeroU64> {
    NonZeroU64::new(u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX))
}

/// The first tick by which `timeout` has passed for certain since something within the tick `since`.
pub(super) fn later(since: u64, timeout: Duration) -> u64 {
    // Not by `as_nanos`: a division of 128 bits takes a hundred instructions.
    let rest = u64::from(timeout.subsec_nanos().div_ceil(1_000_000));
    let ticks = timeout.as_secs().saturating_mul(1_000).saturating_add(rest);
    since.saturating_add(ticks).saturating_add(1)
}
