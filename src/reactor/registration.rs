//! A source's place in the reactor, lent to the source while it is served.

use std::time::{Duration, Instant};

use bitflags::bitflags;

use crate::readiness::{Interest, Readiness};
use crate::slots::Key;
use crate::system::SHORT_TRANSFER_DRAINS;
use crate::wheel::{Alarm, Wheel};

use super::clock::Clock;

bitflags! {
    /// What the reactor has to remember of a source beside its readiness. The wishes are set by the source; the rest
    /// by the reactor alone.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(super) struct Marks: u8 {
        /// Invariant: set exactly while the key is on the serve list, or its burst goes on.
        const QUEUED = 1 << 0;
        /// A wish: to flush at the next flush point.
        const WANTS_FLUSH = 1 << 1;
        /// Invariant: set exactly while the key is on the flush list.
        const FLUSH_QUEUED = 1 << 2;
        /// A wish: to be taken out.
        const WANTS_CLOSE = 1 << 3;
        /// Invariant: set from the entry on the close list until the slot is removed. Nothing of the source is served
        /// any more.
        const CLOSING = 1 << 4;
        /// A wish: to be armed again, as the descriptor may not be read until it would block, or as the kernel has to tell
        /// from now on when it is writable.
        const WANTS_REARM = 1 << 5;
        /// The source is a reason to go on.
        const HELD = 1 << 6;
        /// The kernel tells when the source becomes writable. Invariant: where this is not set, the source is not
        /// registered, or it was known to be writable and nobody has found anything else, or it wishes to be armed again.
        const HEARS_WRITABLE = 1 << 7;
        /// All that may have to be acted upon when the source has been looked at.
        const WISHES = Self::WANTS_FLUSH.bits() | Self::WANTS_CLOSE.bits() | Self::WANTS_REARM.bits();
    }
}

bitflags! {
    /// Reasons to serve a source: what the kernel reports, and what the source asks for itself. They are bits of one
    /// word, so that "must it be served?", which is asked several times for every message, is one comparison.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(super) struct Signals: u8 {
        const READABLE = Readiness::READABLE.bits();
        const WRITABLE = Readiness::WRITABLE.bits();
        const READ_CLOSED = Readiness::READ_CLOSED.bits();
        const WRITE_CLOSED = Readiness::WRITE_CLOSED.bits();
        const ERROR = Readiness::ERROR.bits();
        /// The source asks to report something of its own, whatever the kernel says. It is always wanted.
        const ATTENTION = 1 << 7;
    }
}

impl From<Readiness> for Signals {
    #[inline]
    fn from(readiness: Readiness) -> Self {
        Self::from_bits_retain(readiness.bits())
    }
}

/// What the reactor keeps beside each source.
#[derive(Debug)]
pub(super) struct Standing {
    /// The kernel's reports that no call has disproved since, and [`Signals::ATTENTION`].
    pub(super) signals: Signals,
    /// What the source wants to be called for.
    interest: Interest,
    /// The signals that are worth a call. Invariant: all that serve `interest`, and in any case
    /// [`Signals::ATTENTION`] and an error: one that no read would find is for
    /// [`Handler::closed`](super::Handler::closed).
    wanted: Signals,
    pub(super) marks: Marks,
    /// The one entry on the wheel. It is never later than the next deadline, and may be earlier: it is re-filed
    /// when it falls due, not when the deadline moves.
    pub(super) alarm: Option<Alarm>,
}

impl Standing {
    pub(super) fn new(interest: Interest, readiness: Readiness) -> Self {
        Self {
            signals: readiness.into(),
            interest,
            wanted: wanted_for(interest),
            // That it is writable is no news.
            marks: match readiness.contains(Readiness::WRITABLE) {
                true => Marks::HELD,
                false => Marks::HELD | Marks::HEARS_WRITABLE,
            },
            alarm: None,
        }
    }

    /// In which directions the kernel tells when the source becomes ready.
    pub(super) fn hears(&self) -> Interest {
        match self.marks.contains(Marks::HEARS_WRITABLE) {
            true => Interest::all(),
            false => Interest::READABLE,
        }
    }

    /// Whether the source must be served: ready and wanted, or broken where no read would find out.
    #[inline]
    pub(super) fn has_work(&self) -> bool {
        self.signals.intersects(self.wanted)
    }

    /// Whether it wishes for something.
    #[inline]
    pub(super) fn has_wish(&self) -> bool {
        self.marks.intersects(Marks::WISHES)
    }

    /// Whether it wishes for something, other than the flush that it is on the list for already.
    #[inline]
    pub(super) fn has_fresh_wish(&self) -> bool {
        let wishes = self.marks & Marks::WISHES;
        !wishes.is_empty()
            && (wishes != Marks::WANTS_FLUSH || !self.marks.contains(Marks::FLUSH_QUEUED))
    }

    /// Whether it wants to flush and is not on the list for that.
    #[inline]
    pub(super) fn wants_place_to_flush(&self) -> bool {
        self.marks & (Marks::WANTS_FLUSH | Marks::FLUSH_QUEUED) == Marks::WANTS_FLUSH
    }

    /// Whether reading is all that there is to do, as it nearly always is.
    #[inline]
    pub(super) fn only_reads(&self) -> bool {
        // `READABLE` is wanted by who wants to read and by nobody else.
        self.signals & self.wanted == Signals::READABLE
    }

    /// The kernel's part of the signals.
    #[inline]
    fn readiness(&self) -> Readiness {
        Readiness::from_bits(self.signals.bits())
    }

    /// Whether it is ready for `direction` and wants it.
    #[inline]
    pub(super) fn serves(&self, direction: Interest) -> bool {
        self.interest.contains(direction) && self.readiness().serves(direction)
    }

    /// An error that only [`Handler::closed`](super::Handler::closed) can look at.
    #[inline]
    pub(super) fn is_broken_unread(&self) -> bool {
        self.signals.contains(Signals::ERROR) && !self.interest.contains(Interest::READABLE)
    }

    /// A write found that the kernel has no room. If it was not to tell of room, it is from now on.
    #[inline]
    fn lose_room(&mut self) {
        self.signals.remove(Signals::WRITABLE);
        if !self.marks.contains(Marks::HEARS_WRITABLE) {
            self.marks.insert(Marks::WANTS_REARM);
        }
    }

    fn set_interest(&mut self, interest: Interest) {
        self.interest = interest;
        self.wanted = wanted_for(interest);
    }
}

fn wanted_for(interest: Interest) -> Signals {
    Signals::from(interest.served_by()) | Signals::ERROR | Signals::ATTENTION
}

/// What falls due on the wheel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// The deadline of a source.
    Source(Key),
    /// A timer of the driver's own, which the reactor only passes on.
    Timer(Key),
    /// A timer that the driver keeps for one of its sources.
    SourceTimer(Key),
}

/// The place of one source in a [`Reactor`](super::Reactor), lent to its [`Handler`](super::Handler) methods: its
/// key, what it is ready for, what it wants, its deadline.
///
/// Everything here only marks. Nothing is called back and no system call is made, except for [`rearm`](Self::rearm), and
/// for the first write that meets a full buffer of a source that was known to be writable: the call follows when the
/// method has returned.
#[derive(Debug)]
pub struct Registration<'a> {
    pub(super) key: Key,
    pub(super) standing: &'a mut Standing,
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
            standing: self.standing,
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
        self.standing.readiness()
    }

    /// Whether the source is about to be served: it is ready for something that it wants.
    pub fn has_work(&self) -> bool {
        self.standing.has_work()
    }

    /// What the source is called for.
    pub fn interest(&self) -> Interest {
        self.standing.interest
    }

    /// Wants to be called for `interest` too. Costs no system call: the kernel reports it anyway, or need not.
    #[inline]
    pub fn want(&mut self, interest: Interest) {
        if !self.standing.interest.contains(interest) {
            self.standing
                .set_interest(self.standing.interest | interest);
        }
    }

    /// Wants no call for `interest` any more. What the kernel reports meanwhile is kept, so that
    /// [`want`](Self::want) takes up where this left off.
    #[inline]
    pub fn unwant(&mut self, interest: Interest) {
        if self.standing.interest.intersects(interest) {
            self.standing
                .set_interest(self.standing.interest.difference(interest));
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
            self.standing.lose_room();
        }
        self.standing.signals.remove(gone);
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
        let signals = &mut self.standing.signals;
        if direction.contains(Interest::READABLE)
            && !signals.intersects(Signals::READ_CLOSED | Signals::ERROR)
        {
            signals.remove(Signals::READABLE);
        }
        if direction.contains(Interest::WRITABLE)
            && !signals.intersects(Signals::WRITE_CLOSED | Signals::ERROR)
        {
            self.standing.lose_room();
        }
    }

    /// Pretends that the kernel has said `readiness`: the source knows better, as a fresh socket does of its empty
    /// send buffer.
    pub fn assume(&mut self, readiness: Readiness) {
        self.standing.signals.insert(readiness.into());
    }

    /// The source must not be read until it would block, because that would block the thread. What is left is asked
    /// of the kernel afresh.
    pub fn rearm(&mut self) {
        self.standing.signals.remove(Signals::READABLE);
        self.standing.marks.insert(Marks::WANTS_REARM);
    }

    /// Wants [`Handler::flush`](super::Handler::flush) at the next flush point: at the end of the source's own
    /// event if one is being looked at, else in the next flush phase. Several wishes are one.
    #[inline]
    pub fn flush_soon(&mut self) {
        self.standing.marks.insert(Marks::WANTS_FLUSH);
    }

    /// Wants [`Handler::attend`](super::Handler::attend) when the source is served next: it has something to report
    /// that did not come from the kernel. Several wishes are one.
    pub fn attend_soon(&mut self) {
        self.standing.signals.insert(Signals::ATTENTION);
    }

    /// Wants to be taken out. The source stays until the close phase, but is not served any more.
    pub fn close(&mut self) {
        self.standing.marks.insert(Marks::WANTS_CLOSE);
    }

    /// Whether [`close`](Self::close) was called.
    pub fn is_closing(&self) -> bool {
        self.standing
            .marks
            .intersects(Marks::WANTS_CLOSE | Marks::CLOSING)
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
        match self.standing.alarm {
            Some(alarm) if self.wheel.deadline(alarm).is_some_and(|at| at <= tick) => {}
            Some(alarm) if self.wheel.rearm(alarm, tick) => {}
            _ => self.standing.alarm = Some(self.wheel.arm(tick, Due::Source(self.key))),
        }
    }
}
