//! Time, timers and waiting, passed on to the reactor, which the event loop does not import.

use std::time::{Duration, Instant};

use crate::net::error::{Error, Result, Syscall};
use crate::net::values::{DatagramId, ServerId, SocketId, TimerId};
use crate::reactor::{Phase, Reactor, TimerHandle};

use super::Net;
use super::source::Source;

impl Net {
    /// Returns the turn's reading of the clock, by which its timers and deadlines are due.
    pub(crate) fn now(&self) -> Instant {
        self.reactor.now()
    }

    /// Returns the turn's reading in nanoseconds since the loop's beginning.
    #[inline]
    pub(crate) fn elapsed(&self) -> u64 {
        self.reactor.elapsed()
    }

    /// Returns `instant` in nanoseconds since the loop's beginning; zero for an earlier instant.
    pub(crate) fn elapsed_at(&self, instant: Instant) -> u64 {
        self.reactor.elapsed_at(instant)
    }

    /// Reads the clock, and leaves the turn's reading as it is.
    pub(crate) fn read_clock(&self) -> Instant {
        self.reactor.read_clock()
    }

    pub(crate) fn refresh_now(&mut self) {
        self.reactor.refresh_now();
    }

    /// Returns when the next timer or deadline is due, or an earlier time: that of a timer that was cancelled or moved.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.reactor.next_deadline()
    }

    /// Waits for reports of the kernel, for at most `timeout` (`None`: no limit), and at most until the next deadline.
    /// Does not wait if a source is queued.
    pub(crate) fn poll(&mut self, timeout: Option<Duration>) -> Result<()> {
        let polled = self.reactor.poll(timeout);
        polled.map_err(|error| Error::new(Syscall::Poll, error))
    }

    /// Waits as [`poll`](Self::poll) does, but leaves the reports to [`fetch`](Self::fetch).
    pub(crate) fn wait(&mut self, timeout: Option<Duration>) -> Result<()> {
        let waited = self.reactor.wait(timeout);
        waited.map_err(|error| Error::new(Syscall::Poll, error))
    }

    /// Applies the reports of the last [`wait`](Self::wait). While a batch is full, fetches another, until each source
    /// has had a place in one, or `is_late` answers `true` for the present time.
    pub(crate) fn fetch(&mut self, mut is_late: impl FnMut(Instant) -> bool) -> Result<()> {
        let goes_on = |reactor: &Reactor<Source>| !is_late(reactor.read_clock());
        let fetched = self.reactor.fetch(goes_on);
        fetched.map_err(|error| Error::new(Syscall::Poll, error))
    }

    /// Makes every wait poll the kernel for `duration` before it sleeps.
    pub(crate) fn busy_poll(&mut self, duration: Duration) {
        self.reactor.busy_poll(duration);
    }

    /// Opens the alarm, which makes the loop's descriptor readable at a deadline. With `is_fine`, waits and timers are
    /// finer than a millisecond, while the deadlines of sockets stay in milliseconds.
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

    #[cfg(all(unix, not(mio_unsupported_force_poll_poll)))]
    pub(crate) fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.reactor.as_fd()
    }
}

impl Net {
    /// Arms a timer that fires when at least `after` has passed. Reads the clock, because the turn's reading may be
    /// old, and a timer must not fire early.
    pub(crate) fn arm_timer(&mut self, id: TimerId, after: Duration) -> TimerHandle {
        let deadline = self.reactor.read_clock().checked_add(after);
        self.reactor.arm(deadline, id.0)
    }

    pub(crate) fn disarm_timer(&mut self, handle: TimerHandle) {
        self.reactor.disarm(handle);
    }

    /// Returns when a timer fires. `None` if it has fired, was cancelled, or lies beyond the range of the clock.
    pub(crate) fn timer_due_at(&self, handle: TimerHandle) -> Option<Instant> {
        self.reactor.deadline_of(handle)
    }

    /// Begins the timer phase, in which the caller takes what has passed by [`next_elapsed`](Self::next_elapsed).
    /// `false` if there is certainly nothing.
    #[inline(always)]
    pub(crate) fn begin_timers(&mut self) -> bool {
        self.reactor.advance();
        self.has_undecided() || self.reactor.may_have_due()
    }

    /// Whether a timer or deadline may have passed that the caller has not taken yet. `false` is certain.
    pub(crate) fn has_elapsed(&self) -> bool {
        self.reactor.has_elapsed()
    }
}

impl Net {
    pub(crate) fn has_queued(&self) -> bool {
        !self.reactor.is_idle() || self.has_left_over()
    }

    /// Whether a deadline is undecided, or a fetched answer of a lookup is not passed on yet. A budget has then put
    /// this off.
    #[inline]
    pub(crate) fn has_left_over(&self) -> bool {
        self.has_undecided() || !self.answers.is_empty()
    }

    pub(crate) fn waiting_to_flush(&self) -> usize {
        self.reactor.waiting(Phase::Flush)
    }

    pub(crate) fn waiting_to_be_served(&self) -> usize {
        self.reactor.waiting(Phase::Serve)
    }

    pub(crate) fn only_connections_wait_to_be_served(&self) -> bool {
        let mut sources = self.reactor.sources_to_serve();
        sources.all(|source| source.connection().is_some())
    }

    pub(crate) fn remaining_closes(&self) -> usize {
        self.reactor.remaining(Phase::Close)
    }

    pub(crate) fn holds_loop(&self) -> bool {
        self.reactor.held() > 0 || self.reactor.waiting(Phase::Close) > 0
    }

    /// Whether a source is connecting, exchanges a handshake, looks up its name, has an event to report, or bytes for a
    /// flush or the kernel. Sources that were [released](Self::release) count too, and sources of the program do not.
    /// Walks over all sources, so the caller asks only if no source holds the loop.
    pub(crate) fn has_under_way(&self) -> bool {
        self.reactor
            .has_under_way(|source, is_under_way| match source {
                Source::Connection(connection) => is_under_way || connection.is_opening(),
                Source::Listener(listener) => is_under_way || listener.pending_options().is_some(),
                Source::Datagrams(datagrams) => is_under_way || datagrams.pending().is_some(),
                Source::Attempt(_) => is_under_way,
                Source::Custom(_) => false,
            })
    }

    /// Whether the socket exists. A closed socket, UDP socket or server exists until its `on_close` has returned.
    pub(crate) fn has_socket(&self, id: SocketId) -> bool {
        self.reactor.get(id.0).is_some()
    }

    /// Whether a pipe of the socket would be told of its close.
    pub(crate) fn can_be_piped(&self, id: SocketId) -> bool {
        self.connection(id).is_some_and(|it| !it.is_shut())
    }

    pub(crate) fn has_datagrams(&self, id: DatagramId) -> bool {
        self.datagrams(id).is_some()
    }

    pub(crate) fn has_server(&self, id: ServerId) -> bool {
        self.reactor.get(id.0).is_some()
    }
}
