//! Writes and flushes: the outbound half with its stream, and the consequences of its failure and of its end.

use std::io::{self, IoSlice};

use crate::net::error::{Error, Syscall};
use crate::net::outbox::{DIRECT_BYTES, Outbox, Payload};
use crate::net::values::{CloseReason, Flow, SocketId};
use crate::reactor::{Interest, Readiness, Registration};

use super::Connection;
use super::outbound::{OutboundFlags, OutboundState, Wire, note_sent};

impl Connection {
    /// Moves the bytes that wait in shared memory to its own queue, before anything else is done to the connection.
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
    }

    /// Whether the connection is there and idle in the outbound direction, and the kernel has space: a write below the
    /// capacity would be answered `Open`, and be sent at once.
    #[inline]
    pub(super) fn can_send_at_once(&self, registration: &Registration<'_>) -> bool {
        self.stage.is_open()
            && self.outbound.is_clear()
            && registration.readiness().serves(Interest::WRITABLE)
    }

    /// The capacity of a callback that begins now: it may write less without a look at the connection.
    #[inline]
    pub(crate) fn callback_capacity(&self, registration: &Registration<'_>) -> u16 {
        match self.can_send_at_once(registration) {
            true => self.outbound.capacity,
            false => 0,
        }
    }

    #[inline]
    pub(crate) fn extend_span(&mut self, bytes: &[u8], outbox: &mut Outbox) -> bool {
        outbox.extend_span(&mut self.outbound.unsent, bytes)
    }

    #[inline]
    pub(crate) fn advance_span(&mut self, outbox: &Outbox) -> bool {
        outbox.advance_span(&mut self.outbound.unsent)
    }

    /// Takes `payload` to be sent. The connection is settled.
    #[inline]
    pub(crate) fn write(
        &mut self,
        payload: Payload<'_>,
        registration: &mut Registration<'_>,
        outbox: &mut Outbox,
    ) -> Flow {
        if payload.is_better_copied()
            && self.can_send_at_once(registration)
            && outbox.begin_span(
                &mut self.outbound.unsent,
                payload.as_bytes(),
                self.outbound.capacity,
            )
        {
            registration.flush_soon();
            return Flow::Open;
        }
        if self.stage.is_closed() || self.outbound.has_failed() {
            return Flow::Closed;
        }
        if self.outbound.state != OutboundState::Open {
            self.cold_mut().has_refused = true;
            return Flow::Ended;
        }
        let length = payload.len();
        if !self.has_capacity_for(length, registration, outbox) {
            // The flush that tried to free capacity may have met a failure, which is the one that counts then.
            if !self.outbound.has_failed() {
                let limit = Error::queue_limit(self.options.max_queued_bytes, self.stage.address());
                self.fail(limit, CloseReason::Limit, registration);
            }
            return Flow::Closed;
        }
        let is_direct = length >= DIRECT_BYTES && !self.outbound.is_corked();
        let mut sent = 0;
        if is_direct && registration.readiness().serves(Interest::WRITABLE) {
            match self.send(payload.as_bytes(), registration, outbox) {
                Ok(of_payload) => sent = of_payload,
                Err(error) => {
                    self.write_failed(error, registration);
                    return Flow::Closed;
                }
            }
        }
        if length > sent {
            match is_direct {
                // The kernel was asked just now, or has not said yet that it has space.
                true => registration.want(Interest::WRITABLE),
                false => registration.flush_soon(),
            }
        }
        outbox.put(&mut self.outbound.unsent, payload, sent);
        if self.outbound.unsent.len() >= self.options.high_water_mark {
            // The mark speaks of what the kernel would not take, not of what was only gathered.
            self.flush(registration, outbox);
            if self.stage.is_closed() || self.outbound.has_failed() {
                return Flow::Closed;
            }
        }
        self.outbound.answer_write(&self.options, registration)
    }

    #[inline]
    fn has_capacity_for(
        &mut self,
        length: usize,
        registration: &mut Registration<'_>,
        outbox: &mut Outbox,
    ) -> bool {
        self.outbound.fits(length, &self.options) || {
            // Bytes that were only gathered do not count.
            self.flush(registration, outbox);
            self.outbound.fits(length, &self.options)
        }
    }

    /// Sends the unsent bytes and `tail` behind them, and returns how much of `tail` the kernel took. While connecting
    /// there is nothing to send on.
    #[inline]
    fn send(
        &mut self,
        tail: &[u8],
        registration: &mut Registration<'_>,
        outbox: &mut Outbox,
    ) -> io::Result<usize> {
        let (Some(stream), true) = (&self.stream, self.stage.is_open()) else {
            return Ok(0);
        };
        let mut wire = Wire {
            stream,
            activity: &mut self.activity,
            registration,
            outbox,
        };
        self.outbound.send(tail, &mut wire)
    }

    /// Sends the unsent bytes, in one call, and the FIN behind them if that is due.
    #[inline]
    pub(crate) fn flush(&mut self, registration: &mut Registration<'_>, outbox: &mut Outbox) {
        let (Some(stream), true) = (&self.stream, self.stage.is_open()) else {
            return;
        };
        if self.outbound.has_failed() {
            return;
        }
        if registration.readiness().serves(Interest::WRITABLE) {
            let unsent = &mut self.outbound.unsent;
            let write = |bytes: &[u8]| stream.write(&[IoSlice::new(bytes)]);
            if let Some((offered, sent)) = outbox.take_piece(unsent, write) {
                // No drain is owed and no mark set where bytes lie in one piece, and nothing ends behind them.
                match sent {
                    Ok(sent) if sent == offered => self.activity.touch(registration),
                    sent => self.sent_in_part(sent, offered, registration),
                }
                return;
            }
        }
        let mut wire = Wire {
            stream,
            activity: &mut self.activity,
            registration,
            outbox,
        };
        match self.outbound.flush(&self.options, &mut wire) {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => {
                self.write_failed(error, registration);
                return;
            }
        }
        if self.outbound.has_markers() {
            // Also with nothing unsent: a large write may have taken along what the mark stands behind.
            self.pass_markers(registration);
        }
        self.outbound.await_kernel(registration);
        if self.outbound.unsent.is_empty() && self.outbound.is_ending() {
            self.finish_sending(registration);
        }
    }

    /// Sends the bytes that its callback has written, of which [`callback_capacity`](Self::callback_capacity) said that
    /// they may be sent at once. Returns whether the registration is as it was, which it is if the kernel took all.
    #[inline(always)]
    pub(crate) fn reply(
        &mut self,
        registration: &mut Registration<'_>,
        outbox: &mut Outbox,
    ) -> bool {
        let Some(stream) = &mut self.stream else {
            debug_assert!(false, "an open connection has a stream");
            return true;
        };
        let unsent = &mut self.outbound.unsent;
        let taken = outbox.take_own(unsent, |bytes| match stream.write_fast_path(bytes) {
            Some(Ok(sent)) if sent == bytes.len() => Ok(()),
            sent => Err(sent),
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

    /// Sends a reply that the kernel did not take whole, or that is for a rare kind of stream.
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
        let (offered, sent) = outbox.take_rest(&mut self.outbound.unsent, |bytes| {
            sent.unwrap_or_else(|| stream.write(&[IoSlice::new(bytes)]))
        });
        if !matches!(sent, Ok(sent) if sent == offered) {
            self.sent_in_part(sent, offered, registration);
        } else {
            self.activity.touch(registration);
        }
    }

    /// Notes that the kernel did not take all of the bytes that it was offered, and that the rest is queued.
    #[cold]
    fn sent_in_part(
        &mut self,
        sent: io::Result<usize>,
        offered: usize,
        registration: &mut Registration<'_>,
    ) {
        let noted = match (sent, &self.stream) {
            (Ok(sent), Some(stream)) => {
                note_sent(sent, offered, stream, &mut self.activity, registration);
                Ok(())
            }
            (Ok(_), None) => Ok(()),
            (Err(error), _) => self.outbound.note_unsent(error, registration),
        };
        match noted {
            Ok(()) => registration.want(Interest::WRITABLE),
            Err(error) => self.write_failed(error, registration),
        }
    }

    /// Sends the bytes that were only gathered or corked, so that as few as possible are left.
    pub(crate) fn flush_now(&mut self, registration: &mut Registration<'_>, outbox: &mut Outbox) {
        self.outbound.flags.remove(OutboundFlags::CORKED);
        self.flush(registration, outbox);
    }

    /// Offers the kernel the bytes that were only gathered, before the rest is thrown away: in Node a write has left by
    /// the time of the destroy behind it (C10). Bytes that `cork` held back go with the rest.
    pub(crate) fn send_gathered(
        &mut self,
        registration: &mut Registration<'_>,
        outbox: &mut Outbox,
    ) {
        if !self.stage.is_open()
            || self.outbound.has_failed()
            || self.outbound.is_corked()
            || self.outbound.unsent.is_empty()
            || !registration.readiness().serves(Interest::WRITABLE)
        {
            return;
        }
        // No handler is told an error any more: the socket is about to be closed.
        if self.send(&[], registration, outbox).is_ok() && self.outbound.has_markers() {
            self.pass_markers(registration);
        }
    }

    /// Notes that a write has failed for good. Bytes that the peer sent before are still to be read, and only then is
    /// the failure told: a reset must not swallow bytes that have arrived, nor look like an end.
    pub(super) fn write_failed(&mut self, error: io::Error, registration: &mut Registration<'_>) {
        if self.inbound.is_paused || self.inbound.has_ended() {
            self.fail_io(Syscall::Write, error, registration);
            return;
        }
        let error = self.error(Syscall::Write, error);
        self.set_failure(error);
        registration.unwant(Interest::WRITABLE);
        registration.want(Interest::READABLE);
        registration.assume(Readiness::READABLE);
    }
}
