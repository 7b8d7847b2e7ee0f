//! Accepts peers, one a call, and backs off while accepting fails.

use std::io;
use std::mem;
use std::time::Duration;

use crate::net::error::{Error, Syscall};
use crate::net::values::Event;
use crate::reactor::{Interest, Readiness, Registration};

use super::accept_fault::{AcceptFault, classify_accept};
use super::{Listener, LoopAdmission, ServerEvent, State};

/// The number of [transient](AcceptFault::Transient) failures in a row after which the listener backs off.
const TRANSIENT_FAULTS: u32 = 16;

/// Between these bounds, each backoff is twice as long as the one before.
const FIRST_BACKOFF: Duration = Duration::from_millis(5);
const LONGEST_BACKOFF: Duration = Duration::from_secs(1);

/// Peers that abort their connections can cause transient failures, and must not keep others waiting for long.
const LONGEST_TRANSIENT_BACKOFF: Duration = Duration::from_millis(100);

/// The limit on the accepts of a drain, above any usual backlog: peers that keep coming must not put off the close.
const LAST_ACCEPTS: u32 = 1 << 16;

/// The number of [fatal](AcceptFault::Fatal) failures in a row that ends a listener.
pub(super) const FATAL_FAULTS: u32 = 3;

impl Listener {
    /// Ends a backoff, because its time is over or a descriptor may be free. Does nothing in any other state.
    pub(crate) fn wake(&self, registration: &mut Registration<'_>) {
        if let State::BackingOff { .. } = self.state {
            registration.assume(Readiness::READABLE);
            registration.want(Interest::READABLE);
        }
    }

    /// Makes the listener end once it has accepted the peers that wait; `false` if it does not listen. The listener
    /// calls `accept` even without a report, because the kernel may have queued peers that it has not reported yet.
    pub(crate) fn drain(&mut self, registration: &mut Registration<'_>) -> bool {
        let Some(bound) = self.bound_mut() else {
            return false;
        };
        bound.left_to_accept.get_or_insert(LAST_ACCEPTS);
        registration.assume(Readiness::READABLE);
        registration.want(Interest::READABLE);
        true
    }

    fn is_draining(&self) -> bool {
        self.as_bound()
            .is_some_and(|bound| bound.left_to_accept.is_some())
    }

    /// Counts a call of `accept` during a [drain](Self::drain). Returns `false` if none is left.
    fn may_accept(&mut self) -> bool {
        match self
            .bound_mut()
            .and_then(|bound| bound.left_to_accept.as_mut())
        {
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
            None => true,
        }
    }

    /// Accepts one peer; an [`Event::Arrival`] asks `Net` to admit or refuse it. Skips peers that are gone. Without a
    /// peer, returns the event of a failure, of a drain's end, or of earlier refusals.
    pub(crate) fn on_readable(
        &mut self,
        registration: &mut Registration<'_>,
        loop_admission: &mut LoopAdmission,
    ) -> Option<Event> {
        let event = match self.event {
            // The handler panicked when it was told of refused peers, so the event that follows them still waits.
            Some(_) => Some(self.event_for_net()),
            None => self.accept_next(registration, loop_admission),
        };
        if self.refusals.is_empty() {
            return event;
        }
        // One event stands for the refused peers and for the event after them. The backlog may hold more peers, so the
        // reactor serves the listener again.
        if self.event.is_some() && !self.has_arrival {
            registration.activate();
        }
        Some(self.event_for_net())
    }

    fn accept_next(
        &mut self,
        registration: &mut Registration<'_>,
        loop_admission: &mut LoopAdmission,
    ) -> Option<Event> {
        while self.admission.may_accept_in(loop_admission.turns()) {
            if !self.may_accept() {
                return Some(self.drained(registration));
            }
            let error = match self.as_bound()?.acceptor.accept() {
                Ok((stream, peer)) => {
                    self.note_accepted();
                    self.has_arrival = !(loop_admission.has_place() && self.takes_everyone());
                    return Some(self.report(ServerEvent::Accepted { stream, peer }));
                }
                Err(error) => error,
            };
            let fault = classify_accept(&error);
            if fault != AcceptFault::WouldBlock {
                self.admission.note_accept();
            }
            match fault {
                AcceptFault::WouldBlock => {
                    self.end_backoff();
                    registration.would_block(Interest::READABLE);
                    return self.is_draining().then(|| self.drained(registration));
                }
                AcceptFault::Transient => {
                    let bound = self.bound_mut()?;
                    bound.transient_faults += 1;
                    if bound.transient_faults >= TRANSIENT_FAULTS {
                        bound.transient_faults = 0;
                        return self.back_off(error, LONGEST_TRANSIENT_BACKOFF, registration);
                    }
                }
                AcceptFault::OutOfMemory => {
                    return self.back_off(error, LONGEST_BACKOFF, registration);
                }
                AcceptFault::OutOfDescriptors => {
                    loop_admission.meet_shortage(&self.as_bound()?.acceptor);
                    return self.back_off(error, LONGEST_BACKOFF, registration);
                }
                AcceptFault::Fatal => return self.fault(error, registration),
            }
        }
        None
    }

    fn drained(&mut self, registration: &mut Registration<'_>) -> Event {
        registration.unwant(Interest::READABLE);
        self.report(ServerEvent::Drained)
    }

    fn note_accepted(&mut self) {
        self.admission.note_accept();
        if let State::BackingOff { backoff, .. } = &mut self.state {
            *backoff = Duration::ZERO;
        }
        self.reset_faults();
    }

    fn reset_faults(&mut self) {
        if let Some(bound) = self.bound_mut() {
            bound.fatal_faults = 0;
            bound.transient_faults = 0;
        }
    }

    /// Backs off, for at most `longest`. Peers in the backlog cause no further edge, so the listener must try again by
    /// itself. The handler gets only the first failure, until [`end_backoff`](Self::end_backoff).
    fn back_off(
        &mut self,
        error: io::Error,
        longest: Duration,
        registration: &mut Registration<'_>,
    ) -> Option<Event> {
        let (bound, last) = match mem::replace(&mut self.state, State::Closed) {
            State::Listening(bound) => (bound, None),
            State::BackingOff { bound, backoff } => (bound, Some(backoff)),
            other @ (State::Pending(_) | State::Closed) => {
                self.state = other;
                return None;
            }
        };
        let backoff = (last.unwrap_or_default() * 2).clamp(FIRST_BACKOFF, longest);
        self.state = State::BackingOff { bound, backoff };
        registration.unwant(Interest::READABLE);
        registration.wake_at(registration.tick_after(backoff));
        last.is_none().then(|| self.accept_failed(error))
    }

    /// Ends the backoff: an accept without a waiting peer proves that accepting works. Later failures are told again.
    fn end_backoff(&mut self) {
        self.state = match mem::replace(&mut self.state, State::Closed) {
            State::BackingOff { bound, .. } => State::Listening(bound),
            other => other,
        };
        self.reset_faults();
    }

    /// Counts a [fatal](AcceptFault::Fatal) failure. After the third in a row, stops accepting and tells the handler:
    /// otherwise the listener would silently never accept again.
    fn fault(&mut self, error: io::Error, registration: &mut Registration<'_>) -> Option<Event> {
        self.bound_mut()?.fatal_faults += 1;
        if !self.is_faulty() {
            return None;
        }
        registration.unwant(Interest::READABLE);
        Some(self.accept_failed(error))
    }

    fn accept_failed(&mut self, error: io::Error) -> Event {
        let error = Error::new(Syscall::Accept, error).at(self.endpoint.clone());
        self.report(ServerEvent::AcceptFailed(error))
    }
}
