//! What the reactor calls when the kernel has news of a connection.

use std::io;

use crate::net::core::Lent;
use crate::net::values::{Event, SocketId};
use crate::reactor::{Interest, Key, Registration};
use crate::system::Stream;

use super::error::Syscall;
use super::{Connection, Facts, Inbound, Outbound, SocketEvent, Stage};

impl Connection {
    #[inline(always)]
    pub(crate) fn readable(
        &mut self,
        registration: &mut Registration<'_>,
        lent: &mut Lent<'_>,
    ) -> Option<Event> {
        debug_assert!(
            self.reply_room == 0 || self.reply_room == self.room_to_reply(registration),
            "whoever changes a connection disturbs it"
        );
        let (Some(stream), true) = (&mut self.stream, self.reply_room > 0) else {
            return self.readable_rarely(&mut registration.reborrow(), lent);
        };
        // Nobody has touched it since it was found to be as nearly all are nearly always, so nothing needs to be asked.
        let Some(read) = stream.read_fast_path(lent.buffer) else {
            return self.readable_rarely(&mut registration.reborrow(), lent);
        };
        match read {
            Ok(length) if length > 0 => {
                if length < lent.buffer.len() && stream.short_transfer_drains() {
                    registration.fell_short(Interest::READABLE);
                }
                self.bytes_read += length as u64;
                self.active_tick = registration.latest_tick();
                self.begin_replying(registration.key(), lent);
                Some(Event::Socket(SocketEvent::Data(length)))
            }
            // Apart, as a processor gets there by a comparison each, and would have to put them together first.
            Ok(_) => self.peer_ended(&mut registration.reborrow()),
            Err(error) => self.read_failed(error, &mut registration.reborrow()),
        }
    }

    /// Lets the callback that comes now gather what it writes, as far as there is room.
    #[inline(always)]
    fn begin_replying(&self, key: Key, lent: &mut Lent<'_>) {
        let room = usize::from(self.reply_room);
        lent.supplies.gathered.begin(SocketId(key), room);
    }

    /// Reads from a connection of which it is not known that nothing is queued, corked, failed or over.
    #[inline(never)]
    fn readable_rarely(
        &mut self,
        registration: &mut Registration<'_>,
        lent: &mut Lent<'_>,
    ) -> Option<Event> {
        self.disturb();
        let Some(stream) = &mut self.stream else {
            registration.unwant(Interest::READABLE);
            return None;
        };
        // One that is behind with sending reads less, so that what an echo adds to the queue stays within the marks.
        let mut buffer = &mut *lent.buffer;
        if !self.queue.is_empty() {
            buffer = buffer.split_at_mut(buffer.len() / 2).0;
        }
        match stream.read(buffer) {
            Ok(length) if length > 0 => {
                if stream.reads_may_block() {
                    registration.rearm();
                } else if length < buffer.len()
                    && !stream.is_always_readable()
                    && stream.short_transfer_drains()
                {
                    registration.fell_short(Interest::READABLE);
                }
                self.bytes_read += length as u64;
                self.touch(registration);
                self.reply_room = self.room_to_reply(registration);
                self.begin_replying(registration.key(), lent);
                Some(Event::Socket(SocketEvent::Data(length)))
            }
            Ok(_) => self.peer_ended(registration),
            Err(error) => self.read_failed(error, registration),
        }
    }

    /// A read has met nothing, or an error.
    #[inline(never)]
    fn read_failed(
        &mut self,
        error: io::Error,
        registration: &mut Registration<'_>,
    ) -> Option<Event> {
        self.disturb();
        match error.kind() {
            io::ErrorKind::WouldBlock => {
                registration.would_block(Interest::READABLE);
                self.report_held_back(registration);
            }
            // There was nothing to read, or it would not have waited: it is asked of the kernel afresh.
            io::ErrorKind::Interrupted if self.reads_may_block() => registration.rearm(),
            // It is as readable as before, and so is served again.
            io::ErrorKind::Interrupted => {}
            _ => self.fail_io(Syscall::Read, error, registration),
        }
        None
    }

    pub(crate) fn writable(
        &mut self,
        registration: &mut Registration<'_>,
        lent: &mut Lent<'_>,
    ) -> Option<Event> {
        if self.stage == Stage::Connecting {
            return self.finish_connecting(registration);
        }
        self.flush_all(registration, lent.supplies);
        if self.owes_drain()
            && self.outbound == Outbound::Open
            && self.queue.len()
                <= self
                    .options
                    .low_water_mark
                    .min(self.options.high_water_mark)
        {
            self.facts.remove(Facts::OWES_DRAIN);
            if self.queue.is_empty() {
                registration.unwant(Interest::WRITABLE);
            }
            return Some(Event::Socket(SocketEvent::Drained));
        }
        None
    }

    /// An error while nothing is being read, because the socket is paused or the peer has ended: what the peer sent
    /// before cannot be delivered any more, so it is told at once.
    pub(crate) fn closed(&mut self, registration: &mut Registration<'_>) -> Option<Event> {
        if self.stage == Stage::Connecting {
            return self.finish_connecting(registration);
        }
        if let Some(error) = self.stream.as_ref().and_then(Stream::take_error) {
            self.fail_io(Syscall::Read, error, registration);
        }
        None
    }

    #[inline(never)]
    fn peer_ended(&mut self, registration: &mut Registration<'_>) -> Option<Event> {
        self.disturb();
        registration.unwant(Interest::READABLE);
        self.inbound = Inbound::Ended;
        if self.has_failed() {
            // A write met the reset first and used the kernel's error up, so that the read sees a plain end.
            self.report_held_back(registration);
            return None;
        }
        self.touch(registration);
        Some(Event::Socket(SocketEvent::Ended))
    }
}
