//! Connecting: from the lookup, or from the connect to an address or a path, to the open connection or to the failure.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use crate::net::connect::{ConnectRace, Departure, is_connected_to_itself};
use crate::net::error::{Error, Syscall};
use crate::net::outbox::Outbox;
use crate::net::values::{CloseReason, Event, SocketEvent};
use crate::reactor::{Interest, Key, Registration};
use crate::system::Stream;

use super::Connection;
use super::activity::later;
use super::notice::Notice;
use super::stage::Stage;

/// The next step of a connect, taken after all notices: a handler that closes its socket on a notice prevents the step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DialStep {
    /// Announces the attempt on the next address of the name.
    Announce,
    /// Connects to the address whose attempt was announced.
    Connect(SocketAddr),
}

impl Connection {
    pub(crate) fn plan(&mut self, step: DialStep, registration: &mut Registration<'_>) {
        self.cold_mut().dial_step = Some(step);
        registration.activate();
    }

    pub(crate) fn plan_next_attempt(&mut self, registration: &mut Registration<'_>) {
        if !self.has_dial_step() {
            self.plan(DialStep::Announce, registration);
        }
    }

    pub(crate) fn has_dial_step(&self) -> bool {
        self.cold
            .as_ref()
            .is_some_and(|cold| cold.dial_step.is_some())
    }

    pub(crate) fn take_dial_step(&mut self) -> Option<DialStep> {
        let is_before_open = self.stage.is_before_open();
        let cold = self.cold.as_mut()?;
        if !cold.notices.is_empty() || !is_before_open {
            return None;
        }
        cold.dial_step.take()
    }

    /// Queues the notice of an attempt, and plans its connect. `opened` is the socket of the attempt; `None` in a
    /// simulation, which opens it with the connect.
    pub(crate) fn announce(
        &mut self,
        address: SocketAddr,
        opened: Option<Stream>,
        registration: &mut Registration<'_>,
    ) {
        self.stream = opened;
        self.notify(Notice::AttemptBegun(address), registration);
        self.plan(DialStep::Connect(address), registration);
    }

    /// Plans the attempt on the next address, or fails the connection if no address is left and no attempt is announced
    /// or under way.
    pub(crate) fn go_on_or_fail(&mut self, registration: &mut Registration<'_>) {
        let Some(race) = self.race() else {
            return;
        };
        if race.has_waiting() {
            self.plan_next_attempt(registration);
        } else if race.is_exhausted() {
            let failure = race.failure();
            self.fail_unconnected(failure, registration);
        }
    }

    /// Takes the socket of the attempt that was announced.
    pub(crate) fn take_opened(&mut self) -> Option<Stream> {
        self.stream.take()
    }

    /// Sets the stream of a connection to an address. The connect of the stream is under way.
    pub(crate) fn set_connecting(&mut self, stream: Stream) {
        self.stream = Some(stream);
    }

    /// Notes that the attempt `key` on `address` is under way, and files the deadline of the next attempt.
    pub(crate) fn began_attempt(
        &mut self,
        key: Key,
        address: SocketAddr,
        registration: &mut Registration<'_>,
    ) {
        if let Some(race) = self.race_mut() {
            let next = later(registration.latest_tick(), race.options.attempt_delay);
            race.began(key, address, next);
        }
        self.file_deadline(registration);
    }
}

impl Connection {
    pub(super) fn with_connect_timeout(mut self, timeout: Option<Duration>) -> Self {
        if let Some(timeout) = timeout {
            self.set_connect_timeout(timeout);
        }
        self
    }

    pub(crate) fn is_choosing_address(&self) -> bool {
        matches!(self.stage, Stage::LookingUp(_) | Stage::Racing(_))
    }

    pub(crate) fn is_looking_up(&self) -> bool {
        matches!(self.stage, Stage::LookingUp(_))
    }

    /// Returns why this connection no longer waits for its lookup; `None` while it waits.
    pub(crate) fn departure(&self) -> Option<Departure> {
        match self.stage {
            Stage::LookingUp(_) => None,
            Stage::Closed {
                reason: CloseReason::TimedOut,
                ..
            } => Some(Departure::TimedOut),
            _ => Some(Departure::Left),
        }
    }

    /// Whether the connection has closed before the answer to its lookup came.
    pub(crate) fn has_missed_answer(&self) -> bool {
        self.stage.is_closed() && self.race().is_some_and(ConnectRace::is_looking_up)
    }

    /// Gives the race the addresses that the lookup found. Returns whether there is an address to try.
    pub(crate) fn begin_race(&mut self, found: &[SocketAddr]) -> bool {
        match self.stage.take() {
            Stage::LookingUp(mut race) => {
                let any = race.set_addresses(found);
                self.stage = Stage::Racing(race);
                any
            }
            other => {
                self.stage = other;
                false
            }
        }
    }

    /// Takes over the stream of the attempt that succeeded first. The next service finishes the connect.
    pub(crate) fn set_stream(&mut self, stream: Stream, peer: SocketAddr) {
        if let Stage::LookingUp(race) | Stage::Racing(race) = self.stage.take() {
            self.set_past_race(race);
        }
        self.stage = Stage::Connecting(Some(peer).into());
        // The attempt on a further address may have been announced, and its connect is given up.
        self.cold_mut().dial_step = None;
        self.stream = Some(stream);
    }

    /// Asks the kernel for the result of the connect.
    pub(super) fn finish_connecting(
        &mut self,
        registration: &mut Registration<'_>,
    ) -> Option<Event> {
        // A stream whose connect is only planned has no result yet.
        let stream = self.stream.as_ref().filter(|_| !self.has_dial_step());
        let Some(stream) = stream else {
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
        self.apply_options();
        self.activity.touch_now(registration);
        let Stage::Connecting(peer) = self.stage.take() else {
            return None;
        };
        if self.has_filters() {
            self.stage = Stage::Handshaking(peer);
            self.stream = self.stream.take().map(Stream::into_filtered);
            return self.begin_handshake(registration);
        }
        self.stage = Stage::Open(peer);
        if registration.is_wake_filed() {
            self.file_deadline_of_opened(registration);
        }
        self.opened(registration);
        Some(Event::Socket(SocketEvent::Connected))
    }

    /// Begins to read on the open connection. Asks for a flush if a request of the user waits, or if a drain is owed.
    /// The flush restores the write interest, through which the drain is reported.
    pub(super) fn opened(&mut self, registration: &mut Registration<'_>) {
        registration.unwant(Interest::WRITABLE);
        self.update_read_interest(registration);
        if self.outbound.is_ending() {
            self.note_end(registration);
            self.file_deadline(registration);
        }
        self.measure_rate_anew(registration);
        let early_cork = self.cold.as_mut().and_then(|it| it.early_cork.take());
        if early_cork.is_some_and(|written| self.taken_bytes() < written) {
            // The bytes before the cork leave: with the write interest, a cork holds back nothing.
            registration.want(Interest::WRITABLE);
        }
        if self.has_to_flush() {
            registration.flush_soon();
        }
    }

    /// Whether a reset, a write, a marker or an end waits that the user requested before `on_connect` or within it. A
    /// drain that was owed before the handshake of a filter counts, too.
    pub(crate) fn is_behind(&self) -> bool {
        self.stage.is_open() && (self.resets_when_connected() || self.has_to_flush())
    }

    fn has_to_flush(&self) -> bool {
        !self.outbound.unsent.is_empty()
            || self.outbound.has_markers()
            || self.outbound.is_ending()
            || self.outbound.owes_drain()
    }

    fn resets_when_connected(&self) -> bool {
        self.cold
            .as_ref()
            .is_some_and(|cold| cold.resets_when_connected)
    }

    /// Carries out the requests that the user made before the connection was open; called after `on_connect`. The
    /// unsent bytes leave before anything is read.
    pub(crate) fn catch_up(&mut self, registration: &mut Registration<'_>, outbox: &mut Outbox) {
        self.flush(registration, outbox);
        if self.stage.is_open() && self.resets_when_connected() {
            // An error means that the kernel has given the connection up: there is no peer to reset. On a stream that
            // is not TCP, the request was refused when it was made.
            if self.reset(registration).is_err() {
                self.destroy(None, registration);
            }
        }
    }

    pub(super) fn connect_deadline(&self) -> Option<u64> {
        self.connect_timeout()
            .map(|timeout| later(self.activity.began_tick, timeout))
    }

    /// Returns the tick at which the lookup times out or, once attempts race, at which the next address is tried.
    pub(super) fn race_deadline(&self) -> Option<u64> {
        match &self.stage {
            Stage::LookingUp(race) => {
                let timeout = race.options.lookup_timeout.flatten()?;
                Some(later(self.activity.began_tick, timeout))
            }
            Stage::Racing(race) => race.next_attempt_tick(),
            Stage::Connecting(_)
            | Stage::Handshaking(_)
            | Stage::Open(_)
            | Stage::Closed { .. } => None,
        }
    }

    /// Fails the connection because its connect failed or timed out. If its own stream was connecting to an address, a
    /// notice of the failed attempt comes first.
    pub(crate) fn fail_connect(&mut self, error: io::Error, registration: &mut Registration<'_>) {
        let reason = reason_of(&error);
        let error = self.error(Syscall::Connect, error);
        if let (Some(peer), false) = (self.stage.address(), self.stage.is_handshaking()) {
            self.notify(Notice::AttemptFailed(peer, error.clone()), registration);
        }
        self.fail(error, reason, registration);
    }

    /// Fails a connection whose connect failed. The caller has queued the notices of the failure already.
    pub(crate) fn fail_unconnected(&mut self, error: Error, registration: &mut Registration<'_>) {
        self.fail(error, CloseReason::Error, registration);
    }

    pub(crate) fn fail_lookup(&mut self, error: io::Error, registration: &mut Registration<'_>) {
        let reason = reason_of(&error);
        let mut error = Error::new(Syscall::Lookup, error);
        if let Some(race) = self.race() {
            error = error.at(race.endpoint());
        }
        self.notify(Notice::LookedUp(Err(error.clone())), registration);
        self.fail(error, reason, registration);
    }
}

/// The close reason of a failed connect: never `Reset`, because there was no connection that a peer could reset.
fn reason_of(error: &io::Error) -> CloseReason {
    match error.kind() {
        io::ErrorKind::TimedOut => CloseReason::TimedOut,
        _ => CloseReason::Error,
    }
}
