//! A source's place in the reactor, lent to the source while it is served.

use std::time::{Duration, Instant};

use crate::readiness::{Interest, Readiness};
use crate::slots::Key;
use crate::system::SHORT_TRANSFER_DRAINS;
use crate::wheel::Wheel;

use super::clock::Clock;
use super::source_state::{Due, Flags, Signals, SourceState};

/// The place of one source in a [`Reactor`](super::Reactor), lent to its [`Handler`](super::Handler) methods: its
/// key, what it is ready for, what it wants, its deadline.
///
/// Everything here only flags. Nothing is called back and no system call is made, except for [`rearm`](Self::rearm), and
/// for the first write that meets a full buffer of a source that was known to be writable: the call follows when the
/// method has returned.
#[derive(Debug)]
pub struct Registration<'a> {
    pub(super) key: Key,
    pub(super) state: &'a mut SourceState,
    pub(super) wheel: &'a mut Wheel<Due>,
    pub(super) clock: &'a Clock,
}

impl Registration<'_> {
    /// The same place, lent on: to a function that is rarely called and not inlined. What is lent on itself has to lie
    /// in memory, and so would be written there for every message.
    #[inline(always)]
    pub(crate) fn reborrow(&mut self) -> Registration<'_> {
        Registration {
            key: self.key,
            state: self.state,
            wheel: self.wheel,
            clock: self.clock,
        }
    }

    /// The key under which the source is registered.
    pub fn key(&self) -> Key {
        self.key
    }

    /// What the kernel has said and no call has contradicted.
    #[inline]
    pub fn readiness(&self) -> Readiness {
        self.state.readiness()
    }

    /// Whether the source is about to be served: it is ready for something that it wants.
    pub fn has_work(&self) -> bool {
        self.state.has_work()
    }

    /// What the source is called for.
    pub fn interest(&self) -> Interest {
        self.state.interest
    }

    /// Wants to be called for `interest` too. Costs no system call: the kernel reports it anyway, or need not.
    #[inline]
    pub fn want(&mut self, interest: Interest) {
        if !self.state.interest.contains(interest) {
            self.state.set_interest(self.state.interest | interest);
        }
    }

    /// Wants no call for `interest` any more. What the kernel reports meanwhile is kept, so that
    /// [`want`](Self::want) takes up where this left off.
    #[inline]
    pub fn unwant(&mut self, interest: Interest) {
        if self.state.interest.intersects(interest) {
            self.state
                .set_interest(self.state.interest.difference(interest));
        }
    }

    /// A call of the kind `direction` would have blocked: the kernel will tell when that changes.
    #[inline]
    pub fn would_block(&mut self, direction: Interest) {
        let mut gone = Signals::ERROR;
        if direction.contains(Interest::READABLE) {
            gone |= Signals::READABLE | Signals::READ_CLOSED;
        }
        if direction.contains(Interest::WRITABLE) {
            gone |= Signals::WRITE_CLOSED;
            self.state.clear_writable();
        }
        self.state.signals.remove(gone);
    }

    /// A call of the kind `direction` moved less than it could have, which on an edge-triggered selector proves that
    /// there is no more for now, unless an end or an error is waiting behind it: those give no edge of their own.
    /// On the other selectors (AFD, `poll(2)`) it proves nothing and does nothing: there every drain ends with a call
    /// that would block.
    #[inline]
    pub fn fell_short(&mut self, direction: Interest) {
        if !SHORT_TRANSFER_DRAINS {
            return;
        }
        let signals = &mut self.state.signals;
        if direction.contains(Interest::READABLE)
            && !signals.intersects(Signals::READ_CLOSED | Signals::ERROR)
        {
            signals.remove(Signals::READABLE);
        }
        if direction.contains(Interest::WRITABLE)
            && !signals.intersects(Signals::WRITE_CLOSED | Signals::ERROR)
        {
            self.state.clear_writable();
        }
    }

    /// Pretends that the kernel has said `readiness`: the source knows better, as a fresh socket does of its empty
    /// send buffer.
    pub fn assume(&mut self, readiness: Readiness) {
        self.state.signals.insert(readiness.into());
    }

    /// The source must not be read until it would block, because that would block the thread. What is left is asked
    /// of the kernel afresh.
    pub fn rearm(&mut self) {
        self.state.signals.remove(Signals::READABLE);
        self.state.flags.insert(Flags::WANTS_REARM);
    }

    /// Wants [`Handler::flush`](super::Handler::flush) at the next flush point: at the end of the source's own
    /// event if one is being looked at, else in the next flush phase. Several requests are one.
    #[inline]
    pub fn flush_soon(&mut self) {
        self.state.flags.insert(Flags::WANTS_FLUSH);
    }

    /// Wants [`Handler::attend`](super::Handler::attend) when the source is served next: it has something to report
    /// that did not come from the kernel. Several requests are one.
    pub fn attend_soon(&mut self) {
        self.state.signals.insert(Signals::ATTENTION);
    }

    /// Wants to be taken out. The source stays until the close phase, but is not served any more.
    pub fn close(&mut self) {
        self.state.flags.insert(Flags::WANTS_CLOSE);
    }

    /// Whether [`close`](Self::close) was called.
    pub fn is_closing(&self) -> bool {
        self.state
            .flags
            .intersects(Flags::WANTS_CLOSE | Flags::CLOSING)
    }

    /// Returns the reactor's time: the reading of the clock that the turn works with.
    pub fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Wants [`Handler::elapsed`](super::Handler::elapsed) once `deadline` has passed, never earlier. A source has one
    /// entry on the timer wheel, so a later deadline than the one before leaves the entry in its place: the call may
    /// come at the earlier one too, and the source compares. To move a deadline away costs nothing for that reason.
    pub fn set_deadline(&mut self, deadline: Instant) {
        self.wake_at(self.clock.tick_at(deadline));
    }

    /// The reactor's time, as the tick that has begun.
    #[inline]
    pub(crate) fn tick(&self) -> u64 {
        self.clock.tick()
    }

    /// The latest tick that is known to have begun: at least [`tick`](Self::tick), and later than it where the clock
    /// was read again since. What is counted from here is never early.
    #[inline]
    pub(crate) fn latest_tick(&self) -> u64 {
        self.clock.latest_tick()
    }

    /// The first tick by which `duration` has passed for certain, counted from now.
    pub(crate) fn tick_after(&self, duration: Duration) -> u64 {
        self.clock.tick_after(duration)
    }

    /// Wants [`Handler::elapsed`](super::Handler::elapsed) at `tick` or before. It touches the wheel only if nothing
    /// is filed yet or what is filed would come too late, so moving a deadline away costs nothing.
    pub(crate) fn wake_at(&mut self, tick: u64) {
        match self.state.alarm {
            Some(alarm) if self.wheel.deadline(alarm).is_some_and(|at| at <= tick) => {}
            Some(alarm) if self.wheel.rearm(alarm, tick) => {}
            _ => self.state.alarm = Some(self.wheel.arm(tick, Due::Source(self.key))),
        }
    }
}
