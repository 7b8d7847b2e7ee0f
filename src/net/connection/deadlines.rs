//! The deadlines of a connection. They share one entry on the timer wheel. The entry stays while bytes move. If it
//! falls due before every deadline, it is filed again.
//!
//! A deadline that has passed does not count at once: bytes that satisfy it may wait to be read. So the connection is
//! served first, ahead of the other sockets, and then `decide_deadlines` compares again.

use std::io;
use std::time::Duration;

use crate::net::values::{Event, SocketEvent};
use crate::reactor::{Interest, Readiness, Registration};

use super::Connection;
use super::activity::later;
use super::held::Rest;
use super::inbound::Pause;
use super::outbound::{OutboundFlags, OutboundState};
use super::retry::Retries;
use super::stage::Stage;
use super::time_limits::{TimeLimit, TimeLimitCounts};

/// The limit on received bytes that put off a limit on the first byte or a handshake. Twice what a filter may keep.
const MOST_BYTES_AHEAD: u64 = 512 << 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deadline {
    /// The connection must be established by this deadline. Otherwise the connect fails with ETIMEDOUT.
    Connect,
    /// The lookup of the name must have answered.
    Lookup,
    /// The newest attempt must have had an answer within the attempt delay. Otherwise the next address is tried.
    Attempt,
    /// This side has ended, and the connection must have closed, or bytes must have moved fast enough.
    Close,
    /// Our FIN is sent, and the peer must have ended too.
    Linger,
    Limit(TimeLimit),
    /// The received bytes before a failure must have been read.
    Unread,
    /// A byte must have moved.
    Idle,
}

/// Whether a service has left bytes that the next one could move. A rate that counts moved bytes is not decided then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Backlog {
    /// Bytes of the peer wait in the kernel, or may wait.
    to_read: bool,
    /// The kernel has space for bytes of the queue.
    to_send: bool,
}

/// The time to repeat a service before a deadline decides: a call failed with a transient error, and proved nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NextTry {
    AtOnce,
    /// The service is repeated when the entry on the wheel, which is filed already, falls due.
    Later,
}

impl Connection {
    /// Looks at the deadlines because the entry on the wheel has fallen due. After `DeadlinePassed`, the caller serves
    /// the connection, and then calls [`decide_deadlines`](Self::decide_deadlines).
    pub(crate) fn on_deadline(&mut self, registration: &mut Registration<'_>) -> Option<Event> {
        self.end_rests(registration);
        let tick = registration.tick();
        self.count_moved_bytes(tick);
        if self.passed_deadline(tick, Backlog::default()).is_some() {
            return Some(Event::DeadlinePassed);
        }
        self.file_deadline(registration);
        None
    }

    /// Makes the next service read and write as wanted, even if the kernel has reported nothing: its report may be on
    /// the way. A stream that may be read only [once a report](Self::is_read_once_a_report) is not read without one.
    pub(crate) fn expect_news(&self, registration: &mut Registration<'_>) {
        let interest = registration.interest();
        if interest.contains(Interest::WRITABLE) {
            registration.assume(Readiness::WRITABLE);
        }
        if interest.contains(Interest::READABLE) && !self.is_read_once_a_report() {
            registration.assume(Readiness::READABLE);
        }
    }

    pub(crate) fn retries(&self) -> Retries {
        Retries {
            inbound: self.inbound.retry,
            outbound: self.outbound.retry,
        }
    }

    /// Returns when to repeat a service in which a call has failed with a transient error, or after which a half rests.
    /// `before` has the failures in a row before that service. `None` without such a failure, and after too many in a
    /// row: a kernel that always fails must not put a deadline off for ever.
    pub(crate) fn next_try(
        &self,
        before: Retries,
        registration: &mut Registration<'_>,
    ) -> Option<NextTry> {
        let flags = self.outbound.flags;
        // A resting half may have failed in an earlier service, which a comparison with `before` would not show.
        if flags.contains(OutboundFlags::READ_RESTS) && !self.inbound.retry.is_hopeless()
            || flags.contains(OutboundFlags::RESTS) && !self.outbound.retry.is_hopeless()
        {
            return Some(NextTry::Later);
        }
        if !self.retries().are_worth_waiting(before) {
            return None;
        }
        if registration.has_work() {
            return Some(NextTry::AtOnce);
        }
        // The kernel was asked to report anew, and reports in the next poll.
        registration.wake_at(registration.tick() + 1);
        Some(NextTry::Later)
    }

    /// Handles one of the deadlines that had passed at the tick `at`. The connection was served in that tick or later.
    /// A deadline that has passed since `at` is only filed: it decides after another service.
    pub(crate) fn decide_deadlines(
        &mut self,
        at: u64,
        counts: &mut TimeLimitCounts,
        registration: &mut Registration<'_>,
    ) -> Option<Event> {
        let mut event = None;
        self.count_moved_bytes(at);
        let passed = self.passed_deadline(at, self.backlog(registration));
        if passed.is_none() && self.passed_deadline(at, Backlog::default()).is_some() {
            // The loop is late, and not the peer: a service moves a bounded number of bytes, and more have come in time.
            registration.wake_at(registration.tick() + 1);
            return None;
        }
        match passed {
            Some(Deadline::Connect) => {
                self.fail_connect(io::ErrorKind::TimedOut.into(), registration);
            }
            Some(Deadline::Lookup) => {
                self.fail_lookup(io::ErrorKind::TimedOut.into(), registration);
            }
            // The caller plans the next attempt, and files the deadline.
            Some(Deadline::Attempt) => return Some(Event::AttemptIsSlow),
            Some(Deadline::Unread) => self.report_held_back(registration),
            Some(Deadline::Close) => match self.rest_with_queue(registration) {
                Rest::Begins => {}
                Rest::IsOver => self.end_unanswered(counts, registration),
                Rest::IsUnknown => return None,
            },
            Some(Deadline::Linger) => self.end_unanswered(counts, registration),
            Some(Deadline::Limit(limit)) => event = self.reach_limit(limit, counts, registration),
            Some(Deadline::Idle) => {
                self.activity.report_idle();
                event = Some(Event::Socket(SocketEvent::TimedOut));
            }
            None => {}
        }
        self.file_deadline(registration);
        event
    }

    /// Fails a lookup that still waits for a thread, if its deadline or that of the connect has passed at the tick
    /// `at`. The error is `unasked`.
    pub(crate) fn decide_unasked_lookup(
        &mut self,
        at: u64,
        unasked: io::Error,
        registration: &mut Registration<'_>,
    ) {
        let passed = self.passed_deadline(at, Backlog::default());
        if matches!(passed, Some(Deadline::Connect | Deadline::Lookup)) {
            self.fail_lookup(unasked, registration);
        }
    }

    fn backlog(&self, registration: &Registration<'_>) -> Backlog {
        let serves = |direction| {
            registration.interest().contains(direction)
                && registration.readiness().serves(direction)
        };
        Backlog {
            to_read: serves(Interest::READABLE),
            to_send: serves(Interest::WRITABLE) && !self.outbound.unsent.is_empty(),
        }
    }

    /// Returns one of the deadlines that have passed at the tick `now`: the first in the order below, which need not be
    /// the earliest. Those that the bytes of `backlog` may put off are left out.
    fn passed_deadline(&self, now: u64, backlog: Backlog) -> Option<Deadline> {
        let is_due = |deadline: Option<u64>| deadline.is_some_and(|deadline| deadline <= now);
        let is_decoding = backlog.to_read && self.may_decode_more();
        match self.stage {
            Stage::Closed { .. } => return None,
            Stage::LookingUp(_)
            | Stage::Racing(_)
            | Stage::Connecting(_)
            | Stage::Handshaking(_)
                if !is_decoding && is_due(self.connect_deadline()) =>
            {
                return Some(Deadline::Connect);
            }
            Stage::LookingUp(_) if is_due(self.race_deadline()) => return Some(Deadline::Lookup),
            Stage::Racing(_) if is_due(self.race_deadline()) => return Some(Deadline::Attempt),
            Stage::Open(_) if is_due(self.unread_deadline()) => return Some(Deadline::Unread),
            Stage::Open(_) if !self.puts_close_off(backlog) && is_due(self.close_deadline()) => {
                return Some(Deadline::Close);
            }
            Stage::Open(_) if is_due(self.linger_deadline()) => return Some(Deadline::Linger),
            _ => {}
        }
        let mut passed = None;
        self.for_each_time_limit(|limit, deadline| {
            let is_put_off = match limit {
                TimeLimit::ReceiveRate => backlog.to_read,
                TimeLimit::SendRate => backlog.to_send,
                TimeLimit::FirstByte | TimeLimit::Handshake => is_decoding,
                _ => false,
            };
            if deadline <= now && !is_put_off {
                passed = passed.or(Some(Deadline::Limit(limit)));
            }
        });
        if passed.is_some() {
            return passed;
        }
        is_due(self.idle_deadline()).then_some(Deadline::Idle)
    }

    /// Whether further received bytes may be all that the filters need for a first decoded byte, or for the end of their
    /// handshake. `false` after more bytes than a filter may keep: a flood must not put a limit off for ever.
    fn may_decode_more(&self) -> bool {
        let filters = self.filters();
        filters.is_some_and(|it| !it.is_clogged() && it.received() < MOST_BYTES_AHEAD)
    }

    /// Whether bytes of `backlog` are progress of a close.
    fn puts_close_off(&self, backlog: Backlog) -> bool {
        backlog.to_send || backlog.to_read && !self.outbound.closes_when_sent()
    }

    fn idle_deadline(&self) -> Option<u64> {
        // Until the server is told of the connection, `on_timeout` has no handler, and the handshake has its own limit.
        match self.rests_idle() || self.is_untold() {
            true => None,
            false => self.activity.idle_deadline(),
        }
    }

    pub(crate) fn rests_idle(&self) -> bool {
        self.inbound.pause == Pause::ByPipe
    }

    /// Sets the pause. A pause by a pipe began right after a byte, so the idle timeout begins anew after it.
    pub(super) fn set_pause(&mut self, pause: Pause, registration: &mut Registration<'_>) {
        let ends_rest = self.rests_idle() && pause != Pause::ByPipe;
        self.inbound.pause = pause;
        self.pause_rate(pause != Pause::No, registration);
        if ends_rest {
            self.activity.last_byte_tick = registration.read_tick();
            self.file_deadline(registration);
        }
    }

    /// Makes a half that [rests](super::retry) after a transient failure try again, if its rest is over.
    fn end_rests(&mut self, registration: &mut Registration<'_>) {
        let tick = registration.tick();
        if self.outbound.flags.contains(OutboundFlags::RESTS) {
            match self.outbound.rest_end.after(tick) {
                Some(end) => registration.wake_at(end),
                None => self.outbound.end_rest(registration),
            }
        }
        if self.outbound.flags.contains(OutboundFlags::READ_RESTS) {
            let end = self.cold.as_ref().map(|cold| cold.read_rest_end);
            if let Some(end) = end.and_then(|end| end.after(tick)) {
                return registration.wake_at(end);
            }
            if self.is_read_once_a_report() {
                registration.rearm();
            }
            self.recall_reports(registration);
            self.outbound.flags.remove(OutboundFlags::READ_RESTS);
        }
    }

    pub(crate) fn set_idle_timeout(
        &mut self,
        timeout: Option<Duration>,
        registration: &mut Registration<'_>,
    ) {
        if self.stage.is_closed() {
            return;
        }
        self.activity
            .set_idle_timeout(timeout, registration.latest_tick());
        self.file_deadline(registration);
    }

    /// Asks the reactor to call [`on_deadline`](Self::on_deadline) when the earliest of the deadlines has passed.
    pub(crate) fn file_deadline(&self, registration: &mut Registration<'_>) {
        let earliest = self.earliest_deadline();
        if earliest < u64::MAX {
            registration.wake_at(earliest);
        }
    }

    /// As [`file_deadline`](Self::file_deadline), for a connection that opens. Without a deadline, takes off the entry
    /// of the connect or handshake. The entry would give each wait of the loop a timeout, for which the kernel starts
    /// and stops a timer.
    pub(super) fn file_deadline_of_opened(&self, registration: &mut Registration<'_>) {
        let rests = OutboundFlags::RESTS | OutboundFlags::READ_RESTS;
        match self.earliest_deadline() {
            u64::MAX if self.outbound.flags.intersects(rests) => {}
            u64::MAX => registration.forget_wake(),
            earliest => registration.wake_at(earliest),
        }
    }

    /// Returns the tick of the earliest deadline; `u64::MAX` is none, because a deadline at the last tick never passes.
    // Not a chain of iterators over all deadlines: this code runs cold, twice for each connection with filters.
    fn earliest_deadline(&self) -> u64 {
        let mut earliest = u64::MAX;
        let mut add = |deadline: Option<u64>| {
            if let Some(tick) = deadline {
                earliest = earliest.min(tick);
            }
        };
        match self.stage {
            Stage::Closed { .. } => return earliest,
            Stage::Open(_) => {
                add(self.unread_deadline().or_else(|| self.close_deadline()));
                add(self.linger_deadline());
            }
            Stage::LookingUp(_)
            | Stage::Racing(_)
            | Stage::Connecting(_)
            | Stage::Handshaking(_) => {
                add(self.connect_deadline());
                add(self.race_deadline());
            }
        }
        add(self.idle_deadline());
        self.for_each_time_limit(|_, deadline| add(Some(deadline)));
        earliest
    }

    /// Returns the tick by which the close must be complete. While a failure is held there is none: the handler gets
    /// the received bytes first.
    pub(super) fn close_deadline(&self) -> Option<u64> {
        let timeout = self.settings.limits.close_timeout?;
        if self.outbound.state == OutboundState::Open || !self.counts_time_of_end() {
            return None;
        }
        let ended = self.activity.began_tick;
        let progress = self.cold.as_ref().map(|cold| cold.close_progress);
        Some(later(progress.map_or(ended, |it| it.since(ended)), timeout))
    }

    /// Returns the tick by which the peer must have ended, whatever it sends.
    fn linger_deadline(&self) -> Option<u64> {
        let timeout = self.settings.limits.linger_timeout?;
        let waits = self.outbound.state == OutboundState::Finished && self.counts_time_of_end();
        waits.then(|| later(self.activity.began_tick, timeout))
    }

    fn counts_time_of_end(&self) -> bool {
        self.stage.is_open()
            && !self.outbound.has_failed()
            && !self.waits_for_resume()
            && !self.is_input()
    }
}
