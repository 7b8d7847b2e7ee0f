//! A source's place in the reactor, lent to the source while it is served.

use std::time::{Duration, Instant};

use crate::readiness::{Interest, Readiness};
use crate::slots::Key;
use crate::system::SHORT_TRANSFER_EXHAUSTS;
use crate::wheel::Wheel;

use super::clock::Clock;
use super::source_state::{Flags, Signals, SourceState, WheelEntry};

/// The place of one source in a [`Reactor`](super::Reactor), lent to its [`Handler`](super::Handler) methods: its key,
/// its readiness, its interest, its deadline.
///
/// A method here only sets bits. Nothing is called back. Two methods lead to a system call when the handler's method
/// has returned: [`rearm`](Self::rearm), and [`would_block`](Self::would_block) for the first write that meets a full
/// buffer.
#[derive(Debug)]
pub struct Registration<'a> {
    pub(super) key: Key,
    pub(super) state: &'a mut SourceState,
    pub(super) wheel: &'a mut Wheel<WheelEntry>,
    pub(super) clock: &'a Clock,
}

impl Registration<'_> {
    /// Lends the place on, to a function that is rarely called and not inlined. Lending `self` itself would force it
    /// into memory, with a store for each field on every message.
    #[inline(always)]
    pub(crate) fn reborrow(&mut self) -> Registration<'_> {
        Registration {
            key: self.key,
            state: self.state,
            wheel: self.wheel,
            clock: self.clock,
        }
    }

    /// Returns the key under which the source is registered.
    pub fn key(&self) -> Key {
        self.key
    }

    /// Returns the kernel's reports that no call has disproved since.
    #[inline]
    pub fn readiness(&self) -> Readiness {
        self.state.readiness()
    }

    /// Whether the source is about to be served: it is ready for something that it wants.
    pub(crate) fn has_work(&self) -> bool {
        self.state.has_work()
    }

    /// Returns the directions in which the source is called.
    pub fn interest(&self) -> Interest {
        self.state.interest
    }

    /// Adds `interest` to the directions in which the source is called. It costs no system call: the kernel reports
    /// both directions anyway, or need not.
    #[inline]
    pub fn want(&mut self, interest: Interest) {
        if !self.state.interest.contains(interest) {
            self.state.set_interest(self.state.interest | interest);
        }
    }

    /// Takes `interest` out of the directions in which the source is called. The kernel's reports are kept meanwhile,
    /// so that [`want`](Self::want) takes up where this left off.
    #[inline]
    pub fn unwant(&mut self, interest: Interest) {
        if self.state.interest.intersects(interest) {
            self.state
                .set_interest(self.state.interest.difference(interest));
        }
    }

    /// Notes that a call in `direction` would have blocked: the kernel will report when that changes.
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

    /// Notes that a call in `direction` moved less than it could have.
    ///
    /// On an edge-triggered selector that proves that there is no more for now, and clears the readiness. It does not
    /// if an end or an error is waiting behind, since those give no edge of their own. On the other selectors (AFD,
    /// `poll(2)`) it proves nothing and does nothing: there every drain ends with a call that would block.
    #[inline]
    pub fn fell_short(&mut self, direction: Interest) {
        if !SHORT_TRANSFER_EXHAUSTS {
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

    /// Sets `readiness` as if the kernel had reported it: the source knows better, as a fresh socket does of its empty
    /// send buffer.
    pub fn assume(&mut self, readiness: Readiness) {
        self.state.signals.insert(readiness.into());
    }

    /// Asks the kernel afresh for readiness, in place of reading until a read would block: for a descriptor on which a
    /// read blocks the thread.
    pub fn rearm(&mut self) {
        self.state.signals.remove(Signals::READABLE);
        self.state.flags.insert(Flags::WANTS_REARM);
    }

    /// Asks for [`Handler::on_flush`](super::Handler::on_flush) at the next flush point. That is the end of the
    /// source's own callback if it runs, else the next flush phase. Several requests are one.
    #[inline]
    pub fn flush_soon(&mut self) {
        self.state.flags.insert(Flags::WANTS_FLUSH);
    }

    /// Asks for [`Handler::on_activated`](super::Handler::on_activated) when the source is served next: it has
    /// something to report that did not come from the kernel. Several requests are one.
    pub fn activate(&mut self) {
        self.state.signals.insert(Signals::ACTIVATED);
    }

    /// Asks to be taken out. The source stays until the close phase, but is not served any more.
    pub fn close(&mut self) {
        self.state.flags.insert(Flags::WANTS_CLOSE);
    }

    /// Whether [`close`](Self::close) was called.
    pub(crate) fn is_closing(&self) -> bool {
        self.state
            .flags
            .intersects(Flags::WANTS_CLOSE | Flags::CLOSING)
    }

    /// Returns the reactor's time: the reading of the clock that the turn works with.
    pub fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Asks for [`Handler::on_deadline`](super::Handler::on_deadline) once `deadline` has passed, never earlier.
    ///
    /// A source has one entry on the timer wheel. A later deadline leaves that entry in its place, so moving a deadline
    /// away costs nothing. The call may come at the earlier deadline too, and the source compares.
    pub fn set_deadline(&mut self, deadline: Instant) {
        self.wake_at(self.clock.tick_at(deadline));
    }

    /// Returns the reactor's time as a tick: the last one that has begun.
    #[inline]
    pub(crate) fn tick(&self) -> u64 {
        self.clock.tick()
    }

    /// Returns the latest tick that is known to have begun: at least [`tick`](Self::tick), and later if the clock was
    /// read again since. A deadline counted from here is never early.
    #[inline]
    pub(crate) fn latest_tick(&self) -> u64 {
        self.clock.latest_tick()
    }

    /// Returns the first tick by which `duration` has passed for certain, counted from the reactor's time.
    pub(crate) fn tick_after(&self, duration: Duration) -> u64 {
        self.clock.tick_after(duration)
    }

    /// Asks for [`Handler::on_deadline`](super::Handler::on_deadline) at `tick` or before. It touches the wheel only if
    /// no entry is armed yet, or the armed one would come too late.
    pub(crate) fn wake_at(&mut self, tick: u64) {
        match self.state.timer {
            Some(handle) if self.wheel.deadline(handle).is_some_and(|at| at <= tick) => {}
            Some(handle) if self.wheel.rearm(handle, tick) => {}
            _ => self.state.timer = Some(self.wheel.arm(tick, WheelEntry::Source(self.key))),
        }
    }
}
