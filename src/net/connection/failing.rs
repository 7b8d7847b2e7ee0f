//! How a connection fails, and how it closes.

use std::io;

use crate::reactor::{Interest, Readiness, Registration};

use super::error::Syscall;
use super::{CloseReason, Connection, Error, Inbound, Peer, Stage};

impl Connection {
    /// A write has failed for good. What the peer sent before it went is still to be read, and only then is the
    /// failure told: a reset must not swallow bytes that have arrived, nor look like an end.
    pub(super) fn write_failed(&mut self, error: io::Error, registration: &mut Registration<'_>) {
        let error = self.error(Syscall::Write, error);
        if self.is_paused || self.inbound == Inbound::Ended {
            let reason = reason_of(error.kind());
            self.fail(error, reason, registration);
            return;
        }
        self.set_failure(error);
        registration.unwant(Interest::WRITABLE);
        registration.want(Interest::READABLE);
        registration.assume(Readiness::READABLE);
    }

    /// Tells the failure that a write met, now that nothing is left to be read.
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
        if self.stage == Stage::Connecting {
            // Nobody was reached, so nobody is the peer.
            self.peer = Peer::Unknown;
            self.note_closed_unconnected();
        }
        self.disturb();
        // What waits for the flush is lost like what is queued, but nothing more is taken.
        self.part.seal();
        self.outcome = reason;
        self.stage = Stage::Closed;
        registration.close();
    }

    pub(super) fn error(&self, call: Syscall, error: io::Error) -> Error {
        let error = Error::new(call, error);
        match (call, self.peer.address()) {
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
