//! The end of the outbound half: a FIN behind the last byte, and the close that may follow.

use std::rc::Rc;

use crate::reactor::Registration;

use super::error::Syscall;
use super::{CloseReason, Connection, Facts, Inbound, Outbound, Stage};

impl Connection {
    /// Ends this side: a FIN behind what is queued.
    pub(crate) fn end(&mut self, registration: &mut Registration<'_>) {
        if self.stage == Stage::Closed || self.outbound != Outbound::Open {
            return;
        }
        self.outbound = Outbound::Ending;
        self.facts.remove(Facts::OWES_DRAIN | Facts::IS_CORKED);
        if self.stage == Stage::Open {
            // While it connects, this is when that began, and the time for it is not begun anew.
            self.begun_tick = registration.latest_tick();
            if !self.queue.is_empty() || self.has_failed() {
                // Else the flush ends this side at once, and nearly always the connection with it.
                self.file_deadline(registration);
            }
            registration.flush_soon();
        }
    }

    /// Ends this side, and closes as soon as that is done.
    pub(crate) fn end_and_close(&mut self, registration: &mut Registration<'_>) {
        if self.stage == Stage::Closed {
            return;
        }
        self.facts.insert(Facts::CLOSES_WHEN_SENT);
        if self.outbound == Outbound::Finished {
            self.close(CloseReason::Local, registration);
        } else {
            self.end(registration);
        }
    }

    /// Lets this side stay open when the peer ends, whatever the options were.
    pub(crate) fn allow_half_open(&mut self) {
        if !self.options.allow_half_open {
            Rc::make_mut(&mut self.options).allow_half_open = true;
        }
    }

    /// Whether its own end comes as soon as it is asked for, so that no time is counted from it.
    pub(crate) fn ends_at_once(&self) -> bool {
        self.inbound == Inbound::Ended
            && self.queue.is_empty()
            && self.part.is_empty()
            && !self.has_failed()
            && !self.has_marks()
    }

    /// After the handler has seen the peer's end: ends this side too, unless half-open is allowed.
    pub(crate) fn answer_end(&mut self, registration: &mut Registration<'_>) {
        if self.inbound != Inbound::Ended || self.stage != Stage::Open {
            return;
        }
        if !self.options.allow_half_open {
            if self.outbound == Outbound::Open && self.ends_at_once() {
                // The handler has had its say, so there is nothing to wait for the flush for.
                self.facts.remove(Facts::OWES_DRAIN | Facts::IS_CORKED);
                self.finish_sending(registration);
                return;
            }
            self.end(registration);
        }
        if self.outbound == Outbound::Finished {
            self.close(CloseReason::Graceful, registration);
        }
    }

    pub(super) fn finish_sending(&mut self, registration: &mut Registration<'_>) {
        self.outbound = Outbound::Finished;
        // Where a close follows at once it sends the FIN, and a shutdown before it would be a call for nothing.
        if self.facts.contains(Facts::CLOSES_WHEN_SENT) {
            self.close(CloseReason::Local, registration);
            return;
        }
        if self.inbound == Inbound::Ended {
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
