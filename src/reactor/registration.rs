//! The handle through which a source reaches its state in the reactor while the reactor serves the source.

use std::time::{Duration, Instant};

use crate::readiness::{Interest, Readiness};
use crate::slots::Key;
use crate::system::{SHORT_READ_EXHAUSTS, SHORT_WRITE_EXHAUSTS};
use crate::wheel::Wheel;

use super::clock::Clock;
use super::source_state::{Flags, Signals, SourceState, WheelEntry};

/// The state of one source in a [`Reactor`](super::Reactor), lent to its [`Handler`](super::Handler) methods: its key,
/// readiness, interest and deadline.
///
/// A method only changes this state and the timer wheel, and calls nothing back. After [`rearm`](Self::rearm) the
/// reactor registers the source anew, by a system call, once the source's method has returned. The same follows a write
/// that [would block](Self::would_block) or [falls short](Self::fell_short), if the source is registered for reading
/// alone.
///
/// ```
/// use netloop::reactor::{Handler, Interest, Reactor, Registration};
/// # struct Alarm;
/// # impl Handler for Alarm {
/// #     type Event = &'static str;
/// #     type Resources<'a> = ();
/// #     fn source(&mut self) -> Option<&mut dyn mio::event::Source> { None }
/// #     fn on_readable(&mut self, _: &mut Registration<'_>, _: &mut ()) -> Option<&'static str> { None }
/// #     fn on_writable(&mut self, _: &mut Registration<'_>, _: &mut ()) -> Option<&'static str> { None }
/// #     fn on_error(&mut self, _: &mut Registration<'_>, _: &mut ()) -> Option<&'static str> { None }
/// #     fn on_deadline(&mut self, registration: &mut Registration<'_>) -> Option<&'static str> {
/// #         registration.close();
/// #         Some("time is up")
/// #     }
/// # }
/// # fn main() -> std::io::Result<()> {
/// let mut reactor = Reactor::new(16)?;
/// let key = reactor.insert(Alarm, Interest::empty())?;
/// // From outside, `visit` lends the registration of a source.
/// reactor.visit(key, |_alarm, registration| {
///     registration.want(Interest::READABLE);
///     registration.set_deadline(registration.now());
///     assert_eq!(registration.interest(), Interest::READABLE);
/// });
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Registration<'a> {
    pub(super) key: Key,
    pub(super) state: &'a mut SourceState,
    pub(super) wheel: &'a mut Wheel<WheelEntry>,
    pub(super) clock: &'a Clock,
}

impl Registration<'_> {
    /// Makes a second handle to the same state, for a function that is rarely called and not inlined. Passing `self` to
    /// that function would force `self` into memory, and every message would then store each field.
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

    /// Returns the readiness that the kernel has reported or the source has [assumed](Self::assume), and that no call
    /// has disproved since.
    #[inline]
    pub fn readiness(&self) -> Readiness {
        self.state.readiness()
    }

    pub(crate) fn has_work(&self) -> bool {
        self.state.has_work()
    }

    /// Returns the directions that the source wants to be called for.
    pub fn interest(&self) -> Interest {
        self.state.interest
    }

    /// Adds `interest` to the directions that the source wants. Makes no system call: the kernel reports the direction
    /// already, or the source counts as writable. In that case, the first write that would block asks for reports.
    #[inline]
    pub fn want(&mut self, interest: Interest) {
        if !self.state.interest.contains(interest) {
            self.state.set_interest(self.state.interest | interest);
        }
    }

    /// Removes `interest` from the wanted directions. The kernel's reports are kept for a later [`want`](Self::want).
    #[inline]
    pub fn unwant(&mut self, interest: Interest) {
        if self.state.interest.intersects(interest) {
            self.state
                .set_interest(self.state.interest.difference(interest));
        }
    }

    /// Notes that a call in `direction` would have blocked. Clears the readiness of this direction, and a reported
    /// error, which the call would have returned. The kernel reports again when the direction becomes ready.
    #[inline]
    pub fn would_block(&mut self, direction: Interest) {
        let mut gone = Signals::ERROR;
        if direction.contains(Interest::READABLE) {
            gone |= Signals::READABLE | Signals::READ_CLOSED | Signals::PRIORITY;
        }
        if direction.contains(Interest::WRITABLE) {
            gone |= Signals::WRITE_CLOSED;
            self.state.clear_writable();
        }
        self.state.signals.remove(gone);
    }

    /// Notes that a read or write of TCP in `direction` moved fewer bytes than the caller gave space or bytes for.
    ///
    /// On an edge-triggered selector a short transfer proves that the kernel has no more for now, so this clears the
    /// readiness. After a reported end or error the readiness stays, because neither gives a second edge. The readiness
    /// for reading also stays if [`Readiness::PRIORITY`] is set, and with a selector that does not report `PRIORITY`
    /// (kqueue). With AFD of Windows and with `poll(2)`, the readiness for writing stays too.
    ///
    /// A source of another kind calls [`would_block`](Self::would_block) after a call that would block. A read of a
    /// Unix socket, for example, ends after a message that carries a descriptor, though more bytes follow.
    #[inline]
    pub fn fell_short(&mut self, direction: Interest) {
        let signals = &mut self.state.signals;
        if SHORT_READ_EXHAUSTS
            && direction.contains(Interest::READABLE)
            && !signals.intersects(Signals::READ_CLOSED | Signals::ERROR | Signals::PRIORITY)
        {
            signals.remove(Signals::READABLE);
        }
        if SHORT_WRITE_EXHAUSTS
            && direction.contains(Interest::WRITABLE)
            && !signals.intersects(Signals::WRITE_CLOSED | Signals::ERROR)
        {
            self.state.clear_writable();
        }
    }

    /// Sets `readiness` as if the kernel had reported it. A source calls this if it knows the readiness without a
    /// report: the send buffer of a fresh socket, for example, is empty.
    pub fn assume(&mut self, readiness: Readiness) {
        self.state.signals.insert(readiness.into());
    }

    /// Removes and returns the readiness that serves `direction`. The owner puts it back with [`assume`](Self::assume).
    pub(crate) fn set_aside(&mut self, direction: Interest) -> Readiness {
        let served = self.readiness().intersection(direction.served_by());
        self.state.signals.remove(served.into());
        served
    }

    /// Clears the kernel's reports, before the kernel is asked anew. Writability stays if the kernel does not watch it,
    /// because no report would bring it back.
    pub(crate) fn forget_reports(&mut self) {
        let mut reports =
            Signals::READABLE | Signals::READ_CLOSED | Signals::PRIORITY | Signals::ERROR;
        if self.state.flags.contains(Flags::WATCHES_WRITABLE) {
            reports |= Signals::WRITABLE | Signals::WRITE_CLOSED;
        }
        self.state.signals.remove(reports);
    }

    /// Takes the request to be registered anew, and returns whether there was one. If so, the owner of the lent object
    /// has to call [`rearm_lent`](super::Reactor::rearm_lent), because the reactor does not have the object.
    pub(crate) fn take_rearm(&mut self) -> bool {
        let is_requested = self.state.flags.contains(Flags::WANTS_REARM);
        if is_requested {
            self.state.flags.remove(Flags::WANTS_REARM);
            self.state.flags.insert(Flags::WATCHES_WRITABLE);
        }
        is_requested
    }

    /// Clears [`Readiness::READABLE`], and asks the kernel to report it again. A source whose reads may block the
    /// thread calls this method. Other sources make a further read instead, which finds that no data is left.
    pub fn rearm(&mut self) {
        self.state.signals.remove(Signals::READABLE);
        self.state.flags.insert(Flags::WANTS_REARM);
    }

    /// Asks for [`Handler::on_flush`](super::Handler::on_flush) at the next flush point. The flush point is the end of
    /// the source's own callback if this callback runs, otherwise the next flush phase. Several requests count as one.
    #[inline]
    pub fn flush_soon(&mut self) {
        self.state.flags.insert(Flags::WANTS_FLUSH);
    }

    /// Asks for [`Handler::on_activated`](super::Handler::on_activated) when the source is served next, for an event
    /// that did not come from the kernel. Several requests count as one.
    pub fn activate(&mut self) {
        self.state.signals.insert(Signals::ACTIVATED);
    }

    /// Asks the reactor to close the source. The source stays until the close phase, but is not served any more.
    pub fn close(&mut self) {
        self.state.flags.insert(Flags::WANTS_CLOSE);
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.state
            .flags
            .intersects(Flags::WANTS_CLOSE | Flags::CLOSING)
    }

    /// Returns the reactor's time, as [`Reactor::now`](super::Reactor::now) does.
    pub fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Asks for [`Handler::on_deadline`](super::Handler::on_deadline) once `deadline` has passed.
    ///
    /// A source has one entry on the timer wheel. A later deadline leaves this entry in its place, so putting a
    /// deadline off costs nothing, and `on_deadline` is called at the earlier deadline. The source must compare its
    /// deadline with the time, and set it again if it has not passed: no further call comes otherwise. Without memory
    /// for the entry, [closes](Self::close) the source.
    pub fn set_deadline(&mut self, deadline: Instant) {
        self.wake_at(self.clock.tick_at(deadline));
    }

    #[inline]
    pub(crate) fn tick(&self) -> u64 {
        self.clock.tick()
    }

    /// Returns the tick of the latest reading of the clock, from which a deadline that is set late in a turn counts.
    #[inline]
    pub(crate) fn latest_tick(&self) -> u64 {
        self.clock.latest_tick()
    }

    /// Reads the clock, for a time that counts from a moment within a long callback.
    pub(crate) fn read_tick(&self) -> u64 {
        self.clock.read_tick()
    }

    pub(crate) fn tick_after(&self, duration: Duration) -> u64 {
        self.clock.tick_after(duration)
    }

    /// Asks for [`Handler::on_deadline`](super::Handler::on_deadline) at `tick`, or at an armed entry's earlier tick.
    pub(crate) fn wake_at(&mut self, tick: u64) {
        let tick = self.clock.wheel_tick_of(tick);
        match self.state.timer {
            Some(handle) if self.wheel.deadline(handle).is_some_and(|at| at <= tick) => {}
            Some(handle) if self.wheel.rearm(handle, tick) => {}
            _ if self.wheel.reserve().is_ok() => {
                self.state.timer = Some(self.wheel.arm(tick, WheelEntry::Source(self.key)));
            }
            // There is no memory for the entry. Without its deadline, the source might stay for ever.
            _ => self.close(),
        }
    }

    #[inline]
    pub(crate) fn is_wake_filed(&self) -> bool {
        self.state.timer.is_some()
    }

    pub(crate) fn forget_wake(&mut self) {
        if let Some(handle) = self.state.timer.take() {
            self.wheel.cancel(handle);
        }
    }
}
