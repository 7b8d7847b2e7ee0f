//! Connecting: from the lookup or the connect to the open connection, or to the failure.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use crate::net::connect::is_connected_to_itself;
use crate::net::error::{Error, Syscall};
use crate::net::outbox::Outbox;
use crate::net::values::{CloseReason, Event, SocketEvent};
use crate::reactor::{Interest, Registration};
use crate::system::Stream;

use super::Connection;
use super::activity::later;
use super::notice::Notice;
use super::stage::Stage;

impl Connection {
    pub(super) fn with_connect_timeout(mut self, timeout: Option<Duration>) -> Self {
        if let Some(timeout) = timeout {
            self.set_connect_timeout(timeout);
        }
        self
    }

    /// Whether it is still looking for the address to connect to.
    pub(crate) fn is_dialing(&self) -> bool {
        matches!(self.stage, Stage::LookingUp(_) | Stage::Racing(_))
    }

    /// Takes over the addresses that the lookup found, and returns whether any is to be tried.
    pub(crate) fn begin_race(&mut self, found: &[SocketAddr]) -> bool {
        match self.stage.take() {
            Stage::LookingUp(mut dial) => {
                let any = dial.set_addresses(found);
                self.stage = Stage::Racing(dial);
                any
            }
            other => {
                self.stage = other;
                false
            }
        }
    }

    /// Takes over the stream of the attempt that won.
    pub(crate) fn set_stream(&mut self, stream: Stream, peer: SocketAddr) {
        if let Stage::LookingUp(dial) | Stage::Racing(dial) = self.stage.take() {
            self.set_past_dial(dial);
        }
        self.stage = Stage::Connecting(Some(peer).into());
        self.stream = Some(stream);
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
            .stage
            .address()
            .is_some_and(|peer| is_connected_to_itself(stream, peer))
        {
            self.fail_connect(io::ErrorKind::ConnectionRefused.into(), registration);
            return None;
        }
        if let Stage::Connecting(peer) = self.stage.take() {
            self.stage = Stage::Open(peer);
        }
        self.apply_options();
        self.activity.touch(registration);
        registration.unwant(Interest::WRITABLE);
        if !self.inbound.is_paused {
            registration.want(Interest::READABLE);
        }
        if self.outbound.is_ending() {
            self.activity.began_tick = registration.latest_tick();
            self.file_deadline(registration);
        }
        if self.has_to_flush() {
            registration.flush_soon();
        }
        Some(Event::Socket(SocketEvent::Connected))
    }

    /// Whether a request that came while connecting is still to be met.
    pub(crate) fn is_behind(&self) -> bool {
        self.stage.is_open() && (self.resets_when_connected() || self.has_to_flush())
    }

    fn has_to_flush(&self) -> bool {
        !self.outbound.unsent.is_empty() || self.outbound.has_markers() || self.outbound.is_ending()
    }

    fn resets_when_connected(&self) -> bool {
        self.cold
            .as_ref()
            .is_some_and(|cold| cold.resets_when_connected)
    }

    /// Makes up for the requests that came while connecting, once the handler was told of the connection: sends the
    /// unsent bytes, before anything is read, and resets the connection if that was asked for.
    pub(crate) fn catch_up(&mut self, registration: &mut Registration<'_>, outbox: &mut Outbox) {
        self.flush(registration, outbox);
        if self.stage.is_open() && self.resets_when_connected() {
            // It was not asked for unless this is TCP, which can be reset.
            let _ = self.reset(registration);
        }
    }

    pub(super) fn connect_deadline(&self) -> Option<u64> {
        self.connect_timeout()
            .map(|timeout| later(self.activity.began_tick, timeout))
    }

    /// The tick at which the lookup is given up, or the next address is tried.
    pub(super) fn dial_deadline(&self) -> Option<u64> {
        match &self.stage {
            Stage::LookingUp(dial) => {
                let timeout = dial.options.lookup_timeout?;
                Some(later(self.activity.began_tick, timeout))
            }
            Stage::Racing(dial) => dial.next_attempt_tick(),
            Stage::Connecting(_) | Stage::Open(_) | Stage::Closed { .. } => None,
        }
    }

    /// Fails a connection that could not be made.
    pub(crate) fn fail_connect(&mut self, error: io::Error, registration: &mut Registration<'_>) {
        let reason = reason_of(&error);
        let error = self.error(Syscall::Connect, error);
        if let Some(peer) = self.stage.address() {
            self.notify(Notice::AttemptFailed(peer, error.clone()), registration);
        }
        self.fail(error, reason, registration);
    }

    /// Fails a connection of which no attempt is left.
    pub(crate) fn fail_unconnected(&mut self, error: Error, registration: &mut Registration<'_>) {
        self.fail(error, CloseReason::Error, registration);
    }

    /// Fails a connection whose name leads nowhere.
    pub(crate) fn fail_lookup(&mut self, error: io::Error, registration: &mut Registration<'_>) {
        let reason = reason_of(&error);
        let mut error = Error::new(Syscall::Lookup, error);
        if let Some(dial) = self.dial() {
            error = error.at(dial.endpoint());
        }
        self.notify(Notice::LookedUp(Err(error.clone())), registration);
        self.fail(error, reason, registration);
    }
}

/// The reason of a connect that failed. No peer was reached, so no peer can have reset it.
fn reason_of(error: &io::Error) -> CloseReason {
    match error.kind() {
        io::ErrorKind::TimedOut => CloseReason::TimedOut,
        _ => CloseReason::Error,
    }
}
