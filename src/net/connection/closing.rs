//! The end of a connection: our FIN behind the last byte, a failure, the close.

use std::io;
use std::rc::Rc;

use crate::net::error::{Error, Syscall};
use crate::net::outbox::Outbox;
use crate::net::values::CloseReason;
use crate::reactor::Registration;

use super::Connection;
use super::outbound::OutboundState;
use super::peer_address::PeerAddress;
use super::stage::Stage;

/// The end of the outbound half: a FIN behind the last byte, and the close that may follow.
impl Connection {
    /// Ends this side: a FIN behind the unsent bytes.
    pub(crate) fn end(&mut self, registration: &mut Registration<'_>) {
        if self.stage.is_closed() || self.outbound.state != OutboundState::Open {
            return;
        }
        self.outbound.begin_end();
        if self.stage.is_open() {
            // While it connects, this is when that began, and the time for it is not begun anew.
            self.activity.began_tick = registration.latest_tick();
            if !self.outbound.unsent.is_empty() || self.outbound.has_failed() {
                // Else the flush ends this side at once, and nearly always the connection with it.
                self.file_deadline(registration);
            }
            registration.flush_soon();
        }
    }

    /// Ends this side, and closes as soon as that is done.
    pub(crate) fn end_and_close(&mut self, registration: &mut Registration<'_>) {
        if self.stage.is_closed() {
            return;
        }
        if self.outbound.state == OutboundState::Finished {
            self.close(CloseReason::Local, registration);
        } else {
            self.end(registration);
            self.outbound.state = OutboundState::EndingToClose;
        }
    }

    /// Lets this side stay open when the peer ends, whatever the options were.
    pub(crate) fn allow_half_open(&mut self) {
        if !self.options.allow_half_open {
            Rc::make_mut(&mut self.options).allow_half_open = true;
        }
    }

    /// Whether its own end comes as soon as it is asked for, so that no time is counted from it. The connection is
    /// settled.
    pub(crate) fn ends_at_once(&self) -> bool {
        self.inbound.has_ended()
            && self.outbound.unsent.is_empty()
            && !self.outbound.has_failed()
            && !self.outbound.has_markers()
    }

    /// Ends this side too once the handler was told the peer's end, unless half-open is allowed.
    pub(crate) fn answer_end(&mut self, registration: &mut Registration<'_>) {
        if !self.inbound.has_ended() || !self.stage.is_open() {
            return;
        }
        if !self.options.allow_half_open {
            if self.outbound.state == OutboundState::Open && self.ends_at_once() {
                // The handler has been told, so there is nothing to wait for the flush for.
                self.outbound.begin_end();
                self.finish_sending(registration);
                return;
            }
            self.end(registration);
        }
        if self.outbound.state == OutboundState::Finished {
            self.close(CloseReason::Graceful, registration);
        }
    }

    /// Sends the FIN, or closes where the close follows at once: a shutdown before it would be a call for nothing.
    pub(super) fn finish_sending(&mut self, registration: &mut Registration<'_>) {
        let ended = std::mem::replace(&mut self.outbound.state, OutboundState::Finished);
        if ended == OutboundState::EndingToClose {
            self.close(CloseReason::Local, registration);
            return;
        }
        if self.inbound.has_ended() {
            self.close(CloseReason::Graceful, registration);
            return;
        }
        if let Some(stream) = &self.stream {
            if let Err(error) = stream.shutdown_write() {
                self.fail_io(Syscall::Shutdown, error, registration);
                return;
            }
        }
        self.file_deadline(registration);
    }
}

/// Failures, and the close.
impl Connection {
    /// Fails with the failure that a write met, now that nothing is left to be read.
    pub(super) fn report_held_back(&mut self, registration: &mut Registration<'_>) {
        if let Some(error) = self.take_failure() {
            let reason = reason_of(error.kind());
            self.fail(error, reason, registration);
        }
    }

    pub(super) fn fail_io(
        &mut self,
        call: Syscall,
        error: io::Error,
        registration: &mut Registration<'_>,
    ) {
        let reason = reason_of(error.kind());
        let error = self.error(call, error);
        self.fail(error, reason, registration);
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

    pub(super) fn close(&mut self, reason: CloseReason, registration: &mut Registration<'_>) {
        let mut holds_place = self.server.is_some();
        let peer = match self.stage.take() {
            Stage::Open(peer) => peer,
            Stage::Closed {
                peer,
                holds_place: held,
                ..
            } => {
                holds_place = held;
                peer
            }
            // A peer that was not reached is none.
            Stage::Connecting(_) => {
                self.note_closed_unconnected();
                PeerAddress::Unknown
            }
            Stage::LookingUp(dial) | Stage::Racing(dial) => {
                self.set_past_dial(dial);
                self.note_closed_unconnected();
                PeerAddress::Unknown
            }
        };
        // Bytes that wait for the flush are lost like queued ones, but nothing more is taken.
        self.outbound.unsent.seal();
        self.stage = Stage::Closed {
            peer,
            reason,
            holds_place,
        };
        registration.close();
    }

    /// Lets go of the descriptor and of the unsent bytes, and returns why it closed, and its error if it has one.
    pub(crate) fn shut(&mut self, outbox: &mut Outbox) -> (CloseReason, Option<Error>) {
        let reason = match self.stage {
            Stage::Closed { reason, .. } => reason,
            _ => {
                debug_assert!(false, "only a closed connection is shut");
                CloseReason::Local
            }
        };
        self.stream = None;
        let lost = outbox.discard(&mut self.outbound.unsent);
        if lost > 0 {
            self.note_lost(lost);
        }
        (reason, self.take_failure())
    }

    pub(super) fn error(&self, call: Syscall, error: io::Error) -> Error {
        let error = Error::new(call, error);
        match (call, self.stage.address()) {
            (Syscall::Connect, Some(peer)) => match self.asked_local() {
                Some(local) => error.at(peer.into()).bound_to(local),
                None => error.at(peer.into()),
            },
            (Syscall::Connect, None) => match self.dial() {
                Some(dial) => error.at(dial.endpoint()),
                None => error,
            },
            _ => error,
        }
    }
}

fn reason_of(kind: io::ErrorKind) -> CloseReason {
    match kind {
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe => CloseReason::Reset,
        io::ErrorKind::TimedOut => CloseReason::TimedOut,
        _ => CloseReason::Error,
    }
}
