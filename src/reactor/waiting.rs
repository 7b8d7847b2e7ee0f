//! Time and waiting: the clock, the timer wheel, and the wait for the kernel.

use std::io;
use std::time::{Duration, Instant};

use super::serving::update_lists;
use super::source_state::{Flags, Signals, WheelEntry};
use super::{Elapsed, Handler, Key, Phase, Reactor, Registration, TimerHandle, Waker};

impl<T: Handler> Reactor<T> {
    /// Returns the reactor's time: the reading of the clock in the last [`refresh_now`](Self::refresh_now), or in
    /// [`new`](Self::new) before the first. Neither [`poll`](Self::poll) nor any other public method changes this time.
    pub fn now(&self) -> Instant {
        self.clock.now()
    }

    pub(crate) fn read_clock(&self) -> Instant {
        self.selector.now()
    }

    /// Returns the nanoseconds from the reactor's beginning to its time.
    #[inline]
    pub(crate) fn elapsed(&self) -> u64 {
        self.clock.elapsed()
    }

    pub(crate) fn elapsed_at(&self, instant: Instant) -> u64 {
        self.clock.elapsed_at(instant)
    }

    /// Reads the clock, makes the reading the reactor's time, and returns it.
    pub fn refresh_now(&mut self) -> Instant {
        self.set_now(self.selector.now());
        self.clock.now()
    }

    /// Reads the clock for deadlines that are set from now on ([`Registration::latest_tick`]). The reactor's time
    /// stays: a timer that the new reading makes due must not fire before the next poll.
    pub(crate) fn note_now(&mut self) {
        self.clock.note(self.selector.now());
    }

    /// Returns the time at which `tick` begins. `tick` counts milliseconds, even if the wheel counts microseconds.
    /// `None` for a time beyond the range of `Instant`.
    pub(crate) fn instant_at(&self, tick: u64) -> Option<Instant> {
        self.clock.instant_at(tick)
    }

    pub(crate) fn set_now(&mut self, now: Instant) {
        self.clock.set(now);
    }

    /// Returns the longest time for which [`poll`](Self::poll) waits: zero while a source is queued, otherwise the time
    /// to the next deadline, if there is one. A program that waits on [`as_fd`](Self::as_fd) itself must not wait
    /// longer: no queued source and no deadline makes that descriptor readable.
    pub fn poll_timeout(&self) -> Option<Duration> {
        if !self.is_idle() {
            return Some(Duration::ZERO);
        }
        self.clock.time_to(self.wheel.next_deadline()?)
    }

    /// Returns the next deadline, or the earlier one of a cancelled or moved timer that the wheel still counts.
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
    /// A Unix signal does not end the wait.
    ///
    /// # Errors
    ///
    /// The system's error if polling itself fails (`epoll_wait(2)`), which is a defect of the program or of the system.
    pub fn poll(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.wait(timeout)?;
        self.fetch(|_| true)
    }

    /// Waits as [`poll`](Self::poll) does, but leaves the events in their batch until [`fetch`](Self::fetch).
    pub(crate) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let timeout = match (timeout, self.poll_timeout()) {
            (Some(asked), Some(due)) => Some(asked.min(due)),
            (asked, due) => asked.or(due),
        };
        self.polls += 1;
        self.could_wait = timeout != Some(Duration::ZERO);
        self.selector.poll(timeout, self.clock.now())
    }

    /// Applies the events of the last [`wait`](Self::wait). After a full batch, fetches and applies further events.
    /// Stops when a batch is not full, when each source has had a place in a batch, or when `goes_on` returns `false`.
    /// A source whose event was not fetched looks idle. So before a passed deadline of a source counts, the caller
    /// serves the source once more even without a report, unless its calls may block.
    pub(crate) fn fetch(&mut self, mut goes_on: impl FnMut(&Self) -> bool) -> io::Result<()> {
        let capacity = self.selector.capacity().max(1);
        let mut polls = 0;
        loop {
            let applied = self.apply_events();
            // The waker and the alarm also take places in the batch, and `applied` leaves them out.
            if applied + 2 < capacity || !self.selector.is_full() {
                return Ok(());
            }
            // This many further polls fetch every event that the kernel held at the first one.
            let most = self.selector.most_events(self.slots.len());
            if polls == most / capacity || !goes_on(self) {
                return Ok(());
            }
            polls += 1;
            self.polls += 1;
            self.selector.poll(Some(Duration::ZERO), self.clock.now())?;
        }
    }

    /// Opens the selector's alarm. With `is_fine`, deadlines and waits are finer than a millisecond.
    #[cfg(all(feature = "precise", target_os = "linux"))]
    pub(crate) fn open_alarm(&mut self, is_fine: bool) -> io::Result<()> {
        if self.selector.open_alarm(is_fine)? && is_fine {
            self.clock.count_finely();
        }
        Ok(())
    }

    /// Makes the selector's descriptor readable when the next deadline passes.
    #[cfg(all(feature = "precise", target_os = "linux"))]
    pub(crate) fn arm_alarm(&mut self) -> io::Result<()> {
        match self.next_deadline() {
            Some(deadline) => self.selector.arm_alarm(deadline),
            None => Ok(()),
        }
    }

    /// Makes every wait begin with `duration` of polling without sleep. With zero, the default, a wait sleeps at once.
    pub(crate) fn busy_poll(&mut self, duration: Duration) {
        self.selector.poll_busily(duration);
    }

    /// Adds the kernel's events to the readiness of their sources, and returns their number.
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

    /// Makes [`next_elapsed`](Self::next_elapsed) return the entries that are due by the reactor's time. A deadline
    /// that is set while the caller takes these entries waits for the next `advance`, even if it has passed.
    pub fn advance(&mut self) {
        self.wheel.advance(self.clock.wheel_tick());
    }

    /// Whether [`next_due`](Self::next_due) may have an entry to return. `false` is certain.
    #[inline]
    pub(crate) fn may_have_due(&self) -> bool {
        self.wheel.may_have_due()
    }

    pub(crate) fn remaining(&self, phase: Phase) -> usize {
        self.schedule.remaining(phase)
    }

    pub(crate) fn waiting(&self, phase: Phase) -> usize {
        self.schedule.len(phase)
    }

    /// Returns the sources that wait to be served, without the one whose burst goes on.
    pub(crate) fn sources_to_serve(&self) -> impl Iterator<Item = &T> + '_ {
        let keys = self.schedule.all(Phase::Serve);
        keys.filter_map(|key| self.get(key))
    }

    pub(crate) fn ready(&self) -> usize {
        self.waiting(Phase::Serve) + usize::from(self.burst.is_some())
    }

    /// Whether the source under `key` is served again before any other source.
    #[inline]
    pub(crate) fn is_in_burst(&self, key: Key) -> bool {
        self.burst.is_some_and(|burst| burst.key == key)
    }

    /// Returns the length of all lists of sources. A source that waits for two phases counts twice.
    pub(crate) fn queued(&self) -> usize {
        self.ready() + self.waiting(Phase::Flush) + self.waiting(Phase::Close)
    }

    pub(crate) fn first_queued(&self) -> Option<Key> {
        let burst = self.burst.map(|burst| burst.key);
        let phases = [Phase::Serve, Phase::Flush, Phase::Close];
        burst.or_else(|| {
            phases
                .into_iter()
                .find_map(|phase| self.schedule.first(phase))
        })
    }

    pub(crate) fn closing(&self) -> impl Iterator<Item = Key> + '_ {
        self.schedule.waiting(Phase::Close)
    }

    /// Whether the wheel may have an entry that is due and that the caller has not taken. `false` is certain.
    pub(crate) fn has_elapsed(&self) -> bool {
        let next = self.wheel.next_deadline();
        next.is_some_and(|tick| tick <= self.clock.wheel_tick())
    }

    /// Returns the next event that a source returned from [`Handler::on_deadline`], in the order of the deadlines.
    /// `None` when all entries of the last [`advance`](Self::advance) are taken.
    pub fn next_elapsed(&mut self) -> Option<(Key, T::Event)> {
        loop {
            if let Elapsed::Source(key, Some(event)) = self.next_due()? {
                return Some((key, event));
            }
        }
    }

    /// Takes the next entry that has fallen due, of any kind.
    pub(crate) fn next_due(&mut self) -> Option<Elapsed<T::Event>> {
        let (handle, due) = self.wheel.next_due()?;
        self.last_due = self.wheel.deadline_of_popped(handle);
        self.notice_slack();
        let key = match due {
            WheelEntry::Reclaim => {
                self.reclaim();
                return Some(Elapsed::Reclaimed);
            }
            WheelEntry::Timer(key) => return Some(Elapsed::Timer(key)),
            WheelEntry::SourceTimer(key) => return Some(Elapsed::SourceTimer(key)),
            WheelEntry::Source(key) => key,
        };
        let Some(slot) = self.slots.get_mut(key) else {
            return Some(Elapsed::Source(key, None));
        };
        slot.state.timer = None;
        if slot.state.flags.contains(Flags::CLOSING) {
            return Some(Elapsed::Source(key, None));
        }
        if slot.state.signals.contains(Signals::REARM_REFUSED) {
            slot.state.signals.remove(Signals::REARM_REFUSED);
            slot.state.flags.insert(Flags::WANTS_REARM);
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
        Some(Elapsed::Source(key, event))
    }

    pub(crate) fn last_due(&self) -> Option<Instant> {
        self.clock.instant_of(self.last_due)
    }

    /// Arms a timer of the caller's own. `None` is a deadline beyond the range of the clock, and never fires.
    pub(crate) fn arm(&mut self, deadline: Option<Instant>, name: Key) -> TimerHandle {
        self.arm_due(deadline, WheelEntry::Timer(name))
    }

    /// Arms a timer as [`arm`](Self::arm) does, for a caller that keeps the timers of its sources in a second table.
    pub(crate) fn arm_source_timer(&mut self, deadline: Option<Instant>, name: Key) -> TimerHandle {
        self.arm_due(deadline, WheelEntry::SourceTimer(name))
    }

    fn arm_due(&mut self, deadline: Option<Instant>, due: WheelEntry) -> TimerHandle {
        let tick = deadline.map_or(u64::MAX, |deadline| self.clock.wheel_tick_at(deadline));
        self.wheel.arm(tick, due)
    }

    /// Cancels a timer. Does nothing if the timer has fired or was cancelled before.
    pub(crate) fn disarm(&mut self, handle: TimerHandle) {
        self.wheel.cancel(handle);
        self.notice_slack();
    }

    pub(crate) fn is_armed(&self, handle: TimerHandle) -> bool {
        self.wheel.deadline(handle).is_some()
    }

    /// Returns the deadline of an armed timer; `None` if the timer has fired, was cancelled, or never fires.
    pub(crate) fn deadline_of(&self, handle: TimerHandle) -> Option<Instant> {
        self.clock.instant_of(self.wheel.deadline(handle)?)
    }

    /// Makes the handle with which any thread ends a wait. The caller must call this at most once for each reactor.
    pub(crate) fn waker(&self) -> io::Result<Waker> {
        self.selector.waker()
    }

    /// Returns the selector's own descriptor, which is readable when [`poll`](Self::poll) would find events. Queued
    /// sources and deadlines do not make this descriptor readable: see [`poll_timeout`](Self::poll_timeout).
    #[cfg(all(unix, not(mio_unsupported_force_poll_poll)))]
    pub fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.selector.as_fd()
    }
}
