//! How a connection comes about, or does not.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use crate::net::connect::is_connected_to_itself;
use crate::net::values::Event;
use crate::reactor::{Interest, Registration};
use crate::send_buffer::Pool;
use crate::system::Stream;

use super::deadlines::later;
use super::error::Syscall;
use super::{
    CloseReason, Connection, Error, Facts, Notice, Outbound, SocketEvent, SocketOptions, Stage,
};

impl Connection {
    /// A connection under way; without a stream it is one that has not got so far yet, or never will.
    pub(crate) fn connecting(
        stream: Option<Stream>,
        peer: Option<SocketAddr>,
        timeout: Option<Duration>,
        options: Rc<SocketOptions>,
    ) -> Self {
        let mut connection = Self::new(stream, peer, options);
        if let Some(timeout) = timeout {
            connection.set_connect_timeout(timeout);
        }
        connection
    }

    /// Takes over the stream of the attempt that won.
    pub(crate) fn set_stream(&mut self, stream: Stream, peer: SocketAddr) {
        self.stream = Some(stream);
        self.peer = Some(peer).into();
    }

    pub(super) fn finish_connecting(
        &mut self,
        registration: &mut Registration<'_>,
    ) -> Option<Event> {
        let Some(stream) = &self.stream else {
            registration.unwant(Interest::WRITABLE);
            return None;
        };
        match stream.finish_connecting() {
            Ok(false) => {
                registration.would_block(Interest::WRITABLE);
                return None;
            }
            Ok(true) => {}
            Err(error) => {
                self.fail_connect(error, registration);
                return None;
            }
        }
        if self
            .peer
            .address()
            .is_some_and(|peer| is_connected_to_itself(stream, peer))
        {
            self.fail_connect(io::ErrorKind::ConnectionRefused.into(), registration);
            return None;
        }
        self.stage = Stage::Open;
        self.apply_options();
        self.touch(registration);
        registration.unwant(Interest::WRITABLE);
        if !self.is_paused {
            registration.want(Interest::READABLE);
        }
        if self.outbound == Outbound::Ending {
            self.begun_tick = registration.latest_tick();
            self.file_deadline(registration);
        }
        if self.has_to_flush() {
            registration.flush_soon();
        }
        Some(Event::Socket(SocketEvent::Connected))
    }

    /// Whether something was asked for while connecting that is still to be done.
    pub(crate) fn is_behind(&self) -> bool {
        self.stage == Stage::Open
            && (self.facts.contains(Facts::RESETS_WHEN_CONNECTED) || self.has_to_flush())
    }

    fn has_to_flush(&self) -> bool {
        !self.queue.is_empty() || self.has_marks() || self.outbound == Outbound::Ending
    }

    /// Does what was asked for while connecting, now that the handler knows of the connection: sends what is queued,
    /// before anything is read, and resets the connection if that was wanted.
    pub(crate) fn catch_up(&mut self, registration: &mut Registration<'_>, pool: &mut Pool) {
        self.flush(registration, pool);
        if self.facts.contains(Facts::RESETS_WHEN_CONNECTED) && self.stage == Stage::Open {
            // It was not asked for unless this is TCP, which can be reset.
            let _ = self.reset(registration);
        }
    }

    pub(super) fn connect_deadline(&self) -> Option<u64> {
        self.connect_timeout()
            .map(|timeout| later(self.begun_tick, timeout))
    }

    /// When the lookup is given up, or the next address is tried.
    pub(super) fn dial_deadline(&self) -> Option<u64> {
        if !self.is_dialing() {
            return None;
        }
        let dial = self.dial()?;
        if dial.is_looking_up() {
            return dial
                .options
                .lookup_timeout
                .map(|timeout| later(self.begun_tick, timeout));
        }
        dial.next_attempt_tick()
    }

    /// Fails a connection that could not be made.
    pub(crate) fn fail_connect(&mut self, error: io::Error, registration: &mut Registration<'_>) {
        let reason = match error.kind() {
            io::ErrorKind::TimedOut => CloseReason::TimedOut,
            _ => CloseReason::Error,
        };
        let error = self.error(Syscall::Connect, error);
        if let Some(peer) = self.peer.address() {
            self.notify(Notice::AttemptFailed(peer, error.clone()), registration);
        }
        self.fail(error, reason, registration);
    }

    /// Fails a connection of which no attempt is left.
    pub(crate) fn fail_attempt(&mut self, error: Error, registration: &mut Registration<'_>) {
        self.fail(error, CloseReason::Error, registration);
    }

    /// Fails a connection whose name leads nowhere.
    pub(crate) fn fail_lookup(&mut self, error: io::Error, registration: &mut Registration<'_>) {
        let reason = match error.kind() {
            io::ErrorKind::TimedOut => CloseReason::TimedOut,
            _ => CloseReason::Error,
        };
        let mut error = Error::new(Syscall::Lookup, error);
        if let Some(dial) = self.dial() {
            error = error.at(dial.endpoint());
        }
        self.notify(Notice::LookedUp(Err(error.clone())), registration);
        self.fail(error, reason, registration);
    }
}
