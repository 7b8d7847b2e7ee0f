//! The answers to the reactor's calls, which follow a report of the kernel, an assumed readiness, or `activate`.

use std::io;

use crate::net::error::Syscall;
use crate::net::filter::Filters;
use crate::net::outbox::Outbox;
use crate::net::values::{Event, SocketEvent, SocketId};
use crate::reactor::{Interest, Readiness, Registration};
use crate::system::Stream;
use crate::system::errno::is_out_of_buffers;

use super::Connection;
use super::cold::filters_of;
use super::inbound::InboundState;
use super::outbound::OutboundFlags;
use super::retry::{RestEnd, Retry};

/// The limit on the bytes of one read in a handshake. A client rarely sends more than this at a time.
const HANDSHAKE_BYTES: usize = 4096;

impl Connection {
    /// Reads once. Nearly every read takes the fast path, after which the handler's reply can be sent at once.
    #[inline(always)]
    pub(crate) fn on_readable(
        &mut self,
        registration: &mut Registration<'_>,
        buffer: &mut [u8],
        outbox: &mut Outbox,
    ) -> Option<Event> {
        let can_send = self.can_send_at_once(registration.readiness());
        let (true, Some(stream)) = (can_send, Stream::with_fast_paths(&mut self.stream)) else {
            return self.read_slow_path(can_send, &mut registration.reborrow(), buffer, outbox);
        };
        // Asked before the read: after it, the compiler no longer knows the kind of the stream.
        let short_read_exhausts = stream.short_read_exhausts();
        match stream.read(buffer) {
            Ok(length) if length > 0 => {
                if length < buffer.len() && short_read_exhausts {
                    registration.fell_short(Interest::READABLE);
                }
                self.deliver(length, registration, outbox)
            }
            // This branch stays apart from the one above on purpose: one joined branch made each message slower.
            Ok(_) => {
                let id = SocketId(registration.key());
                outbox.begin_callback(id, self.outbound.capacity);
                self.peer_ended(&mut registration.reborrow())
            }
            Err(error) => self.read_failed(error, &mut registration.reborrow()),
        }
    }

    /// Delivers `length` bytes that were read. The connection can send at once, so the callback's writes gather.
    #[inline(always)]
    fn deliver(
        &mut self,
        length: usize,
        registration: &mut Registration<'_>,
        outbox: &mut Outbox,
    ) -> Option<Event> {
        self.bytes_read += length as u64;
        self.activity.touch(registration);
        let id = SocketId(registration.key());
        outbox.begin_callback(id, self.outbound.capacity);
        Some(Event::Socket(SocketEvent::Data(length)))
    }

    /// Reads if the connection cannot send at once (for instance with unsent bytes), or its stream has no fast path.
    /// Such a stream is not TCP, has filters, or has a descriptor that may have duplicates.
    #[inline(never)]
    fn read_slow_path(
        &mut self,
        can_send: bool,
        registration: &mut Registration<'_>,
        buffer: &mut [u8],
        outbox: &mut Outbox,
    ) -> Option<Event> {
        if can_send && self.filters().is_some_and(Filters::is_quiet) {
            return self.read_quiet_filters(registration, buffer, outbox);
        }
        if self.waits_for_answers(registration) {
            return None;
        }
        self.recall_reports(registration);
        if self.stage.is_handshaking() {
            self.send_plain(registration, outbox);
            let received = match outbox.spare.received.of_length(buffer.len()) {
                Ok(received) => received,
                Err(error) => return self.read_failed(error, registration),
            };
            let length = received.len().min(HANDSHAKE_BYTES);
            return self.advance_handshake(Some(&mut received[..length]), registration);
        }
        if self.inbound.is_paused() {
            let before = self.received_on_wire();
            let event = self.look_for_end(registration);
            outbox.count_received(self.received_on_wire() - before);
            return event;
        }
        let space = self.read_space(buffer.len());
        let has_failed = self.outbound.has_failed();
        let Some(stream) = &mut self.stream else {
            registration.unwant(Interest::READABLE);
            return None;
        };
        let buffer = &mut buffer[..space];
        if let Some(filters) = filters_of(&mut self.cold) {
            let before = filters.received();
            let read = filters.read(stream, buffer, &mut outbox.spare.received);
            let received = filters.received() - before;
            return self.read_filtered(read, received, registration, outbox);
        }
        let is_read_once_a_report = stream.is_read_once_a_report();
        let short_read_exhausts = stream.short_read_exhausts();
        let read = stream.read(buffer);
        if read.is_ok() {
            self.note_read();
        }
        match read {
            Ok(length) if length > 0 => {
                if is_read_once_a_report {
                    registration.rearm();
                } else if length < buffer.len()
                    // After a failed write, reads go on until the end, or until one would block: the kernel may send no
                    // further report.
                    && !has_failed
                    && short_read_exhausts
                {
                    registration.fell_short(Interest::READABLE);
                }
                self.bytes_read += length as u64;
                self.activity.touch(registration);
                Some(self.hand_over(length, registration, outbox))
            }
            Ok(_) => self.peer_ended(registration),
            Err(error) => self.read_failed(error, registration),
        }
    }

    /// Reads from an open connection that can send at once, through filters that [hold nothing](Filters::is_quiet).
    /// Mostly they hold nothing after the read either. The bytes are then delivered as on the fast path.
    fn read_quiet_filters(
        &mut self,
        registration: &mut Registration<'_>,
        buffer: &mut [u8],
        outbox: &mut Outbox,
    ) -> Option<Event> {
        let (Some(stream), Some(filters)) = (&mut self.stream, filters_of(&mut self.cold)) else {
            return None;
        };
        let before = filters.received();
        let read = filters.read(stream, buffer, &mut outbox.spare.received);
        match read {
            Ok(length) if length > 0 && filters.is_quiet() && !filters.has_sent() => {
                if filters.is_exhausted() {
                    registration.fell_short(Interest::READABLE);
                }
                self.deliver(length, registration, outbox)
            }
            read => {
                let received = filters.received() - before;
                self.read_filtered(read, received, registration, outbox)
            }
        }
    }

    /// Handles a read through filters, which has received `received` bytes on the wire.
    #[inline(never)]
    fn read_filtered(
        &mut self,
        read: io::Result<usize>,
        received: u64,
        registration: &mut Registration<'_>,
        outbox: &mut Outbox,
    ) -> Option<Event> {
        if received > 0 || matches!(read, Ok(length) if length > 0) {
            // Bytes on the wire are activity even if they decode to nothing, and so are bytes that the filters held.
            self.activity.touch(registration);
            // A call that fails after these bytes begins a new row of failures.
            self.note_read();
        }
        self.await_filters(registration);
        let (is_exhausted, has_read_short) = match self.filters() {
            Some(filters) => (filters.is_exhausted(), filters.has_read_short()),
            None => (false, false),
        };
        match read {
            Ok(length) => {
                if length == 0 {
                    self.note_read();
                    return self.peer_ended(registration);
                }
                // After a failed write, reads go on until the end, as in `read_slow_path`.
                if is_exhausted && !self.outbound.has_failed() {
                    registration.fell_short(Interest::READABLE);
                }
                self.bytes_read += length as u64;
                Some(self.hand_over(length, registration, outbox))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && has_read_short => {
                // The filters have met a short read, and have not asked the kernel again. If the kernel has reported an
                // end, `fell_short` keeps the readiness, so that the end is read.
                match self.outbound.has_failed() {
                    true => registration.assume(Readiness::READABLE),
                    false => registration.fell_short(Interest::READABLE),
                }
                None
            }
            // The filters have stopped after many reads, and the bytes decode to nothing so far. The readiness stays,
            // so that the connection is served again after others.
            Err(error) if error.kind() == io::ErrorKind::Interrupted && received > 0 => {
                outbox.count_received(received);
                None
            }
            Err(error) => self.read_failed(error, registration),
        }
    }

    /// Handles a read that would block, was interrupted, or failed.
    #[inline(never)]
    fn read_failed(
        &mut self,
        error: io::Error,
        registration: &mut Registration<'_>,
    ) -> Option<Event> {
        match error.kind() {
            io::ErrorKind::WouldBlock => {
                registration.would_block(Interest::READABLE);
                if self
                    .stream
                    .as_ref()
                    .is_some_and(Stream::is_disarmed_by_block)
                {
                    registration.rearm();
                }
                self.note_read();
                self.report_held_back(registration);
            }
            io::ErrorKind::Interrupted => self.retry_read(true, registration),
            _ if is_out_of_buffers(&error) && !self.is_shortage_fatal() => {
                self.retry_read(false, registration);
            }
            // The failure that is held is the cause, and not this error. The kernel has reported the cause to an
            // earlier call. Later reads get only a plain end, which a filter may report as a truncation.
            _ if self.outbound.has_failed() && !self.is_failed_behind_end() => {
                self.report_held_back(registration);
            }
            _ => self.fail_io(Syscall::Read, error, registration),
        }
        None
    }

    /// Notes a read that has not failed: the row of failures is over, and with it a rest. The service [has put
    /// back](Self::recall_reports) the readiness before the read. A read that would block has cleared it again.
    pub(super) fn note_read(&mut self) {
        let ended = OutboundFlags::READ_FAILED | OutboundFlags::READ_RESTS;
        self.outbound.flags.remove(ended);
        self.inbound.retry = Retry::default();
    }

    /// Whether a read without memory fails the connection: all rests are over.
    pub(super) fn is_shortage_fatal(&self) -> bool {
        !self.outbound.flags.contains(OutboundFlags::READ_RESTS)
            && self.inbound.retry.is_exhausted()
    }

    /// Arranges the next try of a read that was interrupted or lacked memory: at once, or after a rest.
    pub(super) fn retry_read(&mut self, is_interrupted: bool, registration: &mut Registration<'_>) {
        self.outbound.flags.insert(OutboundFlags::READ_FAILED);
        if !is_interrupted || !self.inbound.retry.is_at_once() {
            registration.would_block(Interest::READABLE);
            // A failure within a rest leaves the rest as it is, as in `Outbound::note_unsent`.
            if !self.outbound.flags.contains(OutboundFlags::READ_RESTS) {
                self.outbound.flags.insert(OutboundFlags::READ_RESTS);
                let end = registration.latest_tick() + self.inbound.retry.next_rest();
                self.cold_mut().read_rest_end = RestEnd::at(end);
                registration.wake_at(end);
            }
        } else if self.is_read_once_a_report() {
            // A signal interrupts a blocking read only while there are no bytes. So the kernel must report anew.
            registration.rearm();
        }
        // Otherwise the readiness is kept: the signal changed nothing, and the reactor serves the source again.
    }

    /// Puts back the readiness that [`retry_read`](Self::retry_read) has cleared: the kernel reports an end or an error
    /// only once. Called at the end of the rest, and before a read within it: a deadline or a spurious report may have
    /// led to that read.
    pub(super) fn recall_reports(&self, registration: &mut Registration<'_>) {
        let rests = self.outbound.flags.contains(OutboundFlags::READ_RESTS);
        if rests && !self.is_read_once_a_report() {
            let is_clogged = self.filters().is_some_and(Filters::is_clogged);
            // The error is put back too: a pause may come before the next read, and a paused connection is served for
            // an error. It is left out in a handshake whose filters have too many waiting answers: it would lead to a
            // read there.
            let reports = match self.stage.is_handshaking() && is_clogged {
                true => Readiness::READ_CLOSED,
                false => Readiness::READ_CLOSED | Readiness::ERROR,
            };
            registration.assume(Readiness::READABLE | reports);
        }
    }

    /// Notes the peer's end, and returns the event for it, unless an earlier failure is the true cause.
    #[inline(never)]
    pub(super) fn peer_ended(&mut self, registration: &mut Registration<'_>) -> Option<Event> {
        registration.unwant(Interest::READABLE);
        if self.outbound.has_failed() && !self.is_failed_behind_end() {
            // An earlier call got the pending error of the kernel, so the read sees only a plain end.
            self.report_held_back(registration);
            return None;
        }
        self.inbound.state = InboundState::Ended;
        self.activity.touch(registration);
        self.activity.measure_exactly();
        if self.counts_time_of_peers_end() {
            // After `measure_exactly` this call reads the clock. Most connections are spared that: no deadline of
            // theirs counts from the peer's end.
            self.activity.touch(registration);
        }
        if self.settings.limits.half_open_timeout.is_some() {
            self.file_deadline(registration);
        }
        Some(Event::Socket(SocketEvent::Ended))
    }

    /// Serves planned work: notices first, then a handshake, then unread bytes. A step of a connect counts as a notice,
    /// because the caller takes the step after the notices.
    pub(crate) fn on_activated(
        &mut self,
        registration: &mut Registration<'_>,
        buffer: &mut [u8],
        outbox: &mut Outbox,
    ) -> Option<Event> {
        let has_notices = !self.cold.as_ref()?.notices.is_empty() || self.has_dial_step();
        let delivers_unread = self.delivers_unread();
        let begins_handshake = self.has_planned_handshake();
        if has_notices {
            if delivers_unread || begins_handshake {
                registration.activate();
            }
            return Some(Event::Socket(SocketEvent::Noticed));
        }
        if begins_handshake && self.stage.is_handshaking() {
            self.send_plain(registration, outbox);
            return self.begin_handshake(registration);
        }
        if !delivers_unread {
            return None;
        }
        let space = self.read_space(buffer.len());
        let unread = &mut self.cold.as_mut()?.unread;
        let (length, is_told_first) = unread.take(&mut buffer[..space]);
        if !unread.is_empty() {
            registration.activate();
        }
        // These bytes are in `bytes_read` since their read. They count as activity when a handler first gets them.
        if is_told_first {
            self.activity.touch(registration);
        }
        Some(self.hand_over(length, registration, outbox))
    }

    /// Returns how much of a read buffer to fill: half if bytes are unsent, so that an echo stays near the watermarks.
    fn read_space(&self, buffer: usize) -> usize {
        match self.outbound.unsent.is_empty() {
            true => buffer,
            false => buffer / 2,
        }
    }

    /// Returns the event that delivers the first `length` bytes of the read buffer, and begins to gather the callback's
    /// writes. Every delivery passes through this function or [`deliver`](Self::deliver).
    fn hand_over(
        &self,
        length: usize,
        registration: &Registration<'_>,
        outbox: &mut Outbox,
    ) -> Event {
        let id = SocketId(registration.key());
        let capacity = self.callback_capacity(registration.readiness());
        outbox.begin_callback(id, capacity);
        Event::Socket(SocketEvent::Data(length))
    }

    pub(crate) fn on_writable(
        &mut self,
        registration: &mut Registration<'_>,
        outbox: &mut Outbox,
    ) -> Option<Event> {
        if self.stage.is_handshaking() {
            self.send_plain(registration, outbox);
            let event = self.advance_handshake(None, registration);
            self.read_behind_answers(registration);
            return event;
        }
        if self.stage.is_before_open() {
            return self.finish_connecting(registration);
        }
        let before = self.outbound.unsent.len();
        self.flush(registration, outbox);
        // With filters, the kernel may have taken part of a record, which takes no byte off the queue yet.
        if self.outbound.unsent.len() < before || self.filters().is_some_and(Filters::has_sent) {
            self.outbound.retry = Retry::default();
        }
        let is_drained = self.outbound.take_drain(&self.settings, registration);
        if is_drained && self.filters().is_some_and(Filters::has_output) {
            // Bytes of the filters still wait for the kernel, and `take_drain` may have removed this interest.
            registration.want(Interest::WRITABLE);
        }
        is_drained.then_some(Event::Socket(SocketEvent::Drained))
    }

    /// Asks an open socket for its pending error. The reactor calls this only while the connection does not want to
    /// read, as during a pause or after the peer's end.
    pub(crate) fn on_error(&mut self, registration: &mut Registration<'_>) -> Option<Event> {
        if self.stage.is_handshaking() {
            return self.advance_handshake(Some(&mut [0; 1024]), registration);
        }
        if self.stage.is_before_open() {
            return self.finish_connecting(registration);
        }
        if let Some(error) = self.stream.as_ref().and_then(Stream::take_error) {
            self.fail_behind_unread(Syscall::Read, error, registration);
        }
        None
    }
}
