//! The end of a connection: our FIN after the last byte, failures, and the close.

use std::io;
use std::rc::Rc;

use crate::net::error::{Error, Syscall};
use crate::net::outbox::Outbox;
use crate::net::values::CloseReason;
use crate::reactor::Registration;
use crate::system::Stream;

use super::Connection;
use super::close_progress::CloseProgress;
use super::outbound::OutboundState;
use super::peer_address::PeerAddress;
use super::stage::Stage;

impl Connection {
    /// Ends this side: a FIN follows the unsent bytes.
    pub(crate) fn end(&mut self, registration: &mut Registration<'_>) {
        if self.stage.is_closed() || self.outbound.state != OutboundState::Open {
            return;
        }
        self.outbound.begin_end();
        if self.stage.is_open() {
            // Not called before the connection is open: until then the connect timeout counts from `began_tick`.
            self.note_end(registration);
            if !self.outbound.unsent.is_empty() || self.outbound.has_failed() {
                // If neither holds, the next flush sends the FIN, and files the deadline.
                self.file_deadline(registration);
            }
            registration.flush_soon();
        }
    }

    /// Notes the end of this side, or its FIN: the close timeout and the linger timeout count from this call.
    pub(super) fn note_end(&mut self, registration: &Registration<'_>) {
        // Read anew: both the call and the FIN may come at the end of a long callback.
        self.activity.began_tick = registration.read_tick();
        self.activity.measure_exactly();
        if let Some(cold) = &mut self.cold {
            cold.close_progress = CloseProgress::default();
        }
    }

    /// Ends this side, and closes the connection once the last byte is sent, without waiting for the peer's end.
    pub(crate) fn end_and_close(&mut self, registration: &mut Registration<'_>) {
        self.close_behind_queue(OutboundState::EndingToClose, None, registration);
    }

    /// Closes the connection once the last byte is sent, because the other socket of its pipe has closed, or takes no
    /// more bytes. If the bytes of the pipe `are_cut_short`, the close is a RST, unless `end` or `destroy_soon` has
    /// promised a FIN before.
    pub(crate) fn close_behind_pipe(
        &mut self,
        are_cut_short: bool,
        error: Option<Error>,
        registration: &mut Registration<'_>,
    ) {
        let is_open = self.outbound.state == OutboundState::Open;
        if is_open && !self.stage.is_closed() {
            self.cold_mut().is_ended_by_pipe = true;
        }
        let is_ended_by_pipe = self.cold.as_ref().is_some_and(|it| it.is_ended_by_pipe);
        let ending = match are_cut_short && is_ended_by_pipe {
            true => OutboundState::EndingToReset,
            false => OutboundState::EndingToClose,
        };
        if self.outbound.state == OutboundState::EndingToClose {
            // A pipe that only reads from this socket may have called first, and chosen a FIN. The pipe that writes to
            // it decides on a RST.
            self.outbound.state = ending;
        }
        self.close_behind_queue(ending, error, registration);
    }

    /// Closes the connection after its queue, as `ending` says, unless an earlier call does so already.
    fn close_behind_queue(
        &mut self,
        ending: OutboundState,
        error: Option<Error>,
        registration: &mut Registration<'_>,
    ) {
        if self.stage.is_closed() {
            return;
        }
        if self.outbound.has_failed() {
            // A connection that reads still delivers the received bytes. In a pause, this call gives them up.
            self.outbound.state = ending;
            if self.inbound.is_paused() {
                self.report_held_back(registration);
            }
        } else if self.outbound.state == OutboundState::Finished {
            self.close_locally(error, registration);
        } else if !self.outbound.closes_when_sent() {
            let is_resting = self.is_resting();
            self.end(registration);
            self.outbound.state = ending;
            if error.is_some() {
                self.cold_mut().closing_error = error;
            }
            if is_resting {
                self.end_rest(registration);
            }
        }
    }

    fn close_locally(&mut self, error: Option<Error>, registration: &mut Registration<'_>) {
        match error {
            Some(error) => self.fail(error, CloseReason::Error, registration),
            None => self.close(CloseReason::Local, registration),
        }
    }

    /// Lets this side stay open, from now on, when the peer ends.
    pub(crate) fn allow_half_open(&mut self) {
        if !self.settings.allow_half_open {
            Rc::make_mut(&mut self.settings).allow_half_open = true;
        }
    }

    /// Whether ending this side closes the connection at once, and so needs no close deadline. The caller has called
    /// [`move_to_queue`](Self::move_to_queue).
    fn ends_at_once(&self) -> bool {
        self.inbound.has_ended()
            && self.outbound.unsent.is_empty()
            && !self.outbound.has_failed()
            && !self.outbound.has_markers()
            && !self.has_filters()
    }

    /// Answers the peer's end after `on_end`: ends this side too, unless half-open is allowed.
    pub(crate) fn answer_end(&mut self, registration: &mut Registration<'_>) {
        if !self.inbound.has_ended() || !self.stage.is_open() {
            return;
        }
        let ends = !self.settings.allow_half_open;
        let is_open = self.outbound.state == OutboundState::Open;
        if ends && is_open && self.ends_at_once() {
            // The close need not wait for the flush phase, because nothing is unsent.
            self.outbound.begin_end();
            self.finish_sending(registration);
            return;
        }
        if self.outbound.has_failed() {
            // The failure was held until the handler was told of the peer's end.
            self.report_held_back(registration);
            return;
        }
        if ends {
            self.end(registration);
        }
        if self.outbound.state == OutboundState::Finished {
            self.close(CloseReason::Graceful, registration);
        }
    }

    /// Finishes the outbound half after its last byte. After `end`, a FIN is sent here if the peer has not ended. In
    /// all other cases the connection closes, and the close sends the FIN or the RST. If a duplicate of the descriptor
    /// may exist, the close would send no FIN, so the FIN is sent before.
    pub(super) fn finish_sending(&mut self, registration: &mut Registration<'_>) {
        let resets = self.outbound.state == OutboundState::EndingToReset;
        if !resets && !self.end_filters(registration) {
            // `end` has left the deadline to this call if nothing was unsent.
            self.file_deadline(registration);
            return;
        }
        if self.outbound.closes_when_sent() {
            self.close_sent(registration);
            return;
        }
        self.outbound.state = OutboundState::Finished;
        let is_over = self.inbound.has_ended();
        if let Some(stream) = &self.stream {
            if !is_over || self.may_have_duplicates(stream) {
                if let Err(error) = stream.shutdown_write() {
                    self.fail_behind_unread(Syscall::Shutdown, error, registration);
                    return;
                }
            }
        }
        if is_over {
            self.close(CloseReason::Graceful, registration);
        } else {
            // The close timeout counts anew from the FIN: the peer could not answer a FIN that was not sent yet.
            self.note_end(registration);
            self.update_read_interest(registration);
            self.file_deadline(registration);
        }
    }

    /// Whether a duplicate of the descriptor, as after a fork, may outlive the close, which then sends no FIN. For an
    /// accepted socket forks are ignored: the `shutdown` would cost one more system call for each connection.
    fn may_have_duplicates(&self, stream: &Stream) -> bool {
        stream.is_shared() || self.server.is_none()
    }

    #[cold]
    fn close_sent(&mut self, registration: &mut Registration<'_>) {
        let ended = std::mem::replace(&mut self.outbound.state, OutboundState::Finished);
        if let Some(stream) = &self.stream {
            // This call fails for a Unix socket, which has no RST.
            let resets = ended == OutboundState::EndingToReset && stream.reset_on_close().is_ok();
            if !resets && self.may_have_duplicates(stream) {
                if let Err(error) = stream.shutdown_write() {
                    self.fail_behind_unread(Syscall::Shutdown, error, registration);
                    return;
                }
            }
        }
        let error = self
            .cold
            .as_mut()
            .and_then(|cold| cold.closing_error.take());
        self.close_locally(error, registration);
    }
}

impl Connection {
    /// Fails the connection with the error that a system call on its stream returned.
    pub(super) fn fail_io(
        &mut self,
        call: Syscall,
        error: io::Error,
        registration: &mut Registration<'_>,
    ) {
        // `self.error` may replace the error (`system::errno::canonical`), so the kind is taken afterwards.
        let error = self.error(call, error);
        let reason = reason_of(error.kind());
        self.fail(error, reason, registration);
    }

    /// Fails an adopted connection with the `error` that had ended it before its adoption.
    pub(crate) fn fail_adopted(&mut self, error: io::Error, registration: &mut Registration<'_>) {
        self.fail_io(Syscall::Read, error, registration);
    }

    pub(crate) fn fail(
        &mut self,
        error: Error,
        reason: CloseReason,
        registration: &mut Registration<'_>,
    ) {
        self.set_failure(error);
        self.close(reason, registration);
    }

    /// Closes the connection: no reads or writes follow. The descriptor stays open until [`shut`](Self::shut).
    pub(super) fn close(&mut self, reason: CloseReason, registration: &mut Registration<'_>) {
        self.note_closed(reason);
        registration.close();
    }

    fn note_closed(&mut self, reason: CloseReason) {
        let mut holds_place = true;
        let may_be_tcp = self.may_be_tcp();
        let peer = match self.stage.take() {
            Stage::Open(peer) => peer,
            Stage::Handshaking(peer) => {
                if !self.has_been_open() {
                    self.note_closed_unconnected();
                }
                peer
            }
            Stage::Closed {
                peer,
                holds_place: held,
                ..
            } => {
                holds_place = held;
                peer
            }
            // The address of a peer that was not reached is not reported as the peer's address.
            Stage::Connecting(_) => {
                self.note_closed_unconnected();
                PeerAddress::Unknown
            }
            Stage::LookingUp(race) | Stage::Racing(race) => {
                self.set_past_race(race);
                self.note_closed_unconnected();
                PeerAddress::Unknown
            }
        };
        // The bytes in the span are lost. A span that could still grow would accept a write to a closed socket.
        self.outbound.unsent.seal();
        self.stage = Stage::Closed {
            peer,
            reason,
            may_be_tcp,
            holds_place,
            is_shut: false,
        };
    }

    /// Closes the descriptor and drops the unsent bytes, in the close phase.
    pub(crate) fn shut(&mut self, outbox: &mut Outbox) -> (CloseReason, Option<Error>) {
        let reason = match self.stage {
            Stage::Closed { reason, .. } => reason,
            _ => {
                // The reactor closes a connection by itself if it has no memory for a deadline.
                let error = self.error(Syscall::Read, io::ErrorKind::OutOfMemory.into());
                self.set_failure(error);
                self.note_closed(CloseReason::Error);
                CloseReason::Error
            }
        };
        let lost = outbox.discard(&mut self.outbound.unsent);
        if lost > 0 {
            self.note_lost(lost);
        }
        // With `CloseReason::Limit` a write may have been refused whole. The peer must not take the bytes before that
        // write for everything.
        if self.lost_bytes() > 0 || reason == CloseReason::Limit {
            self.reset_if_cut_short();
        }
        self.stream = None;
        if let Stage::Closed { is_shut, .. } = &mut self.stage {
            *is_shut = true;
        }
        (reason, self.take_failure())
    }

    /// Makes the close a RST if bytes are lost: the peer must not mistake the part that it has for everything. The RST
    /// also discards the bytes that the kernel holds. As in Node, a FIN is sent instead if the user has chosen to
    /// close, by `destroy` or `destroy_with`. A `destroy` after a reported idle timeout or deadline is no such choice.
    pub(crate) fn reset_if_cut_short(&self) {
        let is_the_users_choice = matches!(
            self.stage,
            Stage::Closed {
                reason: CloseReason::Local | CloseReason::Detached,
                ..
            }
        ) || self.is_given_up();
        if let (false, Some(stream)) = (is_the_users_choice, &self.stream) {
            // The call fails for a Unix socket, and for a connection that the kernel has given up.
            let _ = stream.reset_on_close();
        }
    }

    /// Makes the close a RST if a timeout has closed the connection, and no FIN was promised. A pipe calls this for its
    /// destination after `on_timeout` and `on_deadline`: the bytes of the pipe are cut short.
    pub(crate) fn reset_if_timed_out(&self) {
        let is_timed_out = matches!(
            self.stage,
            Stage::Closed {
                reason: CloseReason::TimedOut,
                ..
            }
        );
        let is_cut_short = matches!(
            self.outbound.state,
            OutboundState::Open | OutboundState::EndingToReset
        );
        if let (true, true, Some(stream)) = (is_timed_out, is_cut_short, &self.stream) {
            // This call fails for a Unix socket, which has no RST.
            let _ = stream.reset_on_close();
        }
    }

    /// Makes an [`Error`] from the error of a system call; that of a connect names the addresses.
    pub(super) fn error(&self, call: Syscall, error: io::Error) -> Error {
        // An `Error` inside means that a filter has made it, and that no system call has failed.
        if self.has_filters() && error.get_ref().is_some_and(|inner| inner.is::<Error>()) {
            return error.into();
        }
        let error = Error::new(call, error);
        match (call, self.stage.address()) {
            (Syscall::Connect, Some(peer)) => match self.asked_local() {
                Some(local) => error.at(peer.into()).bound_to(local),
                None => error.at(peer.into()),
            },
            (Syscall::Connect, None) => match self.race() {
                Some(race) => error.at(race.endpoint()),
                None => error,
            },
            _ => error,
        }
    }
}

pub(super) fn reason_of(kind: io::ErrorKind) -> CloseReason {
    match kind {
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        // The kernel no longer knows the connection that this socket had.
        | io::ErrorKind::NotConnected
        | io::ErrorKind::BrokenPipe => CloseReason::Reset,
        io::ErrorKind::TimedOut => CloseReason::TimedOut,
        _ => CloseReason::Error,
    }
}
