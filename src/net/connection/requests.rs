//! The requests of the user other than sending: to close, to pause, to cork, to set options.

use std::io;
use std::rc::Rc;

use crate::net::error::Error;
use crate::net::outbox::Outbox;
use crate::net::values::{CloseReason, KeepAlive};
use crate::reactor::Registration;

use super::Connection;
use super::inbound::Pause;
use super::outbound::OutboundFlags;
use super::stage::Stage;

impl Connection {
    /// Closes the connection at once because its handler has panicked. If bytes are lost, a TCP peer gets a RST.
    pub(crate) fn abandon(&mut self, error: Error, registration: &mut Registration<'_>) {
        if !self.stage.is_closed() {
            self.fail(error, CloseReason::Error, registration);
            self.drop_notices();
        }
    }

    /// Closes the connection at once, and drops the notices that wait, except those of markers.
    pub(crate) fn destroy(&mut self, error: Option<Error>, registration: &mut Registration<'_>) {
        if self.stage.is_closed() {
            return;
        }
        match error {
            Some(error) => {
                self.note_given_up();
                self.fail(error, CloseReason::Error, registration);
            }
            None => {
                // A held error of a write is not the cause of this close, and is dropped.
                drop(self.take_failure());
                let is_late = self.activity.idle_is_reported() || self.is_deadline_due();
                let reason = match is_late {
                    true => CloseReason::TimedOut,
                    false => CloseReason::Local,
                };
                self.close(reason, registration);
            }
        }
        self.drop_notices();
    }

    /// Closes the connection with a RST, but not before its stream is connected. Fails on a stream that is not TCP.
    pub(crate) fn reset(&mut self, registration: &mut Registration<'_>) -> io::Result<()> {
        match (&self.stage, &self.stream) {
            (Stage::Closed { .. }, _) => Ok(()),
            // This stream connects to a path, and is not TCP. A connection that has no stream yet will be TCP.
            (Stage::Connecting(_), Some(stream)) if !stream.can_be_reset() => {
                Err(io::ErrorKind::Unsupported.into())
            }
            (Stage::LookingUp(_) | Stage::Racing(_) | Stage::Connecting(_), _) => {
                self.cold_mut().resets_when_connected = true;
                Ok(())
            }
            (Stage::Open(_) | Stage::Handshaking(_), None) => Ok(()),
            (Stage::Open(_) | Stage::Handshaking(_), Some(stream)) => {
                stream.reset_on_close()?;
                self.destroy(None, registration);
                Ok(())
            }
        }
    }

    /// Gives up the place among the open sockets that limits count. Only the first call after the close returns `true`.
    pub(crate) fn give_up_place(&mut self) -> bool {
        match &mut self.stage {
            Stage::Closed { holds_place, .. } => std::mem::take(holds_place),
            _ => false,
        }
    }

    pub(crate) fn pause(&mut self, registration: &mut Registration<'_>) {
        self.begin_pause(Pause::ByUser, registration);
    }

    pub(crate) fn pause_for_pipe(&mut self, registration: &mut Registration<'_>) {
        self.begin_pause(Pause::ByPipe, registration);
    }

    fn begin_pause(&mut self, pause: Pause, registration: &mut Registration<'_>) {
        self.set_pause(pause, registration);
        self.begin_rest(registration);
        self.update_read_interest(registration);
        self.hold_or_report_failure(registration);
    }

    pub(crate) fn resume(&mut self, registration: &mut Registration<'_>) {
        // `resume` prolongs the close timeout only if the pause had stopped it.
        let is_resting = self.is_resting();
        self.set_pause(Pause::No, registration);
        self.update_read_interest(registration);
        if is_resting {
            self.end_rest(registration);
        }
        if self.delivers_unread() {
            registration.activate();
        }
        self.await_kept_input(registration);
    }

    /// Holds back the writes that follow. The bytes that were written before are offered to the kernel first, as in Node.
    pub(crate) fn cork(&mut self, registration: &mut Registration<'_>, outbox: &mut Outbox) {
        if !self.outbound.is_corked() && !self.outbound.unsent.is_empty() {
            self.flush(registration, outbox);
            if self.stage.is_before_open() {
                self.cold_mut().early_cork = Some(self.outbound.unsent.written());
            }
        }
        self.outbound.cork();
    }

    pub(crate) fn uncork(&mut self, registration: &mut Registration<'_>) {
        self.outbound.flags.remove(OutboundFlags::CORKED);
        registration.flush_soon();
    }

    pub(crate) fn set_type_of_service(&mut self, value: u8) -> io::Result<()> {
        match self.open_stream() {
            Some(stream) => stream.set_type_of_service(value),
            None => {
                Rc::make_mut(&mut self.settings).type_of_service = Some(value);
                Ok(())
            }
        }
    }

    pub(crate) fn set_no_delay(&mut self, on: bool) -> io::Result<()> {
        if let Some(stream) = self.open_stream() {
            stream.set_no_delay(on)?;
        }
        if self.settings.no_delay != on {
            Rc::make_mut(&mut self.settings).no_delay = on;
        }
        Ok(())
    }

    pub(crate) fn set_keep_alive(&mut self, keep_alive: Option<KeepAlive>) -> io::Result<()> {
        if let Some(stream) = self.open_stream() {
            stream.set_keep_alive(keep_alive.map(KeepAlive::times))?;
        }
        if self.settings.limits.keep_alive != keep_alive {
            Rc::make_mut(&mut self.settings).limits.keep_alive = keep_alive;
        }
        Ok(())
    }

    /// Sets the options on the socket. A failure is ignored: if the peer is gone, the next read returns a better error.
    pub(crate) fn apply_options(&self) {
        let Some(stream) = &self.stream else {
            return;
        };
        if self.settings.no_delay {
            let _ = stream.set_no_delay(true);
        }
        if let Some(keep_alive) = self.settings.limits.keep_alive {
            let _ = stream.set_keep_alive(Some(keep_alive.times()));
        }
        if let Some(value) = self.settings.type_of_service {
            let _ = stream.set_type_of_service(value);
        }
    }
}
