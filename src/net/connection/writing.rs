//! Writes and flushes: passes unsent bytes to the stream, and handles the failure or the end of the outbound half.

use std::io::{self, IoSlice};

use crate::net::error::{Error, Syscall};
use crate::net::outbox::{DIRECT_BYTES, Outbox, Payload, SpanMoves};
use crate::net::values::{CloseReason, Flow, SocketId};
use crate::reactor::{Interest, Readiness, Registration};
use crate::system::Stream;

use super::Connection;
use super::cold::filters_of;
use super::outbound::{OutboundFlags, OutboundState, Wire, note_sent};
use super::overflowing::Overflow;
use super::transport::Transport;

impl Connection {
    /// Called by `Net` before each request that changes the connection: see [`Outbox::move_to_queue`].
    #[inline]
    pub(crate) fn move_to_queue(
        &mut self,
        registration: &mut Registration<'_>,
        outbox: &mut Outbox,
    ) {
        let id = SocketId(registration.key());
        if outbox.move_to_queue(id, &mut self.outbound.unsent) {
            registration.flush_soon();
        }
        let lost = outbox.take_lost();
        if lost > 0 {
            self.out_of_memory(lost, registration);
        }
    }

    #[cold]
    fn out_of_memory(&mut self, lost: usize, registration: &mut Registration<'_>) {
        self.note_lost(lost);
        self.write_failed(io::ErrorKind::OutOfMemory.into(), registration);
    }

    /// Whether a write of less than `Outbound::capacity` bytes can be sent at once.
    #[inline]
    pub(super) fn can_send_at_once(&self, readiness: Readiness) -> bool {
        self.stage.is_open() && self.outbound.is_clear() && readiness.serves(Interest::WRITABLE)
    }

    /// Returns the number of bytes below which a new callback's writes gather in the outbox. At zero, none gathers.
    #[inline]
    pub(crate) fn callback_capacity(&self, readiness: Readiness) -> u16 {
        match self.can_send_at_once(readiness) {
            true => self.outbound.capacity,
            false => 0,
        }
    }

    /// Appends `bytes` to the connection's span, or begins one, and returns whether a span took them. None begins in
    /// the connection's own callback: bytes that the callback gathers later would leave before those of the span.
    #[inline]
    pub(crate) fn put_in_span(
        &mut self,
        bytes: &[u8],
        registration: &mut Registration<'_>,
        outbox: &mut Outbox,
    ) -> bool {
        let unsent = &mut self.outbound.unsent;
        if outbox.extend_span(unsent, bytes) {
            return true;
        }
        let begins = self.can_send_at_once(registration.readiness())
            && !outbox.gathers_for(SocketId(registration.key()))
            && outbox.begin_span(&mut self.outbound.unsent, bytes, self.outbound.capacity);
        if begins {
            registration.flush_soon();
        }
        begins
    }

    /// Lets the connection's span take in the message of the running broadcast: see [`SpanMoves::advance`].
    #[inline]
    pub(crate) fn advance_span(&mut self, moves: &mut SpanMoves<'_>) -> bool {
        moves.advance(&mut self.outbound.unsent)
    }

    /// Accepts or refuses `payload`. The caller has called [`move_to_queue`](Self::move_to_queue).
    ///
    /// # Errors
    ///
    /// [`Overflow`] if the bytes of all sockets would pass their limit. The caller makes space for
    /// [`write_rest`](Self::write_rest), or calls [`close_to_make_space`](Self::close_to_make_space).
    #[inline]
    pub(crate) fn write<'a>(
        &mut self,
        payload: Payload<'a>,
        registration: &mut Registration<'_>,
        outbox: &mut Outbox,
    ) -> Result<Flow, Overflow<'a>> {
        if self.stage.is_closed() || self.outbound.has_failed() {
            return Ok(Flow::Closed);
        }
        if self.outbound.state != OutboundState::Open {
            self.cold_mut().has_refused = true;
            return Ok(Flow::Ended);
        }
        let length = payload.len();
        if !self.has_capacity_for(length, registration, outbox) {
            // If the flush in `has_capacity_for` has failed, the kernel's error is the cause, and not the limit.
            if !self.outbound.has_failed() {
                let limit =
                    Error::queue_limit(self.settings.limits.max_queued_bytes, self.stage.address());
                self.fail(limit, CloseReason::Limit, registration);
            }
            return Ok(Flow::Closed);
        }
        let taken = self.taken_while_waiting();
        let mut sent = 0;
        if self.writes_at_once(length) && registration.readiness().serves(Interest::WRITABLE) {
            match self.send(payload.as_bytes(), registration, outbox) {
                Ok(of_payload) => sent = of_payload,
                Err(error) => {
                    self.write_failed(error, registration);
                    return Ok(Flow::Closed);
                }
            }
        }
        if length - sent > outbox.free_capacity() {
            return Err(Overflow {
                payload,
                sent,
                taken,
            });
        }
        Ok(self.queue_rest(payload, sent, taken, registration, outbox))
    }

    /// Queues `payload` without its first `sent` bytes, which the kernel has taken.
    #[inline]
    pub(super) fn queue_rest(
        &mut self,
        payload: Payload<'_>,
        sent: usize,
        taken: Option<u64>,
        registration: &mut Registration<'_>,
        outbox: &mut Outbox,
    ) -> Flow {
        let length = payload.len();
        let is_direct = self.writes_at_once(length);
        if length > sent {
            match is_direct {
                // Either the kernel has no more space, and will report new space, or the connection is not open yet.
                true => registration.want(Interest::WRITABLE),
                false => registration.flush_soon(),
            }
        }
        outbox.put(&mut self.outbound.unsent, payload, sent);
        let lost = outbox.take_lost();
        if lost > 0 {
            self.out_of_memory(lost, registration);
            return Flow::Closed;
        }
        // `taken` is set if a queue waited before this write. The kernel may have taken bytes of that queue even if
        // this write is short. At the limit on all unsent bytes, even a short write is offered to the kernel, behind
        // the queue ([`Overflow`]).
        if is_direct || taken.is_some() {
            self.note_queue(taken, registration);
        }
        if is_direct && self.outbound.has_markers() {
            // The kernel may have taken the whole queue before this payload, and so passed the markers, and then be
            // full. The next flush would report the markers only after the peer reads.
            self.pass_markers(registration);
        }
        if self.outbound.unsent.len() >= self.settings.high_water_mark {
            // The watermark limits bytes that the kernel does not take, and not bytes that wait for the flush.
            self.flush(registration, outbox);
            if self.stage.is_closed() || self.outbound.has_failed() {
                return Flow::Closed;
            }
        }
        self.outbound.answer_write(&self.settings, registration)
    }

    /// Whether a write of `length` bytes is offered to the kernel before its rest is queued, if the kernel has space.
    #[inline]
    fn writes_at_once(&self, length: usize) -> bool {
        length >= DIRECT_BYTES && !self.outbound.is_corked()
    }

    /// Whether the limit on the queue admits a write of `length` bytes, even if the kernel takes none.
    pub(crate) fn fits(&self, length: usize) -> bool {
        self.outbound.fits(length, &self.settings)
    }

    /// Returns how many of `length` bytes the limit on the queue admits; all for a connection that refuses each write.
    pub(crate) fn admitted_by_limit(
        &mut self,
        length: usize,
        registration: &mut Registration<'_>,
        outbox: &mut Outbox,
    ) -> usize {
        let has_capacity = self.has_capacity_for(length, registration, outbox);
        if has_capacity || !self.is_writable() {
            return length;
        }
        let queued = self.outbound.unsent.len();
        self.settings.limits.max_queued_bytes.saturating_sub(queued)
    }

    /// Lets `on_drain` come once the queue has shrunk, although no write was answered `Full`.
    pub(crate) fn owe_drain(&mut self, registration: &mut Registration<'_>) {
        if self.is_writable() {
            self.outbound.flags.insert(OutboundFlags::OWES_DRAIN);
            registration.want(Interest::WRITABLE);
        }
    }

    #[inline]
    fn has_capacity_for(
        &mut self,
        length: usize,
        registration: &mut Registration<'_>,
        outbox: &mut Outbox,
    ) -> bool {
        self.outbound.fits(length, &self.settings) || {
            // The limit is on bytes that the kernel does not take.
            self.flush(registration, outbox);
            self.outbound.fits(length, &self.settings)
        }
    }

    /// Sends the unsent bytes, followed by `tail`. Returns how many bytes of `tail` the kernel took.
    #[inline]
    pub(super) fn send(
        &mut self,
        tail: &[u8],
        registration: &mut Registration<'_>,
        outbox: &mut Outbox,
    ) -> io::Result<usize> {
        let (Some(stream), true) = (&self.stream, self.stage.is_open()) else {
            return Ok(0);
        };
        let mut wire = Wire {
            transport: Transport::new(stream, filters_of(&mut self.cold)),
            activity: &mut self.activity,
            registration,
            outbox,
        };
        self.outbound.send(tail, &mut wire)
    }

    /// Offers the unsent bytes to the kernel in one call, unless a cork holds them back, and sends a FIN that is due.
    #[inline]
    pub(crate) fn flush(&mut self, registration: &mut Registration<'_>, outbox: &mut Outbox) {
        let (Some(stream), true) = (&self.stream, self.stage.is_open()) else {
            return;
        };
        if self.outbound.has_failed() {
            // Nothing more is sent, so the queue costs memory for nothing.
            let lost = outbox.discard(&mut self.outbound.unsent);
            self.note_lost(lost);
            return;
        }
        if registration.readiness().serves(Interest::WRITABLE) {
            let unsent = &mut self.outbound.unsent;
            let mut transport = Transport::new(stream, filters_of(&mut self.cold));
            let write =
                |bytes: &[u8], spare: &mut Vec<u8>| transport.write(&[IoSlice::new(bytes)], spare);
            if let Some((offered, sent)) = outbox.take_piece(unsent, write) {
                // The bytes were still a span, so no drain is owed, and no marker or `end` waits: each moves the span to
                // the queue first. Filters that wait for the kernel have the write interest, and so another service.
                match sent {
                    Ok(sent) if sent == offered => self.activity.touch(registration),
                    sent => self.sent_in_part(sent, offered, registration, outbox),
                }
                return;
            }
        }
        let taken = self.taken_while_waiting();
        let Some(stream) = &self.stream else {
            return;
        };
        let mut wire = Wire {
            transport: Transport::new(stream, filters_of(&mut self.cold)),
            activity: &mut self.activity,
            registration,
            outbox,
        };
        let flushed = self.outbound.flush(&self.settings, &mut wire);
        let lost = outbox.take_lost();
        if lost > 0 {
            self.out_of_memory(lost, registration);
            return;
        }
        match flushed {
            Ok(true) => {}
            Ok(false) => {
                self.note_queue(taken, registration);
                // A cork holds back no bytes of the filters: the peer may wait for the last ones of a handshake.
                self.flush_filters(registration);
                return;
            }
            Err(error) => {
                self.write_failed(error, registration);
                return;
            }
        }
        if self.outbound.has_markers() {
            // Even if nothing was unsent: a long write may have gone straight to the kernel, past earlier markers.
            self.pass_markers(registration);
        }
        self.outbound.await_kernel(registration);
        self.note_queue(taken, registration);
        if !self.flush_filters(registration) {
            return;
        }
        if self.outbound.unsent.is_empty() && self.outbound.is_ending() {
            self.finish_sending(registration);
        }
    }

    /// Sends the bytes that this connection's callback has gathered. Returns whether the fast path has sent all.
    #[inline(always)]
    pub(crate) fn reply(
        &mut self,
        registration: &mut Registration<'_>,
        outbox: &mut Outbox,
    ) -> bool {
        let stream = Stream::with_fast_paths(&mut self.stream);
        let unsent = &mut self.outbound.unsent;
        let taken = outbox.take_own(unsent, |bytes| {
            match stream.map(|it| it.write_piece(bytes)) {
                Some(Ok(sent)) if sent == bytes.len() => Ok(()),
                sent => Err(sent),
            }
        });
        match taken {
            Ok(()) => {
                self.activity.touch(registration);
                true
            }
            Err(sent) => {
                self.reply_slow_path(sent, &mut registration.reborrow(), outbox);
                false
            }
        }
    }

    /// Handles a reply that the fast path did not send completely. `sent` is its result, or `None` if the stream has no
    /// fast path, and the reply is to be sent here.
    #[cold]
    fn reply_slow_path(
        &mut self,
        sent: Option<io::Result<usize>>,
        registration: &mut Registration<'_>,
        outbox: &mut Outbox,
    ) {
        let Some(stream) = &self.stream else {
            return;
        };
        let mut transport = Transport::new(stream, filters_of(&mut self.cold));
        let (offered, sent) = outbox.take_rest(&mut self.outbound.unsent, |bytes, spare| {
            sent.unwrap_or_else(|| transport.write(&[IoSlice::new(bytes)], spare))
        });
        if !matches!(sent, Ok(sent) if sent == offered) {
            self.sent_in_part(sent, offered, registration, outbox);
        } else {
            self.activity.touch(registration);
        }
    }

    /// Notes that the kernel did not take all of the bytes that it was offered. The caller has queued the rest.
    #[cold]
    fn sent_in_part(
        &mut self,
        sent: io::Result<usize>,
        offered: usize,
        registration: &mut Registration<'_>,
        outbox: &mut Outbox,
    ) {
        let lost = outbox.take_lost();
        if lost > 0 {
            self.out_of_memory(lost, registration);
            return;
        }
        let noted = match (sent, &self.stream) {
            (Ok(sent), Some(stream)) => {
                let transport = Transport::new(stream, filters_of(&mut self.cold));
                note_sent(sent, offered, &transport, &mut self.activity, registration);
                Ok(())
            }
            (Ok(_), None) => Ok(()),
            (Err(error), _) => self.outbound.note_unsent(error, registration),
        };
        match noted {
            Ok(()) => {
                registration.want(Interest::WRITABLE);
                self.note_queue(None, registration);
            }
            Err(error) => self.write_failed(error, registration),
        }
    }

    /// Offers the unsent bytes in one call, even if corked. `detach` then returns the rest.
    pub(crate) fn flush_now(&mut self, registration: &mut Registration<'_>, outbox: &mut Outbox) {
        self.outbound.flags.remove(OutboundFlags::CORKED);
        self.flush(registration, outbox);
    }

    /// Offers the unsent bytes, or the answers of the filters, to the kernel before a close drops them. In Node, a
    /// write has reached the kernel before a later `destroy`. Gathered bytes must be in the queue already.
    pub(crate) fn send_gathered(
        &mut self,
        registration: &mut Registration<'_>,
        outbox: &mut Outbox,
    ) {
        if !self.stage.is_open()
            || self.outbound.has_failed()
            || !registration.readiness().serves(Interest::WRITABLE)
        {
            return;
        }
        if self.outbound.unsent.is_empty() {
            return self.send_answers();
        }
        if self.outbound.is_corked() {
            return;
        }
        // The error is dropped: the caller is about to close the socket for a reason of its own.
        if self.send(&[], registration, outbox).is_ok() && self.outbound.has_markers() {
            self.pass_markers(registration);
        }
        let lost = outbox.take_lost();
        if lost > 0 {
            self.note_lost(lost);
        }
    }

    /// Handles a fatal error of a write. The failure may be held: a reset must neither swallow arrived bytes, nor look
    /// like a plain end.
    pub(super) fn write_failed(&mut self, error: io::Error, registration: &mut Registration<'_>) {
        self.fail_behind_unread(Syscall::Write, error, registration);
    }
}
