//! Time, timers and waiting, for the event loop. The loop does not import the reactor, so [`Net`] passes the calls on
//! to it.

use std::time::{Duration, Instant};

use crate::net::error::{Error, Result, Syscall};
use crate::net::values::{DatagramId, ServerId, SocketId, TimerId};
use crate::reactor::{Phase, Reactor, TimerHandle};

use super::Net;
use super::source::Source;

/// The clock, and waiting for the kernel.
impl Net {
    /// Returns the turn's reading of the clock, which decides the timers and deadlines that are due in this turn.
    pub(crate) fn now(&self) -> Instant {
        self.reactor.now()
    }

    /// Returns the turn's reading in nanoseconds since the loop's beginning.
    #[inline]
    pub(crate) fn elapsed(&self) -> u64 {
        self.reactor.elapsed()
    }

    /// Returns `instant` in nanoseconds since the loop's beginning. Zero for an earlier instant.
    pub(crate) fn elapsed_at(&self, instant: Instant) -> u64 {
        self.reactor.elapsed_at(instant)
    }

    /// Reads the clock, and leaves the turn's reading as it is.
    pub(crate) fn read_clock(&self) -> Instant {
        self.reactor.read_clock()
    }

    /// Reads the clock, and makes the result the turn's reading.
    pub(crate) fn refresh_now(&mut self) {
        self.reactor.refresh_now();
    }

    /// Returns the time at which the next timer or deadline is due. The result may be earlier: the time of a timer that
    /// was cancelled or moved. `None` if none is armed.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.reactor.next_deadline()
    }

    /// Waits for reports of the kernel, for at most `timeout`; `None` is no limit. If a source is queued, does not
    /// wait. Otherwise waits no longer than until the next deadline.
    pub(crate) fn poll(&mut self, timeout: Option<Duration>) -> Result<()> {
        let polled = self.reactor.poll(timeout);
        polled.map_err(|error| Error::new(Syscall::Poll, error))
    }

    /// Waits as [`poll`](Self::poll) does, but applies no reports: [`fetch`](Self::fetch) does that.
    pub(crate) fn wait(&mut self, timeout: Option<Duration>) -> Result<()> {
        let waited = self.reactor.wait(timeout);
        waited.map_err(|error| Error::new(Syscall::Poll, error))
    }

    /// Applies the reports of the last [`wait`](Self::wait). While each batch was full, fetches and applies further
    /// reports, until each source has had a place in a batch. Before each fetch calls `is_late` with the present time,
    /// and stops if the answer is `true`.
    pub(crate) fn fetch(&mut self, mut is_late: impl FnMut(Instant) -> bool) -> Result<()> {
        let goes_on = |reactor: &Reactor<Source>| !is_late(reactor.read_clock());
        let fetched = self.reactor.fetch(goes_on);
        fetched.map_err(|error| Error::new(Syscall::Poll, error))
    }

    /// Makes every wait poll the kernel again and again for `duration` before it sleeps.
    pub(crate) fn busy_poll(&mut self, duration: Duration) {
        self.reactor.busy_poll(duration);
    }

    /// Opens the loop's alarm, which makes the loop's descriptor readable at a deadline. With `is_fine`, waits and
    /// timers are finer than a millisecond, while the deadlines of sockets stay in milliseconds.
    #[cfg(all(feature = "precise", target_os = "linux"))]
    pub(crate) fn open_alarm(&mut self, is_fine: bool) -> Result<()> {
        let opened = self.reactor.open_alarm(is_fine);
        opened.map_err(|error| Error::new(Syscall::Poll, error))
    }

    /// Makes the loop's descriptor readable: at once if `now`, otherwise when the next deadline passes.
    #[cfg(all(feature = "precise", target_os = "linux"))]
    pub(crate) fn show_in_descriptor(&mut self, now: bool) -> Result<()> {
        let shown = match now {
            true => self.waker.handle().wake(),
            false => self.reactor.arm_alarm(),
        };
        shown.map_err(|error| Error::new(Syscall::Poll, error))
    }

    /// Returns the descriptor that becomes readable when the kernel has reports for [`poll`](Self::poll).
    #[cfg(all(unix, not(mio_unsupported_force_poll_poll)))]
    pub(crate) fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.reactor.as_fd()
    }
}

/// The timers of the event loop.
impl Net {
    /// Arms a timer under `id`, which fires when at least `after` has passed from now. Reads the clock, because the
    /// turn's reading may be old, and a timer must not fire early.
    pub(crate) fn arm_timer(&mut self, id: TimerId, after: Duration) -> TimerHandle {
        let deadline = self.reactor.read_clock().checked_add(after);
        self.reactor.arm(deadline, id.0)
    }

    /// Cancels a timer.
    pub(crate) fn disarm_timer(&mut self, handle: TimerHandle) {
        self.reactor.disarm(handle);
    }

    /// Returns the time at which a timer fires. `None` if the timer has fired or was cancelled, or if the time lies
    /// beyond the range of the clock.
    pub(crate) fn timer_due_at(&self, handle: TimerHandle) -> Option<Instant> {
        self.reactor.deadline_of(handle)
    }

    /// Begins the phase of the turn in which the caller [takes](Self::next_elapsed) the timers and deadlines that have
    /// passed. `false` if there is certainly none.
    #[inline(always)]
    pub(crate) fn begin_timers(&mut self) -> bool {
        self.reactor.advance();
        self.has_undecided() || self.reactor.may_have_due()
    }

    /// Whether a timer or deadline may have passed that the caller has not [taken](Self::next_elapsed) yet. `false` is
    /// certain.
    pub(crate) fn has_elapsed(&self) -> bool {
        self.reactor.has_elapsed()
    }
}

/// Questions about queued sources, and about the sources that keep the loop running.
impl Net {
    /// Whether anything waits for a phase: a queued source, an undecided deadline, or the answer to a lookup.
    pub(crate) fn has_queued(&self) -> bool {
        !self.reactor.is_idle() || self.has_undecided() || !self.answers.is_empty()
    }

    /// Returns the number of sources that wait for the flush phase.
    pub(crate) fn waiting_to_flush(&self) -> usize {
        self.reactor.waiting(Phase::Flush)
    }

    /// Returns the number of sources that are ready and wait for the serve phase.
    pub(crate) fn waiting_to_be_served(&self) -> usize {
        self.reactor.waiting(Phase::Serve)
    }

    /// Whether each source that waits for the serve phase is a connection.
    pub(crate) fn only_connections_wait_to_be_served(&self) -> bool {
        let mut sources = self.reactor.sources_to_serve();
        sources.all(|source| source.connection().is_some())
    }

    /// Returns the number of closes that the running close phase has still to report.
    pub(crate) fn remaining_closes(&self) -> usize {
        self.reactor.remaining(Phase::Close)
    }

    /// Whether a source keeps the loop running, or a close is still to be reported.
    pub(crate) fn holds_loop(&self) -> bool {
        self.reactor.held() > 0 || self.reactor.waiting(Phase::Close) > 0
    }

    /// Whether any source is connecting, or exchanges the bytes of a handshake. A source with bytes that wait for a
    /// flush or for the kernel counts too. So does one with an event of its own to report. Sources that the user has
    /// released count too, and sources of the program do not. Walks over all sources, so the caller asks only if none
    /// is held.
    pub(crate) fn has_under_way(&self) -> bool {
        self.reactor
            .has_under_way(|source, is_under_way| match source.connection() {
                Some(connection) => is_under_way || connection.is_handshaking(),
                None => is_under_way && source.custom().is_none(),
            })
    }

    /// Whether the socket `id` exists. A closed socket exists until its `on_close` has returned.
    pub(crate) fn has_socket(&self, id: SocketId) -> bool {
        self.reactor.get(id.0).is_some()
    }

    /// Whether the UDP socket `id` exists. A closed one exists until its `on_close` has returned.
    pub(crate) fn has_datagrams(&self, id: DatagramId) -> bool {
        self.datagrams(id).is_some()
    }

    /// Whether the server `id` exists. A closed server exists until its `on_close` has returned.
    pub(crate) fn has_server(&self, id: ServerId) -> bool {
        self.reactor.get(id.0).is_some()
    }
}
