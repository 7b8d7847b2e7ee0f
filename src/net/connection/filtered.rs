//! The filters of a connection: the bytes that they have to send by themselves, and the received bytes that they hold.

use std::io;

use crate::net::error::Error;
use crate::net::filter::Filters;
use crate::net::values::CloseReason;
use crate::reactor::{Interest, Readiness, Registration};
use crate::system::Stream;
use crate::system::errno::is_transient;

use super::Connection;
use super::retry::Retry;

impl Connection {
    /// Takes off the only filter if it has done its work, so that the connection is as fast as one without filters.
    pub(super) fn take_off_filters(&mut self, registration: &mut Registration<'_>) {
        let Some(cold) = &mut self.cold else {
            return;
        };
        let parts = cold.filters.as_mut().and_then(|it| it.take_apart());
        if let Some((filter, decoded)) = parts {
            cold.filters = None;
            cold.past_filter = Some(filter);
            self.stream = self.stream.take().map(Stream::into_unfiltered);
            self.bytes_read += decoded.len() as u64;
            self.keep_decoded(&decoded, registration);
        }
    }

    /// Notes a transient failure of the filters' last write, and asks to be served when the kernel has space for their
    /// bytes. Answers that are to leave with the handler's writes need a flush instead.
    pub(super) fn await_filters(&mut self, registration: &mut Registration<'_>) {
        let Some(filters) = self.filters_mut() else {
            return;
        };
        let fault = filters.take_write_fault();
        if filters.has_sent() {
            self.outbound.retry = Retry::default();
        }
        let may_pass = fault.is_some();
        if let Some(Err(error)) = fault.map(|it| self.outbound.note_unsent(it, registration)) {
            self.write_failed(error, registration);
            return;
        }
        let is_before_open = self.stage.is_before_open();
        let Some(filters) = self.filters().filter(|filters| filters.has_output()) else {
            if self.outbound.unsent.is_empty() {
                self.outbound.note_all_sent(registration);
            }
            if is_before_open {
                registration.unwant(Interest::WRITABLE);
            }
            return;
        };
        // In a handshake, the next read reports a write's failure, perhaps after a rest. Until then no write is tried.
        let waits_for_read = is_before_open && filters.has_write_failed();
        // The readiness stays if no write was tried, or if `note_unsent` has dealt with a failure (`may_pass`).
        if !may_pass && filters.has_written_short() {
            registration.fell_short(Interest::WRITABLE);
        } else if !may_pass && (filters.would_block() || waits_for_read) {
            registration.would_block(Interest::WRITABLE);
        } else if !may_pass && filters.holds_answers() {
            return registration.flush_soon();
        }
        registration.want(Interest::WRITABLE);
    }

    pub(crate) fn has_panicked_filter(&self) -> bool {
        self.filters().is_some_and(Filters::has_panicked)
    }

    /// Turns decoded bytes into unread bytes. The next read would deliver them too. But the read after that would ask
    /// the kernel, in vain if it has no more bytes.
    pub(super) fn deliver_kept_input(&mut self, registration: &mut Registration<'_>) {
        let decoded = self.filters_mut().and_then(Filters::take_decoded);
        if let Some(decoded) = decoded.filter(|decoded| !decoded.is_empty()) {
            self.bytes_read += decoded.len() as u64;
            self.keep_decoded(&decoded, registration);
        }
        self.await_kept_input(registration);
    }

    /// Makes the reactor serve the connection for bytes that its filters hold: the kernel will not report them.
    pub(super) fn await_kept_input(&self, registration: &mut Registration<'_>) {
        if self.filters().is_some_and(Filters::has_input) {
            registration.assume(Readiness::READABLE);
        }
    }

    /// Sends the bytes that the filters have made by themselves. Returns `false` if the connection has failed.
    pub(super) fn flush_filters(&mut self, registration: &mut Registration<'_>) -> bool {
        let (Some(stream), Some(cold)) = (&self.stream, &mut self.cold) else {
            return true;
        };
        let Some(filters) = cold.filters.as_deref_mut() else {
            return true;
        };
        let is_sent_with_queue = !self.outbound.unsent.is_empty()
            && (!self.outbound.is_corked() || filters.has_encoded());
        if !filters.has_output() || is_sent_with_queue {
            // Nothing is to be sent, or the send of the queue offers the bytes of the filters too. Bytes that encode
            // queued ones leave by that send only, because it also takes the queued ones off the queue.
            self.read_behind_answers(registration);
            return true;
        }
        if !registration.readiness().serves(Interest::WRITABLE) {
            registration.want(Interest::WRITABLE);
            return true;
        }
        match filters.flush(stream) {
            Ok(_) => {}
            Err(error) if is_retried(&error) => {}
            Err(error) => {
                self.write_failed(error, registration);
                return false;
            }
        }
        self.await_filters(registration);
        self.read_behind_answers(registration);
        !self.outbound.has_failed()
    }

    /// Offers the answers of the filters to the kernel, before a close drops them.
    pub(super) fn send_answers(&mut self) {
        if let (Some(stream), Some(cold)) = (&self.stream, &mut self.cold) {
            if let Some(filters) = cold.filters.as_deref_mut() {
                // The error is dropped: the caller closes the connection for a reason of its own.
                let _ = filters.flush(stream);
            }
        }
    }

    /// Drops the bytes that the filters have to send, because the connection has failed. Their wait for the kernel
    /// would never end, and would stop the reads too.
    pub(super) fn drop_filter_output(&mut self) {
        let Some(cold) = &mut self.cold else {
            return;
        };
        if let Some(filters) = cold.filters.as_deref_mut() {
            filters.drop_output();
            cold.waits_for_answers = false;
        }
    }

    /// Reads again once fewer answers of the filters wait for the kernel.
    pub(super) fn read_behind_answers(&mut self, registration: &mut Registration<'_>) {
        let Some(cold) = &mut self.cold else {
            return;
        };
        if cold.waits_for_answers && !cold.filters.as_ref().is_some_and(|it| it.is_clogged()) {
            cold.waits_for_answers = false;
            self.update_read_interest(registration);
        }
    }

    /// Stops reading, and returns `true`, while too many answers of the filters wait for the kernel.
    pub(super) fn waits_for_answers(&mut self, registration: &mut Registration<'_>) -> bool {
        let is_clogged = self.filters().is_some_and(Filters::is_clogged);
        if is_clogged {
            self.cold_mut().waits_for_answers = true;
            registration.unwant(Interest::READABLE);
        }
        is_clogged
    }

    /// Lets the filters send their own end, after everything that was written. Returns whether the FIN may follow.
    /// Otherwise the next flush calls this again, or the connection has failed.
    pub(super) fn end_filters(&mut self, registration: &mut Registration<'_>) -> bool {
        let (Some(stream), Some(cold)) = (&self.stream, &mut self.cold) else {
            return true;
        };
        let Some(filters) = cold.filters.as_deref_mut() else {
            return true;
        };
        match filters.end(stream) {
            Ok(true) => {
                self.outbound.note_all_sent(registration);
                return true;
            }
            Ok(false) => {}
            Err(error) if is_retried(&error) => {}
            Err(error) => {
                self.write_failed(error, registration);
                return false;
            }
        }
        self.await_filters(registration);
        false
    }

    /// The number of bytes that were received from the wire: with filters, before they were decoded.
    pub(super) fn received_on_wire(&self) -> u64 {
        self.filters().map_or(self.bytes_read, Filters::received)
    }

    /// Fails an accepted connection because its filters could not be made.
    pub(crate) fn fail_unfiltered(&mut self, error: Error, registration: &mut Registration<'_>) {
        self.cold_mut().is_untold = true;
        self.fail(error, CloseReason::Error, registration);
    }
}

/// Whether a failed write of the filters is tried again: it would block, was interrupted, or lacked memory.
fn is_retried(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock || is_transient(error)
}
