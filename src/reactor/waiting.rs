//! Time and waiting: the clock that is told, the wheel, and the wait for the kernel.

use std::io;
use std::time::{Duration, Instant};

use super::serving::settle;
use super::source_state::{Due, Flags};
use super::{Alarm, Elapsed, Handler, Key, Phase, Reactor, Registration, Waker};

impl<T: Handler> Reactor<T> {
    /// The reactor's time: the last reading of the clock.
    pub fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Reads the clock without taking it over as the reactor's time.
    pub(crate) fn read_clock(&self) -> Instant {
        self.selector.now()
    }

    /// Reads the clock anew, and says what it reads.
    pub fn refresh_now(&mut self) -> Instant {
        self.set_now(self.selector.now());
        self.clock.now()
    }

    /// Reads the clock for what is counted from now on ([`Registration::latest_tick`]), and leaves the reactor's time
    /// as it is: what falls due by it must not come before the kernel was asked what has arrived.
    pub(crate) fn note_now(&mut self) {
        self.clock.note(self.selector.now());
    }

    /// Takes `now` as the reactor's time. Time that runs backwards stands still.
    pub fn set_now(&mut self, now: Instant) {
        self.clock.set(now);
    }

    /// How long [`poll`](Self::poll) may wait at most: not at all while anything is queued, else until the next
    /// deadline on the wheel, else without end (`None`). A host that waits on [`as_fd`](Self::as_fd) itself must
    /// not wait longer than this, as the kernel says nothing of what it has already said.
    pub fn poll_timeout(&self) -> Option<Duration> {
        if !self.is_idle() {
            return Some(Duration::ZERO);
        }
        self.next_deadline()
            .map(|deadline| deadline.saturating_duration_since(self.clock.now()))
    }

    /// When the wheel has something to do next.
    pub fn next_deadline(&self) -> Option<Instant> {
        let tick = self.wheel.next_deadline()?;
        self.clock.instant_of(tick)
    }

    /// Whether nothing is queued to be served, flushed or closed.
    pub fn is_idle(&self) -> bool {
        self.schedule.is_idle() && self.burst.is_none()
    }

    /// Waits for the kernel's news for at most `timeout` (`None`: without end), or less if something is queued or
    /// falls due, and folds them into the sources: no source is served yet. Signals do not end the wait.
    ///
    /// # Errors
    ///
    /// Only if polling itself fails, which is a defect of the program or of the system (`epoll_wait(2)`).
    pub fn poll(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let mut timeout = match (timeout, self.poll_timeout()) {
            (Some(asked), Some(due)) => Some(asked.min(due)),
            (asked, due) => asked.or(due),
        };
        // A full batch may not be all. Whatever the kernel still keeps looks idle without being so, and would time out
        // after a stall; so it is fetched before anybody is served. Each source is told of once, which is the bound.
        let capacity = self.selector.capacity().max(1);
        for _ in 0..=self.slots.len() / capacity {
            self.selector.poll(timeout, self.clock.now())?;
            let applied = self.apply_events();
            // The waker may have had one of the places; only where that would make a difference it is looked up.
            if applied + 1 < capacity || !self.selector.is_full() {
                break;
            }
            timeout = Some(Duration::ZERO);
        }
        Ok(())
    }

    /// Lets every wait begin with asking the kernel again and again for `duration`, without sleeping; zero, as at first,
    /// lets it sleep at once.
    pub fn busy_poll(&mut self, duration: Duration) {
        self.selector.poll_busily(duration);
    }

    /// Adds what the kernel said to what is known of each source, and says of how many it did.
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

    /// Moves what has fallen due by the reactor's time to where [`next_elapsed`](Self::next_elapsed) takes it from.
    /// A deadline that is set while they are taken comes next time, however short it is.
    pub fn advance(&mut self) {
        self.wheel.advance(self.clock.tick());
    }

    /// How many entries of the phase that has begun are still to come.
    pub fn remaining(&self, phase: Phase) -> usize {
        self.schedule.remaining(phase)
    }

    /// Whether the time makes a difference before the next [`poll`](Self::poll): to how long that may wait, or to when a
    /// byte is said to have been sent.
    pub(crate) fn counts_time(&self) -> bool {
        !self.wheel.is_empty() || self.waiting(Phase::Flush) > 0
    }

    /// How many entries wait for the phase, in this round of it and the next.
    pub(crate) fn waiting(&self, phase: Phase) -> usize {
        self.schedule.len(phase)
    }

    /// Whether anything has fallen due by the reactor's time that nobody has taken.
    pub(crate) fn has_elapsed(&self) -> bool {
        let next = self.wheel.next_deadline();
        next.is_some_and(|tick| tick <= self.clock.tick())
    }

    /// Takes the next thing that has fallen due, in the order of the deadlines.
    pub fn next_elapsed(&mut self) -> Option<Elapsed<T::Event>> {
        while let Some((_, due)) = self.wheel.next_due() {
            let key = match due {
                Due::Timer(key) => return Some(Elapsed::Timer(key)),
                Due::SourceTimer(key) => return Some(Elapsed::SourceTimer(key)),
                Due::Source(key) => key,
            };
            let Some(slot) = self.slots.get_mut(key) else {
                continue;
            };
            slot.state.alarm = None;
            if slot.state.flags.contains(Flags::CLOSING) {
                continue;
            }
            let event = slot.source.elapsed(&mut Registration {
                key,
                state: &mut slot.state,
                wheel: &mut self.wheel,
                clock: &self.clock,
            });
            settle(
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
    /// Without a deadline (the clock cannot say one so far away) it never comes.
    pub fn arm(&mut self, deadline: Option<Instant>, name: Key) -> Alarm {
        self.arm_due(deadline, Due::Timer(name))
    }

    /// Arms a timer as [`arm`](Self::arm) does, one that the driver keeps for a source: [`Elapsed::SourceTimer`] gives
    /// `name` back. So a driver with two tables of timers knows in which of them a name lies.
    pub fn arm_source_timer(&mut self, deadline: Option<Instant>, name: Key) -> Alarm {
        self.arm_due(deadline, Due::SourceTimer(name))
    }

    fn arm_due(&mut self, deadline: Option<Instant>, due: Due) -> Alarm {
        let tick = deadline.map_or(u64::MAX, |deadline| self.clock.tick_at(deadline));
        self.wheel.arm(tick, due)
    }

    /// Takes a timer back. It does nothing to one that has come or was taken back before.
    pub fn disarm(&mut self, alarm: Alarm) {
        self.wheel.cancel(alarm);
    }

    /// When a timer that was armed comes; `None` if it has, or never will.
    pub(crate) fn deadline_of(&self, alarm: Alarm) -> Option<Instant> {
        self.clock.instant_of(self.wheel.deadline(alarm)?)
    }

    /// A handle that ends a wait from any thread. To be made at most once.
    pub(crate) fn waker(&self) -> io::Result<Waker> {
        self.selector.waker()
    }

    /// The selector's own descriptor, readable when [`poll`](Self::poll) would find news. See
    /// [`poll_timeout`](Self::poll_timeout) for what it does not tell.
    #[cfg(all(unix, not(mio_unsupported_force_poll_poll)))]
    pub fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.selector.as_fd()
    }
}
