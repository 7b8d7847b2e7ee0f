//! The limits on slow peers, the deadline of the program, and the limit on this side's answer to the peer's end.
//!
//! A handler is told of the program's deadline before its socket fails, and may send an answer. A socket that breaks
//! another limit fails at once. A TCP peer gets a RST if this side has not ended, or if bytes are lost. It must not
//! mistake a part for everything. The close timeout and the linger timeout close without an error, because this side
//! has ended already.

use std::time::Duration;

use crate::net::error::Error;
use crate::net::outbox::Outbox;
use crate::net::values::{CloseReason, Event, SocketEvent};
use crate::reactor::Registration;

use super::Connection;
use super::activity::later;
use super::close_progress::MovedBytes;
use super::outbound::OutboundState;
use super::pace::Pace;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TimeLimit {
    /// The first byte of an accepted connection must have arrived.
    FirstByte,
    /// The kernel must have taken a byte of the queue.
    WriteStall,
    /// The peer must send at least at `min_receive_rate`, because bytes are expected.
    ReceiveRate,
    /// The peer must take queued bytes at least at `min_send_rate`.
    SendRate,
    /// The peer has ended, and this side must have ended too, or have sent a byte.
    HalfOpen,
    Handshake,
    Program,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum ProgramDeadline {
    #[default]
    Unset,
    /// The tick at which the handler is told.
    At(u64),
    /// The handler is being told of the deadline.
    IsDue,
}

/// The numbers of sockets that limits on time have closed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TimeLimitCounts {
    pub(crate) first_bytes: u64,
    pub(crate) write_stalls: u64,
    pub(crate) slow_senders: u64,
    pub(crate) slow_receivers: u64,
    pub(crate) half_open: u64,
    pub(crate) handshakes: u64,
    pub(crate) deadlines: u64,
    /// The sockets that the close timeout or the linger timeout has closed.
    pub(crate) unanswered_ends: u64,
}

impl TimeLimitCounts {
    fn count(&mut self, limit: TimeLimit) {
        *match limit {
            TimeLimit::FirstByte => &mut self.first_bytes,
            TimeLimit::WriteStall => &mut self.write_stalls,
            TimeLimit::ReceiveRate => &mut self.slow_senders,
            TimeLimit::SendRate => &mut self.slow_receivers,
            TimeLimit::HalfOpen => &mut self.half_open,
            TimeLimit::Handshake => &mut self.handshakes,
            TimeLimit::Program => &mut self.deadlines,
        } += 1;
    }
}

impl Connection {
    pub(crate) fn set_deadline(
        &mut self,
        after: Option<Duration>,
        registration: &mut Registration<'_>,
    ) {
        if self.stage.is_closed() || (after.is_none() && self.cold.is_none()) {
            return;
        }
        let tick = registration.latest_tick();
        self.cold_mut().program_deadline = match after {
            Some(after) => ProgramDeadline::At(later(tick, after)),
            None => ProgramDeadline::Unset,
        };
        self.file_deadline(registration);
    }

    /// Whether the handler is being told of the program's deadline, and has not set or lifted the deadline since.
    pub(super) fn is_deadline_due(&self) -> bool {
        self.cold
            .as_ref()
            .is_some_and(|cold| cold.program_deadline == ProgramDeadline::IsDue)
    }

    /// Fails the connection after its handler was told of the deadline, unless the handler has decided otherwise.
    pub(crate) fn answer_deadline(
        &mut self,
        counts: &mut TimeLimitCounts,
        registration: &mut Registration<'_>,
        outbox: &mut Outbox,
    ) {
        if !self.is_deadline_due() {
            return;
        }
        self.cold_mut().program_deadline = ProgramDeadline::Unset;
        // A write of the handler may have failed, or a filter may have started: neither lifts the deadline.
        if self.stage.is_closed() || self.outbound.state != OutboundState::Open {
            return;
        }
        match self.stage.is_handshaking() {
            true => self.send_plain(registration, outbox),
            false => self.send_gathered(registration, outbox),
        }
        if !self.stage.is_closed() {
            self.break_limit(TimeLimit::Program, counts, registration);
        }
    }

    pub(crate) fn deadline(&self) -> Option<u64> {
        match self.cold.as_ref()?.program_deadline {
            ProgramDeadline::At(tick) => Some(tick),
            ProgramDeadline::Unset | ProgramDeadline::IsDue => None,
        }
    }

    /// Begins to measure whether the peer sends at `min_receive_rate`, or ends the measurement if no bytes are expected.
    /// A further begin changes nothing.
    pub(crate) fn expect_bytes(&mut self, expects: bool, registration: &mut Registration<'_>) {
        if !expects {
            if let Some(cold) = &mut self.cold {
                cold.receiving = None;
            }
            return;
        }
        let is_expecting = self.cold.as_ref().is_some_and(|it| it.receiving.is_some());
        if self.stage.is_closed() || is_expecting {
            return;
        }
        let tick = registration.latest_tick();
        let rate = self.settings.limits.min_receive_rate;
        let Some(mut pace) = Pace::begin(rate, tick, self.received_on_wire()) else {
            return;
        };
        if self.inbound.is_paused() {
            pace.rest(tick, self.received_on_wire());
        }
        self.cold_mut().receiving = Some(pace);
        self.file_deadline(registration);
    }

    /// Whether the rate of the peer is measured, or will be after a pause.
    pub(crate) fn measures_rate(&self) -> bool {
        self.cold.as_ref().is_some_and(|it| it.receiving.is_some())
    }

    pub(super) fn pause_rate(&mut self, is_paused: bool, registration: &mut Registration<'_>) {
        let (tick, bytes) = (registration.latest_tick(), self.received_on_wire());
        let pace = self.cold.as_mut().and_then(|it| it.receiving.as_mut());
        let Some(pace) = pace else {
            return;
        };
        match is_paused {
            true => pace.rest(tick, bytes),
            false => {
                pace.go_on(tick);
                self.file_deadline(registration);
            }
        }
    }

    pub(super) fn measure_rate_anew(&mut self, registration: &mut Registration<'_>) {
        let bytes = self.received_on_wire();
        let pace = self.cold.as_mut().and_then(|it| it.receiving.as_mut());
        if let Some(pace) = pace {
            pace.begin_again(registration.read_tick(), bytes);
            self.file_deadline(registration);
        }
    }
}

impl Connection {
    pub(super) fn limits_first_byte(&self) -> bool {
        self.server.is_some() && self.settings.limits.first_byte_timeout.is_some()
    }

    /// Calls `take` with each limit that counts now and its deadline.
    #[inline]
    pub(super) fn for_each_time_limit(&self, mut take: impl FnMut(TimeLimit, u64)) {
        let mut add = |limit, deadline: Option<u64>| {
            if let Some(deadline) = deadline {
                take(limit, deadline);
            }
        };
        if self.stage.is_open() && !self.outbound.has_failed() {
            add(TimeLimit::WriteStall, self.write_stall_deadline());
            add(TimeLimit::SendRate, self.send_rate_deadline());
            add(TimeLimit::FirstByte, self.first_byte_deadline());
            add(TimeLimit::ReceiveRate, self.receive_rate_deadline());
            add(TimeLimit::HalfOpen, self.half_open_deadline());
        }
        add(TimeLimit::Handshake, self.handshake_deadline());
        add(TimeLimit::Program, self.deadline());
    }

    fn write_stall_deadline(&self) -> Option<u64> {
        let timeout = self.settings.limits.write_stall_timeout?;
        Some(later(self.queue_wait()?.taken_tick, timeout))
    }

    fn send_rate_deadline(&self) -> Option<u64> {
        self.queue_wait()?.pace.as_ref()?.deadline()
    }

    fn first_byte_deadline(&self) -> Option<u64> {
        let timeout = self.settings.limits.first_byte_timeout?;
        let is_awaited = self.server.is_some()
            && self.bytes_read == 0
            && !self.inbound.has_ended()
            // After this side's end, the close timeout counts instead.
            && self.outbound.state == OutboundState::Open
            && !self.cold.as_ref().is_some_and(|cold| cold.has_first_byte);
        is_awaited.then(|| later(self.activity.began_tick, timeout))
    }

    fn handshake_deadline(&self) -> Option<u64> {
        let timeout = self.settings.limits.handshake_timeout?;
        let began = self.cold.as_ref()?.handshake_began;
        self.stage.is_handshaking().then(|| later(began, timeout))
    }

    fn receive_rate_deadline(&self) -> Option<u64> {
        let pace = self.cold.as_ref()?.receiving.as_ref()?;
        pace.deadline().filter(|_| !self.inbound.has_ended())
    }

    /// Whether a deadline counts from the peer's end, or is put off by it.
    pub(super) fn counts_time_of_peers_end(&self) -> bool {
        self.activity.idle_timeout().is_some()
            || self.settings.limits.half_open_timeout.is_some()
            || self.outbound.state != OutboundState::Open
    }

    fn half_open_deadline(&self) -> Option<u64> {
        let timeout = self.settings.limits.half_open_timeout?;
        let is_half_open = self.inbound.has_ended() && self.outbound.state == OutboundState::Open;
        // Nothing is received after the peer's end. So `last_byte_tick` is the tick of that end or of a byte sent
        // since. A new idle timeout and the end of a pause by a pipe set it too.
        is_half_open.then(|| later(self.activity.last_byte_tick, timeout))
    }

    /// Puts off the deadlines that depend on how many bytes have moved. Called once a deadline may have passed: an
    /// update for each byte would cost time.
    pub(super) fn count_moved_bytes(&mut self, now: u64) {
        let close_passed = self.close_deadline().is_some_and(|it| it <= now);
        let last_byte = self.activity.last_byte_tick;
        if close_passed && last_byte > self.activity.began_tick {
            let (ended, moved) = (self.activity.began_tick, self.moved_bytes());
            let progress = &mut self.cold_mut().close_progress;
            progress.put_off(ended, last_byte, now, moved);
        }
        let (received, sent) = (self.received_on_wire(), self.taken_bytes());
        if let Some(cold) = &mut self.cold {
            if let Some(pace) = &mut cold.receiving {
                pace.count(now, received);
            }
            if let Some(pace) = cold.queue_wait.as_mut().and_then(|it| it.pace.as_mut()) {
                pace.count(now, sent);
            }
        }
    }

    fn moved_bytes(&self) -> MovedBytes {
        MovedBytes {
            received: match self.outbound.closes_when_sent() {
                true => 0,
                false => self.received_on_wire(),
            },
            sent: self.taken_bytes(),
        }
    }

    /// Whether the handler is told of the program's deadline before the connection fails: it can still send an answer.
    fn can_answer_deadline(&self) -> bool {
        self.stage.is_open()
            && !self.outbound.has_failed()
            && self.outbound.state == OutboundState::Open
    }

    /// Handles a limit whose deadline has passed. Returns the event for the handler, if the handler is asked first.
    pub(super) fn reach_limit(
        &mut self,
        limit: TimeLimit,
        counts: &mut TimeLimitCounts,
        registration: &mut Registration<'_>,
    ) -> Option<Event> {
        if limit == TimeLimit::Program && self.can_answer_deadline() {
            self.cold_mut().program_deadline = ProgramDeadline::IsDue;
            return Some(Event::Socket(SocketEvent::DeadlineReached));
        }
        self.break_limit(limit, counts, registration);
        None
    }

    fn break_limit(
        &mut self,
        limit: TimeLimit,
        counts: &mut TimeLimitCounts,
        registration: &mut Registration<'_>,
    ) {
        if limit == TimeLimit::FirstByte
            && self.inbound.is_paused()
            && self.has_arrived(registration)
        {
            // Something may have arrived in time. Only the program is late to read it.
            self.cold_mut().has_first_byte = true;
            return;
        }
        counts.count(limit);
        if self.outbound.has_failed() {
            // A failure is held, and is the cause of the close.
            self.report_held_back(registration);
            return;
        }
        if let (OutboundState::Open, Some(stream)) = (self.outbound.state, self.open_stream()) {
            // This call fails for a Unix socket, which has no RST.
            let _ = stream.reset_on_close();
        }
        let error = self.limit_error(limit);
        self.fail(error, CloseReason::TimedOut, registration);
    }

    pub(super) fn end_unanswered(
        &mut self,
        counts: &mut TimeLimitCounts,
        registration: &mut Registration<'_>,
    ) {
        counts.unanswered_ends += 1;
        self.close(CloseReason::TimedOut, registration);
    }

    fn limit_error(&self, limit: TimeLimit) -> Error {
        let limits = &self.settings.limits;
        let time = |timeout: Option<Duration>| timeout.unwrap_or_default();
        let rate = |rate: Option<crate::net::values::MinRate>| {
            rate.map_or(0, |rate| rate.bytes_per_second)
        };
        let text = match limit {
            TimeLimit::FirstByte => format!(
                "the peer has sent no byte within {:?} (first_byte_timeout)",
                time(limits.first_byte_timeout)
            ),
            TimeLimit::WriteStall => format!(
                "the peer has taken no byte for {:?} (write_stall_timeout)",
                time(limits.write_stall_timeout)
            ),
            TimeLimit::ReceiveRate => format!(
                "the peer sends fewer than {} bytes a second (min_receive_rate)",
                rate(limits.min_receive_rate)
            ),
            TimeLimit::SendRate => format!(
                "the peer takes fewer than {} bytes a second (min_send_rate)",
                rate(limits.min_send_rate)
            ),
            TimeLimit::HalfOpen => format!(
                "nothing was sent for {:?} since the peer has ended (half_open_timeout)",
                time(limits.half_open_timeout)
            ),
            TimeLimit::Handshake => format!(
                "the handshake was not complete within {:?} (handshake_timeout)",
                time(limits.handshake_timeout)
            ),
            TimeLimit::Program => "the deadline of the socket has passed (set_deadline)".to_owned(),
        };
        let error = Error::timed_out(text);
        match self.stage.address() {
            Some(peer) => error.at(peer.into()),
            None => error,
        }
    }
}
