//! Time, timers and waiting, as far as the event loop has to do with them: the loop asks the net, and the net asks its
//! reactor.

use std::time::{Duration, Instant};

use crate::net::error::{Error, Result, Syscall};
use crate::net::values::{ServerId, SocketId, TimerId};
use crate::reactor::{Phase, TimerHandle};

use super::Net;

/// The clock, and the wait for the kernel.
impl Net {
    /// Returns the turn's reading of the clock.
    pub(crate) fn now(&self) -> Instant {
        self.reactor.now()
    }

    /// Reads the clock, and leaves the turn's reading as it is.
    pub(crate) fn read_clock(&self) -> Instant {
        self.reactor.read_clock()
    }

    /// Reads the clock for the turn.
    pub(crate) fn refresh_now(&mut self) {
        self.reactor.refresh_now();
    }

    /// Whether the time makes a difference before the next [`poll`](Self::poll).
    pub(crate) fn counts_time(&self) -> bool {
        self.reactor.counts_time()
    }

    /// Returns when something falls due next; `None` if nothing ever does.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.reactor.next_deadline()
    }

    /// Waits for the kernel's news for at most `timeout` (`None`: without end), or less if something is queued or falls
    /// due.
    pub(crate) fn poll(&mut self, timeout: Option<Duration>) -> Result<()> {
        let polled = self.reactor.poll(timeout);
        polled.map_err(|error| Error::new(Syscall::Poll, error))
    }

    /// Lets every wait begin with asking the kernel again and again for `duration`, without sleeping.
    pub(crate) fn busy_poll(&mut self, duration: Duration) {
        self.reactor.busy_poll(duration);
    }

    /// Returns the descriptor that becomes readable when [`poll`](Self::poll) would find news.
    #[cfg(all(unix, not(mio_unsupported_force_poll_poll)))]
    pub(crate) fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.reactor.as_fd()
    }
}

/// Timers that the event loop arms.
impl Net {
    /// Arms a timer under `id`, which comes when at least `after` has passed. The clock is read for it: the turn's
    /// reading may be old by now, and no timer may come early.
    pub(crate) fn arm_timer(&mut self, id: TimerId, after: Duration) -> TimerHandle {
        let deadline = self.reactor.read_clock().checked_add(after);
        self.reactor.arm(deadline, id.0)
    }

    /// Takes a timer back.
    pub(crate) fn disarm_timer(&mut self, handle: TimerHandle) {
        self.reactor.disarm(handle);
    }

    /// Returns when a timer comes; `None` if it has, or never will.
    pub(crate) fn timer_due_at(&self, handle: TimerHandle) -> Option<Instant> {
        self.reactor.deadline_of(handle)
    }

    /// Begins the phase in which [due](Self::next_elapsed) timers and timeouts are told.
    pub(crate) fn begin_timers(&mut self) {
        self.reactor.advance();
    }

    /// Whether something has fallen due that was not told yet.
    pub(crate) fn has_elapsed(&self) -> bool {
        self.reactor.has_elapsed()
    }
}

/// Sources that wait, and those that keep the loop going.
impl Net {
    /// Whether a source is queued for any phase.
    pub(crate) fn has_queued(&self) -> bool {
        !self.reactor.is_idle()
    }

    /// Counts the sources that wait to be sent something.
    pub(crate) fn waiting_to_flush(&self) -> usize {
        self.reactor.waiting(Phase::Flush)
    }

    /// Counts the sources that are ready and wait to be served.
    pub(crate) fn waiting_to_be_served(&self) -> usize {
        self.reactor.waiting(Phase::Serve)
    }

    /// Counts the closes that are still to come in the close phase that has begun.
    pub(crate) fn remaining_closes(&self) -> usize {
        self.reactor.remaining(Phase::Close)
    }

    /// Whether a source or a close that is still to be told keeps the loop going.
    pub(crate) fn holds_loop(&self) -> bool {
        self.reactor.held() > 0 || self.reactor.waiting(Phase::Close) > 0
    }

    /// Whether there is a socket `id`, be it closed: its `on_close` is still to come.
    pub(crate) fn has_socket(&self, id: SocketId) -> bool {
        self.reactor.get(id.0).is_some()
    }

    /// Whether there is a server `id`, be it closed: its `on_close` is still to come.
    pub(crate) fn has_server(&self, id: ServerId) -> bool {
        self.reactor.get(id.0).is_some()
    }
}
