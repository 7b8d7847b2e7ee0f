//! Receiving: one datagram or batch in each call of `on_readable`, so that the reactor's burst limits a turn.

use std::io;
use std::net::SocketAddr;

use crate::net::error::{Error, Syscall};
use crate::net::outbox::Outbox;
use crate::net::values::Event;
use crate::reactor::{Interest, Readiness, Registration};
use crate::system::errno::is_out_of_buffers;

use super::{Datagrams, Message, Stage};

/// The number of failed receives in a row at which the socket fails. The descriptor is then broken, and its readiness
/// would keep the loop awake for ever.
const MOST_FAILURES: u32 = 64;

/// The ticks after which a call that found no memory is tried again. No event reports the end of the shortage.
const REST_TICKS: u64 = 5;

impl Datagrams {
    // A function of its own: inlined, it would take registers from the path of a message.
    #[inline(never)]
    pub(crate) fn on_readable(
        &mut self,
        registration: &mut Registration<'_>,
        buffer: &mut [u8],
        outbox: &mut Outbox,
    ) -> Option<Event> {
        let Stage::Open(socket) = &self.stage else {
            registration.unwant(Interest::READABLE);
            return None;
        };
        #[cfg(feature = "udp-batch")]
        if socket.batched().is_some() {
            return self.receive_batch(registration, buffer, outbox);
        }
        // The kernel gets space for one byte more than the handler. If it fills that space, the datagram is too long.
        let capacity = (self.max_datagram_bytes + 1).min(buffer.len());
        let (length, from) = match socket.receive(&mut buffer[..capacity]) {
            Ok(received) => received,
            Err(error) => return self.on_unreceived(error, registration, outbox),
        };
        self.failures = 0;
        let most = capacity.saturating_sub(1);
        if self.blocks(from) {
            outbox.count_received_datagram(length);
            // Without an event, the burst would end. This one has no news: it only counts the discarded datagram.
            return Some(Event::Datagram);
        }
        let is_truncated = length > most;
        let length = self.count_received(length.min(most), is_truncated, outbox);
        self.message = Some(Message {
            from,
            offset: 0,
            length,
            is_truncated,
        });
        Some(Event::Datagram)
    }

    /// Lets the datagrams that have arrived come before a timer that has passed. Makes the next service receive even
    /// without a report of the kernel, which may be on the way. A socket that [rests](Self::rest) still makes no call.
    /// Returns the limit on services after which the timer is told, so that no flood puts it off for ever.
    pub(crate) fn expect_news(&self, registration: &mut Registration<'_>) -> u8 {
        let receives = registration.interest().contains(Interest::READABLE);
        if receives && !self.rests && self.socket().is_some() {
            registration.assume(Readiness::READABLE);
        }
        u8::try_from(self.receives_per_turn).unwrap_or(u8::MAX)
    }

    #[inline]
    pub(super) fn blocks(&mut self, from: SocketAddr) -> bool {
        let blocked = self.receive_block_list.as_ref();
        let is_blocked = blocked.is_some_and(|list| list.check(from.ip()));
        if is_blocked {
            self.counts.blocked += 1;
        }
        is_blocked
    }

    #[inline]
    pub(super) fn count_received(
        &mut self,
        length: usize,
        is_truncated: bool,
        outbox: &mut Outbox,
    ) -> usize {
        if is_truncated {
            self.counts.truncated += 1;
        }
        self.counts.received += 1;
        self.counts.received_bytes += length as u64;
        outbox.count_received_datagram(length);
        length
    }

    #[cold]
    pub(super) fn on_unreceived(
        &mut self,
        error: io::Error,
        registration: &mut Registration<'_>,
        outbox: &mut Outbox,
    ) -> Option<Event> {
        match error.kind() {
            io::ErrorKind::WouldBlock => {
                self.failures = 0;
                registration.would_block(Interest::READABLE);
                return None;
            }
            // The readiness stays, so the reactor calls `on_readable` again.
            io::ErrorKind::Interrupted => return None,
            _ if is_out_of_buffers(&error) => {
                self.rest(Interest::READABLE, registration);
                return None;
            }
            _ => {}
        }
        // A failure after a send may be the network's refusal of that datagram, so the count of failures begins again.
        if self.sent_at_failure != self.counts.sent {
            self.sent_at_failure = self.counts.sent;
            self.failures = 0;
        }
        self.failures += 1;
        let is_broken = self.failures >= MOST_FAILURES;
        // Windows tells an unconnected socket that one of its datagrams was refused, but not which one.
        let is_noise =
            cfg!(windows) && self.peer.is_none() && error.kind() == io::ErrorKind::ConnectionReset;
        if is_noise && !is_broken {
            return None;
        }
        let error = self.at_peer(Error::new(Syscall::Receive, error));
        match is_broken {
            true => self.fail(error, registration, outbox),
            false => self.note_error(error, registration),
        }
        self.on_activated()
    }

    /// Takes the error that the kernel has reported for a socket that does not receive.
    pub(crate) fn on_error(&mut self, registration: &mut Registration<'_>) -> Option<Event> {
        if let Some(error) = self.socket()?.take_error() {
            let error = self.at_peer(Error::new(Syscall::Receive, error));
            self.note_error(error, registration);
        }
        self.on_activated()
    }

    pub(super) fn at_peer(&self, error: Error) -> Error {
        match self.peer.or(self.local) {
            Some(address) => error.at(address.into()),
            None => error,
        }
    }

    /// Stops the calls in `direction` for `REST_TICKS`, or until the kernel reports readiness. Datagrams to send are
    /// queued until then.
    pub(super) fn rest(&mut self, direction: Interest, registration: &mut Registration<'_>) {
        self.rests = true;
        registration.would_block(direction);
        registration.wake_at(registration.tick() + REST_TICKS);
    }

    pub(crate) fn on_deadline(&mut self, registration: &mut Registration<'_>) {
        if std::mem::take(&mut self.rests) {
            // `rest` may have cleared each of these. The kernel does not report an error twice, and a paused socket makes
            // no receive that would return it: only ERROR makes `on_error` take it.
            let cleared = Readiness::READABLE | Readiness::WRITABLE | Readiness::ERROR;
            registration.assume(cleared);
        }
    }
}
