//! Failures that are held: the handler first gets the bytes that the peer sent before the failure, and the peer's end.
//! Then it gets the error and the close. A paused connection holds its failure until the unread timeout, or until it
//! was resumed and has read the bytes. A connection that reads holds the failure of a write until a read meets the end
//! or would block.

use std::io;

use crate::net::error::{Error, Syscall};
use crate::net::values::Event;
use crate::reactor::{Interest, Readiness, Registration};
use crate::system::errno::is_transient;

use super::Connection;
use super::activity::later;
use super::closing::reason_of;
use super::outbound::{OutboundFlags, OutboundState};
use super::retry::Retry;

#[derive(Debug)]
pub(super) enum Failure {
    /// The connection closes with this error.
    Final(Error),
    /// The error waits until the handler was told of received bytes, or of the peer's end. If a limit or `destroy_soon`
    /// closes the connection before that, the handler gets this error too.
    Held(Box<HeldFailure>),
}

#[derive(Debug)]
pub(super) struct HeldFailure {
    error: Error,
    /// The tick at which the failure was met.
    tick: u64,
    /// Whether the failure came after the peer's end. Only then is a read of 0 bytes the peer's end. Otherwise it may
    /// come from a reset whose error a write has consumed.
    is_behind_end: bool,
}

impl Failure {
    pub(super) fn into_error(self) -> Error {
        match self {
            Self::Final(error) => error,
            Self::Held(held) => held.error,
        }
    }
}

impl Connection {
    /// Fails the connection with `error` of `call` once the received bytes are delivered. Fails at once before the
    /// connect is over, once the peer has ended, or in a pause that [holds no failure](Self::holds_while_paused).
    /// Otherwise keeps the error, because the kernel reports an error only once.
    pub(super) fn fail_behind_unread(
        &mut self,
        call: Syscall,
        error: io::Error,
        registration: &mut Registration<'_>,
    ) {
        if self.outbound.has_failed() {
            // The first failure is the cause of this one.
            return;
        }
        let is_behind_end = self.stream.as_ref().is_some_and(|it| it.proves_end(&error));
        let is_connecting = self.stage.is_before_open() && !self.stage.is_handshaking();
        // A handshake reads during a pause too, and its next read that would block reports the failure.
        let is_paused = self.inbound.is_paused() && !self.stage.is_handshaking();
        if is_connecting
            || self.inbound.has_ended()
            || is_paused && !self.holds_while_paused(is_behind_end)
        {
            self.fail_io(call, error, registration);
            return;
        }
        self.hold_failure(HeldFailure {
            error: self.error(call, error),
            // Read anew: the write that failed may come at the end of a long callback.
            tick: registration.read_tick(),
            is_behind_end,
        });
        self.outbound.flags.remove(OutboundFlags::OWES_DRAIN);
        self.drop_filter_output();
        registration.unwant(Interest::WRITABLE);
        // The flush of a failed connection drops its queue.
        registration.flush_soon();
        if self.inbound.is_paused() {
            self.file_deadline(registration);
        }
        self.update_read_interest(registration);
    }

    /// Called when a pause begins. Reports a held failure, unless bytes or the peer's end are still to be told.
    pub(super) fn hold_or_report_failure(&mut self, registration: &mut Registration<'_>) {
        if !self.outbound.has_failed() || !self.stage.is_open() {
            return;
        }
        if self.holds_while_paused(self.is_failed_behind_end()) {
            self.file_deadline(registration);
        } else {
            self.report_held_back(registration);
        }
    }

    /// Fails the connection with a held error. Called when no more bytes are to be delivered.
    pub(super) fn report_held_back(&mut self, registration: &mut Registration<'_>) {
        if let Some(error) = self.take_failure() {
            let reason = reason_of(error.kind());
            self.fail(error, reason, registration);
        }
    }

    /// Whether a failure is held: received bytes or the peer's end are still to be told.
    pub(crate) fn is_peer_gone(&self) -> bool {
        self.stage.is_open() && self.outbound.has_failed()
    }

    /// Returns the tick at which a held failure is reported in a pause. Without a pause there is none: reads meet the
    /// end.
    pub(super) fn unread_deadline(&self) -> Option<u64> {
        if !self.is_peer_gone() || !self.inbound.is_paused() {
            return None;
        }
        let since = self.held_failure()?.tick;
        Some(later(since, self.settings.unread_timeout?))
    }

    /// Whether this paused connection holds a failure. After `destroy_soon` it does not: unread bytes are given up.
    fn holds_while_paused(&mut self, is_behind_end: bool) -> bool {
        !self.outbound.closes_when_sent()
            && (is_behind_end
                // If the kernel cannot say for now, bytes may be unread, and must not be lost.
                || self.has_received().unwrap_or(true))
    }

    pub(super) fn is_failed_behind_end(&self) -> bool {
        self.held_failure().is_some_and(|held| held.is_behind_end)
    }

    /// Whether received bytes are unread, in the connection or in the kernel. `None` if the kernel cannot say for now.
    fn has_received(&mut self) -> Option<bool> {
        if self.has_unread() {
            return Some(true);
        }
        match self.peek() {
            Ok(length) => Some(length > 0),
            Err(error) if is_transient(&error) => None,
            Err(_) => Some(false),
        }
    }

    /// Whether something of the peer has arrived, or may have: a byte, its end, or an error.
    pub(super) fn has_arrived(&mut self, registration: &mut Registration<'_>) -> bool {
        let peeked = self.peek();
        // The kernel may not have taken the answers of the filters. In the other looks, the queue waits for it already,
        // or nothing can be sent any more.
        self.await_filters(registration);
        // A failed answer may have closed the connection.
        self.stage.is_closed()
            || !matches!(peeked, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Looks for received bytes. Filters decode until they know the answer, and keep the decoded bytes.
    fn peek(&mut self) -> io::Result<usize> {
        let filters = match &mut self.cold {
            Some(cold) => cold.filters.as_deref_mut(),
            None => None,
        };
        match (&mut self.stream, filters) {
            (Some(stream), Some(filters)) => filters.peek(stream),
            (Some(stream), None) => stream.peek(),
            (None, _) => Ok(0),
        }
    }
}

/// The decision on a close timeout that is due: whether the timeout stops until `resume`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    /// The close timeout stops, because received bytes are unread.
    Begins,
    /// The close timeout closes the connection.
    IsOver,
    /// The kernel could not say whether bytes are unread.
    IsUnknown,
}

/// The peer's end, and the close timeout, while the connection is paused.
impl Connection {
    /// Whether the connection is paused, and wants to read only to [look](Self::look_for_end) for the peer's end.
    pub(super) fn watches_for_end(&self) -> bool {
        self.inbound.is_paused()
            && self.stage.is_open()
            && match self.outbound.has_failed() {
                true => self.is_failed_behind_end(),
                false => self.outbound.state == OutboundState::Finished,
            }
            && !self.inbound.has_ended()
            && !self.has_unread()
            && !self.is_input()
    }

    pub(super) fn update_read_interest(&self, registration: &mut Registration<'_>) {
        let reads = self.stage.is_open() && !self.inbound.has_ended() && !self.inbound.is_paused();
        let is_held = self.cold.as_ref().is_some_and(|it| it.waits_for_answers);
        // A handshake goes on during a pause, because it delivers no bytes to the program.
        if is_held || !(reads || self.stage.is_handshaking() || self.watches_for_end()) {
            return registration.unwant(Interest::READABLE);
        }
        registration.want(Interest::READABLE);
        if self.outbound.has_failed() {
            // The next read that would block reports the failure. The kernel may have reported the last edge already.
            registration.assume(Readiness::READABLE);
        }
    }

    /// Looks during a pause whether the peer's end is the next thing to read, and returns its event if so. Unread bytes
    /// end the watch: everything after them waits for `resume`.
    pub(super) fn look_for_end(&mut self, registration: &mut Registration<'_>) -> Option<Event> {
        if !self.watches_for_end() {
            // The watch has ended: for instance, unread bytes of a replaced handler come before the end.
            registration.unwant(Interest::READABLE);
            return None;
        }
        let before = self.received_on_wire();
        let peeked = self.peek();
        let has_received = self.received_on_wire() > before;
        if has_received {
            self.note_read();
        }
        match peeked {
            Ok(0) => return self.peer_ended(registration),
            Ok(_) => {
                self.note_read();
                registration.unwant(Interest::READABLE);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.note_read();
                registration.would_block(Interest::READABLE);
                self.report_held_back(registration);
            }
            // The bytes on the wire have decoded to nothing so far. The readiness stays, for another service.
            Err(error) if error.kind() == io::ErrorKind::Interrupted && has_received => {}
            Err(error) if is_transient(&error) && !self.is_shortage_fatal() => {
                self.retry_read(error.kind() == io::ErrorKind::Interrupted, registration);
            }
            Err(error) => self.fail_io(Syscall::Read, error, registration),
        }
        None
    }

    /// Whether the connection is paused between this side's end and the peer's: if so, `resume` leaves the pause out of
    /// the close timeout. `false` after `destroy_soon`, because the close then waits for the queue alone.
    pub(crate) fn is_resting(&self) -> bool {
        self.stage.is_open()
            && self.inbound.is_paused()
            && !self.inbound.has_ended()
            && matches!(
                self.outbound.state,
                OutboundState::Ending | OutboundState::Finished
            )
    }

    /// Whether the close timeout waits for `resume`: the FIN is sent, or received bytes are known to be unread.
    pub(super) fn waits_for_resume(&self) -> bool {
        let has_queue = self.outbound.state == OutboundState::Ending;
        let is_unread = self.cold.as_ref().is_some_and(|it| it.is_unread);
        self.is_resting() && (!has_queue || is_unread)
    }

    /// Decides on a close timeout that is due. The timeout stops if bytes are unread in a pause: the peer may take no
    /// bytes because this side does not read. If the kernel cannot say for now, files another look. After too many such
    /// looks in a row, the connection closes.
    pub(super) fn rest_with_queue(&mut self, registration: &mut Registration<'_>) -> Rest {
        if !self.is_resting() {
            return Rest::IsOver;
        }
        let has_received = self.has_received();
        if has_received.is_none() {
            let rest = self.inbound.retry.next_rest();
            if !self.inbound.retry.is_hopeless() {
                registration.wake_at(registration.latest_tick() + rest);
                return Rest::IsUnknown;
            }
        }
        self.inbound.retry = Retry::default();
        if has_received != Some(true) {
            return Rest::IsOver;
        }
        self.cold_mut().is_unread = true;
        Rest::Begins
    }

    /// Called when a pause begins. Notes the tick of its beginning if this side has ended and the peer has not.
    pub(super) fn begin_rest(&mut self, registration: &Registration<'_>) {
        if self.is_resting() {
            let tick = registration.latest_tick();
            self.cold_mut().rest_began.get_or_insert(tick);
        }
    }

    /// Lets the close timeout and the linger timeout go on with the time that they had left before the pause.
    pub(super) fn end_rest(&mut self, registration: &mut Registration<'_>) {
        let tick = registration.latest_tick();
        let (ended, last_byte) = (self.activity.began_tick, self.activity.last_byte_tick);
        let mut rest_began = None;
        if let Some(cold) = &mut self.cold {
            cold.is_unread = false;
            rest_began = cold.rest_began.take();
            if let Some(began) = rest_began {
                let progress = &mut cold.close_progress;
                progress.skip_rest(ended, last_byte, began, tick);
            }
        }
        self.activity.skip_rest(rest_began, tick);
        self.file_deadline(registration);
    }
}
