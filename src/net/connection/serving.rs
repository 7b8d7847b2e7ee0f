//! The calls of the reactor, when the kernel has news of a connection or the connection asked for one.

use std::io;

use crate::net::error::Syscall;
use crate::net::outbox::Outbox;
use crate::net::values::{Event, SocketEvent, SocketId};
use crate::reactor::{Interest, Registration};
use crate::system::Stream;

use super::Connection;
use super::inbound::InboundState;

impl Connection {
    /// Reads once. Fast path: a TCP connection that is open and idle needs no further check, and nearly every one
    /// nearly always is.
    #[inline(always)]
    pub(crate) fn on_readable(
        &mut self,
        registration: &mut Registration<'_>,
        buffer: &mut [u8],
        outbox: &mut Outbox,
    ) -> Option<Event> {
        let (true, Some(stream)) = (self.can_send_at_once(registration), &mut self.stream) else {
            return self.read_slow_path(&mut registration.reborrow(), buffer, outbox);
        };
        let Some(read) = stream.read_fast_path(buffer) else {
            return self.read_slow_path(&mut registration.reborrow(), buffer, outbox);
        };
        match read {
            Ok(length) if length > 0 => {
                if length < buffer.len() && stream.short_transfer_exhausts() {
                    registration.fell_short(Interest::READABLE);
                }
                self.bytes_read += length as u64;
                self.activity.touch(registration);
                let id = SocketId(registration.key());
                outbox.begin_callback(id, self.outbound.capacity);
                Some(Event::Socket(SocketEvent::Data(length)))
            }
            // Two calls, because the branches come from different places: to join them would cost every message.
            Ok(_) => self.peer_ended(&mut registration.reborrow()),
            Err(error) => self.read_failed(error, &mut registration.reborrow()),
        }
    }

    /// Reads from a connection that is not open and idle, or not TCP.
    #[inline(never)]
    fn read_slow_path(
        &mut self,
        registration: &mut Registration<'_>,
        buffer: &mut [u8],
        outbox: &mut Outbox,
    ) -> Option<Event> {
        let space = self.read_space(buffer.len());
        let Some(stream) = &mut self.stream else {
            registration.unwant(Interest::READABLE);
            return None;
        };
        let buffer = &mut buffer[..space];
        match stream.read(buffer) {
            Ok(length) if length > 0 => {
                if stream.reads_may_block() {
                    registration.rearm();
                } else if length < buffer.len()
                    && !stream.is_always_readable()
                    && stream.short_transfer_exhausts()
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

    /// Sees to a read that found nothing, or an error.
    #[inline(never)]
    fn read_failed(
        &mut self,
        error: io::Error,
        registration: &mut Registration<'_>,
    ) -> Option<Event> {
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

    #[inline(never)]
    fn peer_ended(&mut self, registration: &mut Registration<'_>) -> Option<Event> {
        registration.unwant(Interest::READABLE);
        self.inbound.state = InboundState::Ended;
        if self.outbound.has_failed() {
            // A write met the reset first and used the kernel's error up, so that the read sees a plain end.
            self.report_held_back(registration);
            return None;
        }
        self.activity.touch(registration);
        Some(Event::Socket(SocketEvent::Ended))
    }

    /// Reports news that did not come from the kernel: notices first, then bytes that are carried over.
    pub(crate) fn on_activated(
        &mut self,
        registration: &mut Registration<'_>,
        buffer: &mut [u8],
        outbox: &mut Outbox,
    ) -> Option<Event> {
        let has_notices = !self.cold.as_ref()?.notices.is_empty();
        let delivers_unread = self.delivers_unread();
        if has_notices {
            if delivers_unread {
                registration.activate();
            }
            return Some(Event::Socket(SocketEvent::Noticed));
        }
        if !delivers_unread {
            return None;
        }
        let space = self.read_space(buffer.len());
        let unread = &mut self.cold.as_mut()?.unread;
        let length = unread.take(&mut buffer[..space]);
        if !unread.is_empty() {
            registration.activate();
        }
        // They were counted when they were read, and are no activity now.
        Some(self.hand_over(length, registration, outbox))
    }

    /// The part of a read buffer that is filled. A connection that is behind with sending reads less, so that what an
    /// echo adds stays within the marks.
    fn read_space(&self, buffer: usize) -> usize {
        match self.outbound.unsent.is_empty() {
            true => buffer,
            false => buffer / 2,
        }
    }

    /// Gives the first `length` bytes in the read buffer to the handler. Every byte that the handler gets passes here,
    /// or the fast path of [`readable`](Self::readable), which does the same where the connection is open and idle.
    fn hand_over(
        &self,
        length: usize,
        registration: &Registration<'_>,
        outbox: &mut Outbox,
    ) -> Event {
        let id = SocketId(registration.key());
        let capacity = self.callback_capacity(registration);
        outbox.begin_callback(id, capacity);
        Event::Socket(SocketEvent::Data(length))
    }

    pub(crate) fn on_writable(
        &mut self,
        registration: &mut Registration<'_>,
        outbox: &mut Outbox,
    ) -> Option<Event> {
        if self.stage.is_before_open() {
            return self.finish_connecting(registration);
        }
        self.flush(registration, outbox);
        let is_drained = self.outbound.take_drain(&self.options, registration);
        is_drained.then_some(Event::Socket(SocketEvent::Drained))
    }

    /// Reports an error while nothing is read, because the socket is paused or the peer has ended. Bytes that the peer
    /// sent before cannot be delivered any more, so the error is told at once.
    pub(crate) fn on_error(&mut self, registration: &mut Registration<'_>) -> Option<Event> {
        if self.stage.is_before_open() {
            return self.finish_connecting(registration);
        }
        if let Some(error) = self.stream.as_ref().and_then(Stream::take_error) {
            self.fail_io(Syscall::Read, error, registration);
        }
        None
    }
}
