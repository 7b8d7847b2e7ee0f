//! The deadlines of a connection: for connecting, for closing, and for being idle. All deadlines share one entry on the
//! timer wheel. The entry stays while bytes move. If it falls due before every deadline, it is filed again.

use std::io;
use std::time::Duration;

use crate::net::values::{CloseReason, Event, SocketEvent};
use crate::reactor::{Readiness, Registration};

use super::Connection;
use super::outbound::{OutboundFlags, OutboundState};
use super::stage::Stage;

impl Connection {
    /// Handles the deadlines that have passed, and files the next one. If the entry on the wheel was earlier than every
    /// deadline, only files the entry again. After ENOBUFS, assumes that the socket is writable again.
    pub(crate) fn on_deadline(&mut self, registration: &mut Registration<'_>) -> Option<Event> {
        let now = registration.tick();
        let is_due = |deadline: Option<u64>| deadline.is_some_and(|deadline| deadline <= now);
        if self.outbound.flags.contains(OutboundFlags::OUT_OF_BUFFERS) {
            self.outbound.flags.remove(OutboundFlags::OUT_OF_BUFFERS);
            registration.assume(Readiness::WRITABLE);
        }
        if self.stage.is_before_open() {
            if is_due(self.connect_deadline()) {
                self.fail_connect(io::ErrorKind::TimedOut.into(), registration);
                return None;
            }
            if is_due(self.race_deadline()) {
                if matches!(self.stage, Stage::LookingUp(_)) {
                    self.fail_lookup(io::ErrorKind::TimedOut.into(), registration);
                    return None;
                }
                return Some(Event::AttemptIsSlow);
            }
        } else if is_due(self.close_deadline()) {
            if self.outbound.has_failed() {
                self.report_held_back(registration);
            } else {
                self.close(CloseReason::TimedOut, registration);
            }
            return None;
        }
        let mut event = None;
        if is_due(self.activity.idle_deadline()) {
            if registration.has_work() {
                // Bytes that have arrived, but that the reactor has not served yet, count as activity.
                self.activity.last_byte_tick = now;
            } else {
                self.activity.report_idle();
                event = Some(Event::Socket(SocketEvent::TimedOut));
            }
        }
        self.file_deadline(registration);
        event
    }

    pub(crate) fn set_idle_timeout(
        &mut self,
        timeout: Option<Duration>,
        registration: &mut Registration<'_>,
    ) {
        if self.stage.is_closed() {
            return;
        }
        self.activity
            .set_idle_timeout(timeout, registration.latest_tick());
        self.file_deadline(registration);
    }

    /// Asks the reactor to call [`on_deadline`](Self::on_deadline) when the earliest of the deadlines has passed.
    pub(crate) fn file_deadline(&self, registration: &mut Registration<'_>) {
        let deadline = match self.stage {
            Stage::LookingUp(_) | Stage::Racing(_) | Stage::Connecting(_) => {
                self.connect_deadline()
            }
            Stage::Open(_) => self.close_deadline(),
            Stage::Closed { .. } => return,
        };
        let others = [self.activity.idle_deadline(), self.race_deadline()];
        let others = others.into_iter().flatten();
        if let Some(deadline) = deadline.into_iter().chain(others).min() {
            registration.wake_at(deadline);
        }
    }

    /// Returns the tick by which the close must be complete. `None` if this side has not ended, if there is no close
    /// timeout, or if the descriptor can only be read.
    fn close_deadline(&self) -> Option<u64> {
        if self.outbound.state == OutboundState::Open || self.is_input() {
            return None;
        }
        let timeout = self.options.close_timeout?;
        Some(self.activity.close_deadline(timeout))
    }
}
