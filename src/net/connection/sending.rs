//! The outbound half: writes and the flush.

use std::io::{self, IoSlice};

use crate::net::outbox::DIRECT_BYTES;
use crate::reactor::{Interest, Registration};
use crate::send_buffer::Pool;
use crate::system::Stream;
use crate::system::errno::is_out_of_buffers;

use super::error::Error;
use super::{CloseReason, Connection, Facts, Flow, Outbound, Payload, Stage};

/// How much one callback may gather outside of its socket's queue. Beyond it the queue's chunks are as good.
const GATHERED_BYTES: u16 = u16::MAX;

/// How long to wait when the kernel has no memory to send with (ENOBUFS): no edge announces that it has again.
const OUT_OF_BUFFERS_RETRY_TICKS: u64 = 10;

impl Connection {
    /// Takes `payload` to be sent.
    #[inline]
    pub(crate) fn write(
        &mut self,
        payload: Payload<'_>,
        registration: &mut Registration<'_>,
        pool: &mut Pool,
    ) -> Flow {
        if self.stage == Stage::Closed || self.has_failed() {
            return Flow::Closed;
        }
        if self.outbound != Outbound::Open {
            self.note_refused();
            return Flow::Ended;
        }
        let length = payload.len();
        if !self.has_room_for(length, registration, pool) {
            // Making room may have met a failure, which is the one that counts then.
            if !self.has_failed() {
                let limit = Error::queue_limit(self.options.max_queued_bytes, self.peer.address());
                self.fail(limit, CloseReason::Limit, registration);
            }
            return Flow::Closed;
        }
        let mut taken = 0;
        if length >= DIRECT_BYTES
            && !self.is_corked()
            && self.stage == Stage::Open
            && registration.readiness().serves(Interest::WRITABLE)
        {
            match self.send(payload.as_bytes(), registration, pool) {
                Ok(sent) => taken = sent,
                Err(error) => {
                    self.write_failed(error, registration);
                    return Flow::Closed;
                }
            }
        }
        if length > taken {
            payload.queue(taken, &mut self.queue, pool);
            if length < DIRECT_BYTES || self.is_corked() {
                registration.flush_soon();
            } else {
                // The kernel was asked just now, or has not said yet that it has room.
                registration.want(Interest::WRITABLE);
            }
        }
        self.bytes_written += length as u64;
        if self.queue.len() >= self.options.high_water_mark {
            // The mark speaks of what the kernel would not take, not of what was only gathered.
            self.flush(registration, pool);
        }
        self.flow(registration)
    }

    /// How many bytes may be written in a callback that begins now without asking: below it, every write would be
    /// answered `Open` and sent when the callback is done. Zero if that is not so, and while a timeout that was told
    /// waits for the next byte.
    pub(super) fn room_to_reply(&self, registration: &Registration<'_>) -> u16 {
        if self.stage != Stage::Open
            || self.outbound != Outbound::Open
            || self.is_corked()
            || self.owes_drain()
            || !self.queue.is_empty()
            || !self.part.is_empty()
            || self.has_failed()
            || self.facts.contains(Facts::IDLE_IS_REPORTED)
            || self.has_marks()
            || !registration.readiness().serves(Interest::WRITABLE)
        {
            return 0;
        }
        let options = &self.options;
        let most = options.high_water_mark.min(options.max_queued_bytes);
        u16::try_from(most).unwrap_or(GATHERED_BYTES)
    }

    /// Somebody may change it: what was known of its room is known no more.
    #[inline]
    pub(crate) fn disturb(&mut self) {
        self.reply_room = 0;
    }

    /// Queues what was gathered in the callback so far, as somebody is about to look at the queue or to change it.
    pub(crate) fn queue_gathered(
        &mut self,
        bytes: &[u8],
        registration: &mut Registration<'_>,
        pool: &mut Pool,
    ) {
        self.count_written(bytes.len());
        self.queue.copy(bytes, pool);
        registration.flush_soon();
    }

    /// Counts what was gathered elsewhere.
    #[inline]
    pub(crate) fn count_written(&mut self, bytes: usize) {
        self.bytes_written += bytes as u64;
    }

    /// Sends `bytes`, which its callback has written, and of which its [`reply_room`](Self::reply_room) said that they
    /// may be sent at once. Queues what the kernel does not take, and says whether that is known to be nothing.
    #[inline(always)]
    pub(crate) fn reply(
        &mut self,
        bytes: &[u8],
        registration: &mut Registration<'_>,
        pool: &mut Pool,
    ) -> bool {
        if let Some(stream) = &mut self.stream {
            match stream.write_fast_path(bytes) {
                Some(Ok(sent)) if sent == bytes.len() => {
                    self.bytes_written += sent as u64;
                    self.active_tick = registration.latest_tick();
                    return true;
                }
                Some(sent) => {
                    self.bytes_written += bytes.len() as u64;
                    self.queue_unsent(bytes, sent, &mut registration.reborrow(), pool);
                }
                None => self.send_first(bytes, &mut registration.reborrow(), pool),
            }
        }
        false
    }

    /// Sends `bytes`, which were accepted, with nothing before them, and queues what the kernel does not take.
    pub(super) fn send_first(
        &mut self,
        bytes: &[u8],
        registration: &mut Registration<'_>,
        pool: &mut Pool,
    ) {
        let Some(stream) = &self.stream else {
            return;
        };
        self.bytes_written += bytes.len() as u64;
        match stream.write(&[IoSlice::new(bytes)]) {
            Ok(sent) if sent == bytes.len() => self.touch(registration),
            sent => self.queue_unsent(bytes, sent, registration, pool),
        }
    }

    /// Queues what of `bytes` was not sent.
    #[cold]
    fn queue_unsent(
        &mut self,
        bytes: &[u8],
        sent: io::Result<usize>,
        registration: &mut Registration<'_>,
        pool: &mut Pool,
    ) {
        self.disturb();
        let sent = match sent {
            Ok(sent) => {
                self.wrote(sent, bytes.len(), registration);
                Ok(sent)
            }
            Err(error) => self.wrote_nothing(error, registration),
        };
        let unsent = bytes.get(*sent.as_ref().unwrap_or(&0)..);
        self.queue.copy(unsent.unwrap_or_default(), pool);
        match sent {
            Ok(_) => registration.want(Interest::WRITABLE),
            Err(error) => self.write_failed(error, registration),
        }
    }

    /// Whether so many bytes may be queued. One write is taken whatever its length if nothing is queued, since it takes
    /// no more memory than its writer has: the limit is for what piles up.
    #[inline]
    fn has_room_for(
        &mut self,
        length: usize,
        registration: &mut Registration<'_>,
        pool: &mut Pool,
    ) -> bool {
        self.fits(length) || {
            // What was only gathered does not count.
            self.flush(registration, pool);
            self.fits(length)
        }
    }

    #[inline]
    fn fits(&self, length: usize) -> bool {
        let limit = self.options.max_queued_bytes;
        self.queue.is_empty() || self.queue.len().saturating_add(length) <= limit
    }

    /// Whether there is room for more.
    #[inline]
    pub(super) fn flow(&mut self, registration: &mut Registration<'_>) -> Flow {
        if self.stage == Stage::Closed || self.has_failed() {
            return Flow::Closed;
        }
        if self.queue.is_empty() || self.queue.len() < self.options.high_water_mark {
            return Flow::Open;
        }
        self.facts.insert(Facts::OWES_DRAIN);
        registration.want(Interest::WRITABLE);
        Flow::Full
    }

    /// Sends what is queued, in one call, and the FIN behind it if that is due.
    #[inline]
    pub(crate) fn flush(&mut self, registration: &mut Registration<'_>, pool: &mut Pool) {
        if self.stage != Stage::Open || self.has_failed() {
            return;
        }
        // What waits for room is not held back, and takes along what was written behind it: to hold it would be to come
        // here again and again for as long as there is room, and its drain would never come.
        let waits_for_room = registration.interest().contains(Interest::WRITABLE);
        if self.is_corked() && !waits_for_room && self.queue.len() < self.options.high_water_mark {
            return;
        }
        if !self.queue.is_empty() {
            if !registration.readiness().serves(Interest::WRITABLE) {
                registration.want(Interest::WRITABLE);
                return;
            }
            if let Err(error) = self.send(&[], registration, pool) {
                self.write_failed(error, registration);
                return;
            }
        }
        if self.has_marks() {
            // Also with an empty queue: a large write may have taken along what the mark stands behind.
            self.reach_marks(registration);
        }
        if !self.queue.is_empty() {
            registration.want(Interest::WRITABLE);
            return;
        }
        if !self.owes_drain() {
            registration.unwant(Interest::WRITABLE);
        } else {
            // The drain is told by the next serve phase, on a fresh stack, and fairly among all others.
            registration.want(Interest::WRITABLE);
        }
        if self.outbound == Outbound::Ending {
            self.finish_sending(registration);
        }
    }

    /// Writes the queue and `tail` behind it with one call, and says how much of `tail` the kernel took.
    #[inline(always)]
    pub(super) fn send(
        &mut self,
        tail: &[u8],
        registration: &mut Registration<'_>,
        pool: &mut Pool,
    ) -> io::Result<usize> {
        let Some(stream) = &self.stream else {
            return Ok(0);
        };
        let before = self.queue.len() + tail.len();
        let mut offered = 0;
        let sent = self.queue.flush_with(tail, pool, |slices| {
            offered = slices.iter().map(|slice| slice.len()).sum();
            stream.write(slices)
        });
        let sent = sent.map(|taken_of_tail| {
            let left = self.queue.len() + tail.len() - taken_of_tail;
            (before - left, taken_of_tail)
        });
        match sent {
            Ok((sent, taken_of_tail)) => {
                self.wrote(sent, offered, registration);
                Ok(taken_of_tail)
            }
            Err(error) => self.wrote_nothing(error, registration),
        }
    }

    /// The kernel has taken `sent` of the bytes that it was offered.
    #[inline]
    fn wrote(&mut self, sent: usize, offered: usize, registration: &mut Registration<'_>) {
        if sent < offered
            && self
                .stream
                .as_ref()
                .is_some_and(Stream::short_transfer_drains)
        {
            registration.fell_short(Interest::WRITABLE);
        }
        if sent > 0 {
            self.touch(registration);
        }
    }

    /// The kernel has taken nothing: it has no room, no memory, or the connection has failed.
    #[cold]
    fn wrote_nothing(
        &mut self,
        error: io::Error,
        registration: &mut Registration<'_>,
    ) -> io::Result<usize> {
        if error.kind() == io::ErrorKind::Interrupted {
            // It is as writable as before.
            return Ok(0);
        }
        if error.kind() == io::ErrorKind::WouldBlock {
            registration.would_block(Interest::WRITABLE);
            return Ok(0);
        }
        if is_out_of_buffers(&error) {
            registration.would_block(Interest::WRITABLE);
            self.facts.insert(Facts::IS_OUT_OF_BUFFERS);
            registration.wake_at(registration.tick() + OUT_OF_BUFFERS_RETRY_TICKS);
            return Ok(0);
        }
        Err(error)
    }

    /// Sends what was only gathered, so that as little as possible is left.
    pub(crate) fn flush_now(&mut self, registration: &mut Registration<'_>, pool: &mut Pool) {
        self.facts.remove(Facts::IS_CORKED);
        self.flush(registration, pool);
    }

    /// Hands the kernel what was only gathered, before the rest is thrown away: in Node a write has left by the time of
    /// the destroy behind it (C10). What `cork` held back goes with the rest.
    pub(crate) fn send_gathered(&mut self, registration: &mut Registration<'_>, pool: &mut Pool) {
        if self.stage != Stage::Open
            || self.has_failed()
            || self.is_corked()
            || self.queue.is_empty()
            || !registration.readiness().serves(Interest::WRITABLE)
        {
            return;
        }
        // An error has nobody left to tell: the socket is about to be closed.
        if self.send(&[], registration, pool).is_ok() && self.has_marks() {
            self.reach_marks(registration);
        }
    }
}
