//! Time and waiting: the clock, the timer wheel, and the wait for the kernel.

use std::io;
use std::time::{Duration, Instant};

use super::serving::update_lists;
use super::source_state::{Flags, WheelEntry};
use super::{Elapsed, Handler, Key, Phase, Reactor, Registration, TimerHandle, Waker};

impl<T: Handler> Reactor<T> {
    /// Returns the reactor's time: the reading that [`refresh_now`](Self::refresh_now) took over last. Neither
    /// [`poll`](Self::poll) nor any other method reads the clock by itself.
    pub fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Reads the clock without taking the reading over as the reactor's time.
    pub(crate) fn read_clock(&self) -> Instant {
        self.selector.now()
    }

    /// Reads the clock anew, takes the reading over as the reactor's time and returns it.
    pub fn refresh_now(&mut self) -> Instant {
        self.set_now(self.selector.now());
        self.clock.now()
    }

    /// Reads the clock for deadlines that are counted from now on ([`Registration::latest_tick`]), and leaves the
    /// reactor's time as it is. A timer that is due by the new reading must not fire before the kernel was asked for
    /// arrivals.
    pub(crate) fn note_now(&mut self) {
        self.clock.note(self.selector.now());
    }

    /// Takes `now` over as the reactor's time. Time that runs backwards stands still.
    pub(crate) fn set_now(&mut self, now: Instant) {
        self.clock.set(now);
    }

    /// Returns the longest time for which [`poll`](Self::poll) waits. It is zero while anything is queued, else it ends
    /// at the next deadline on the timer wheel; `None` if there is none. A host that waits on [`as_fd`](Self::as_fd)
    /// itself must not wait longer than this, since the kernel does not repeat a report.
    pub fn poll_timeout(&self) -> Option<Duration> {
        if !self.is_idle() {
            return Some(Duration::ZERO);
        }
        self.next_deadline()
            .map(|deadline| deadline.saturating_duration_since(self.clock.now()))
    }

    /// Returns the time at which the timer wheel has something to do next.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let tick = self.wheel.next_deadline()?;
        self.clock.instant_of(tick)
    }

    /// Whether nothing is queued to be served, flushed or closed.
    pub(crate) fn is_idle(&self) -> bool {
        self.schedule.is_idle() && self.burst.is_none()
    }

    /// Waits for the kernel's events and applies them to the sources; no source is served yet.
    ///
    /// The wait lasts at most for `timeout` (`None`: without end), and less if a source is queued or a deadline passes.
    /// Signals do not end it.
    ///
    /// # Errors
    ///
    /// Only if polling itself fails, which is a defect of the program or of the system (`epoll_wait(2)`).
    pub fn poll(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let mut timeout = match (timeout, self.poll_timeout()) {
            (Some(asked), Some(due)) => Some(asked.min(due)),
            (asked, due) => asked.or(due),
        };
        // A full batch may not be all. A source whose event the kernel still keeps looks idle, and would time out after
        // a stall. So all events are fetched before any source is served; each source has one, which is the bound.
        let capacity = self.selector.capacity().max(1);
        for _ in 0..=self.slots.len() / capacity {
            self.selector.poll(timeout, self.clock.now())?;
            let applied = self.apply_events();
            // The waker may have taken one of the places; whether it did is looked up only where it makes a difference.
            if applied + 1 < capacity || !self.selector.is_full() {
                break;
            }
            timeout = Some(Duration::ZERO);
        }
        Ok(())
    }

    /// Lets every wait begin with polling the kernel without sleeping, for `duration`. Zero, the default, sleeps at
    /// once.
    pub(crate) fn busy_poll(&mut self, duration: Duration) {
        self.selector.poll_busily(duration);
    }

    /// Adds the kernel's events to the readiness of their sources, and returns the number of sources.
    fn apply_events(&mut self) -> usize {
        let Self {
            selector,
            slots,
            schedule,
            events,
            ..
        } = self;
        let applied = selector.for_each(|token, readiness| {
            let Some((key, slot)) = slots.find_mut(token) else {
                return;
            };
            let state = &mut slot.state;
            state.signals |= readiness.into();
            if state.has_work() && !state.flags.intersects(Flags::QUEUED | Flags::CLOSING) {
                state.flags.insert(Flags::QUEUED);
                schedule.push(Phase::Serve, key);
            }
        });
        *events += applied as u64;
        applied
    }

    /// Makes the entries that are due by the reactor's time available to [`next_elapsed`](Self::next_elapsed). A
    /// deadline that is set while they are taken comes next time, however short it is.
    pub fn advance(&mut self) {
        self.wheel.advance(self.clock.tick());
    }

    /// Returns how many keys the running round of the phase still has to give out.
    pub(crate) fn remaining(&self, phase: Phase) -> usize {
        self.schedule.remaining(phase)
    }

    /// Whether the time makes a difference before the next [`poll`](Self::poll): to how long that may wait, or to when
    /// a byte counts as sent.
    pub(crate) fn counts_time(&self) -> bool {
        !self.wheel.is_empty() || self.waiting(Phase::Flush) > 0
    }

    /// Returns how many entries wait for the phase, in this round of it and the next.
    pub(crate) fn waiting(&self, phase: Phase) -> usize {
        self.schedule.len(phase)
    }

    /// Whether a deadline has passed by the reactor's time that was not taken yet.
    pub(crate) fn has_elapsed(&self) -> bool {
        let next = self.wheel.next_deadline();
        next.is_some_and(|tick| tick <= self.clock.tick())
    }

    /// Returns the next event that a source made of its deadline, in the order of the deadlines; `None` when all that
    /// [`advance`](Self::advance) found are taken.
    pub fn next_elapsed(&mut self) -> Option<(Key, T::Event)> {
        loop {
            // A driver outside this crate arms no timers of its own.
            if let Elapsed::Source(key, event) = self.next_due()? {
                return Some((key, event));
            }
        }
    }

    /// Takes the next entry that has fallen due, as [`next_elapsed`](Self::next_elapsed) does, with the timers of the
    /// driver among them.
    pub(crate) fn next_due(&mut self) -> Option<Elapsed<T::Event>> {
        while let Some((_, due)) = self.wheel.next_due() {
            let key = match due {
                WheelEntry::Timer(key) => return Some(Elapsed::Timer(key)),
                WheelEntry::SourceTimer(key) => return Some(Elapsed::SourceTimer(key)),
                WheelEntry::Source(key) => key,
            };
            let Some(slot) = self.slots.get_mut(key) else {
                continue;
            };
            slot.state.timer = None;
            if slot.state.flags.contains(Flags::CLOSING) {
                continue;
            }
            let event = slot.source.on_deadline(&mut Registration {
                key,
                state: &mut slot.state,
                wheel: &mut self.wheel,
                clock: &self.clock,
            });
            update_lists(
                key,
                slot,
                self.in_callback,
                &mut self.schedule,
                &self.selector,
            );
            if let Some(event) = event {
                return Some(Elapsed::Source(key, event));
            }
        }
        None
    }

    /// Arms a timer of the driver's own for `deadline`: [`Elapsed::Timer`] gives `name` back then, never earlier.
    /// Without a deadline (one so far away that the clock cannot say it) it never comes.
    pub(crate) fn arm(&mut self, deadline: Option<Instant>, name: Key) -> TimerHandle {
        self.arm_due(deadline, WheelEntry::Timer(name))
    }

    /// Arms a timer as [`arm`](Self::arm) does, but one that the driver keeps for a source: [`Elapsed::SourceTimer`]
    /// gives `name` back. So a driver with two tables of timers knows in which of them a name lies.
    pub(crate) fn arm_source_timer(&mut self, deadline: Option<Instant>, name: Key) -> TimerHandle {
        self.arm_due(deadline, WheelEntry::SourceTimer(name))
    }

    fn arm_due(&mut self, deadline: Option<Instant>, due: WheelEntry) -> TimerHandle {
        let tick = deadline.map_or(u64::MAX, |deadline| self.clock.tick_at(deadline));
        self.wheel.arm(tick, due)
    }

    /// Cancels a timer. A handle whose timer has come or was cancelled before does nothing.
    pub(crate) fn disarm(&mut self, handle: TimerHandle) {
        self.wheel.cancel(handle);
    }

    /// Returns the deadline of a timer that is armed; `None` if it has come, was cancelled, or never comes.
    pub(crate) fn deadline_of(&self, handle: TimerHandle) -> Option<Instant> {
        self.clock.instant_of(self.wheel.deadline(handle)?)
    }

    /// Returns a handle that ends a wait from any thread. To be made at most once.
    pub(crate) fn waker(&self) -> io::Result<Waker> {
        self.selector.waker()
    }

    /// Returns the selector's own descriptor, readable when [`poll`](Self::poll) would find events. It does not cover
    /// queued work and deadlines: see [`poll_timeout`](Self::poll_timeout).
    #[cfg(all(unix, not(mio_unsupported_force_poll_poll)))]
    pub fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.selector.as_fd()
    }
}
