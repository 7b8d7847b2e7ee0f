//! The methods for a host that waits by itself: the longest wait, and a callback for the wakes by other threads.

use std::time::{Duration, Instant};

use crate::event_loop::EventLoop;

/// Methods for a host that waits by itself.
impl<S> EventLoop<S> {
    /// Returns the longest time that a host may wait on the loop's descriptor. The time is zero if work is queued, a
    /// stop was asked for, or the program is [busy](Self::set_busy). Otherwise it is the time until the next deadline.
    /// `None` is no limit. Call this directly before the wait, after the last call that may have changed the loop. The
    /// time is in whole milliseconds, rounded up, as the wait of a loop without the option `precise` is. So `poll(2)`
    /// takes it as it is (`as_millis`). Rounded down, a wait would end too early, and the host would spin.
    ///
    /// ```no_run
    /// # #[cfg(unix)]
    /// # fn main() -> netloop::Result<()> {
    /// use std::os::fd::AsFd;
    /// use netloop::{Budget, EventLoop, Wait};
    ///
    /// # fn wait_for(_: &[std::os::fd::BorrowedFd<'_>], _: Option<std::time::Duration>) {}
    /// let mut event_loop: EventLoop = EventLoop::new()?;
    /// while event_loop.is_alive() {
    ///     // A wait of yours, for this descriptor and others.
    ///     let timeout = event_loop.poll_timeout();
    ///     wait_for(&[event_loop.as_fd()], timeout);
    ///     event_loop.turn(&mut (), Wait::No, Budget::new())?;
    /// }
    /// # Ok(())
    /// # }
    /// # #[cfg(not(unix))]
    /// # fn main() {}
    /// ```
    pub fn poll_timeout(&self) -> Option<Duration> {
        if self.must_turn() {
            return Some(Duration::ZERO);
        }
        let deadline = self.net.next_deadline()?;
        let left = deadline.saturating_duration_since(self.net.read_clock());
        let milliseconds = left.subsec_nanos().div_ceil(1_000_000);
        Some(Duration::from_secs(left.as_secs()) + Duration::from_millis(milliseconds.into()))
    }

    /// Returns the time from which the loop may have something to do without a report of the kernel. This is now, if
    /// work is queued, a stop was asked for, or the program is [busy](Self::set_busy). Otherwise it is the next
    /// deadline, which may have passed, or `None` if no deadline is armed.
    pub fn next_deadline(&self) -> Option<Instant> {
        if self.must_turn() {
            return Some(self.net.read_clock());
        }
        self.net.next_deadline()
    }

    /// Returns the [next deadline](Self::next_deadline) if the host must set its timer to it. `None` if no deadline is
    /// armed, or if the deadline that this method returned last is still to come and is not later. For a host that
    /// keeps one timer for the loop: ask after each turn, and after each call that may have changed the loop.
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    /// use netloop::EventLoop;
    ///
    /// let mut event_loop: EventLoop = EventLoop::new()?;
    /// event_loop.after(Duration::from_secs(60), |_| {});
    /// let first = event_loop.take_nearer_deadline().expect("a first deadline");
    /// // The host sets its timer to `first` here.
    /// event_loop.after(Duration::from_secs(90), |_| {});
    /// assert_eq!(event_loop.take_nearer_deadline(), None);
    /// event_loop.after(Duration::from_secs(1), |_| {});
    /// assert!(event_loop.take_nearer_deadline().is_some_and(|nearer| nearer < first));
    /// # Ok::<(), netloop::Error>(())
    /// ```
    pub fn take_nearer_deadline(&mut self) -> Option<Instant> {
        let next = self.next_deadline()?;
        let now = self.net.read_clock();
        // If the deadline that was told last has passed, the host's timer has fired, and must be set again.
        let told = self.told_deadline.filter(|told| *told > now);
        if told.is_some_and(|told| told <= next) {
            return None;
        }
        self.told_deadline = Some(next);
        Some(next)
    }

    /// Sets the callback for wakes by other threads: the thread that wakes the loop calls `call`. A wake comes from a
    /// [`Remote`](crate::Remote), from a [`Hold`](crate::Hold) that is dropped, or from the answer of a name lookup. So
    /// a host that cannot wait on a descriptor, such as winit, learns that the loop has something to do. Of several
    /// wakes between two turns, some may make no call. A second use of this method replaces the first `call`. The call
    /// may come while the loop turns. It must neither panic nor wait for the loop's thread. A signal handler must not
    /// wake a loop that has such a call: the call is ordinary code, and a lock guards it.
    ///
    /// ```
    /// use std::sync::mpsc;
    /// use netloop::{Budget, EventLoop, Wait};
    ///
    /// let mut event_loop: EventLoop<u32> = EventLoop::new()?;
    /// // For winit: `let proxy = winit_loop.create_proxy()`, and `proxy.send_event(..)` in the call.
    /// let (proxy, host) = mpsc::channel();
    /// event_loop.on_remote_wake(move || {
    ///     let _ = proxy.send("turn");
    /// });
    /// let remote = event_loop.remote();
    /// let worker = std::thread::spawn(move || remote.post(|cx| *cx.shared += 1));
    /// assert_eq!(host.recv(), Ok("turn"));
    /// # worker.join().unwrap()?;
    /// let mut posts = 0;
    /// event_loop.turn(&mut posts, Wait::No, Budget::new())?;
    /// assert_eq!(posts, 1);
    /// # Ok::<(), netloop::Error>(())
    /// ```
    pub fn on_remote_wake(&mut self, call: impl Fn() + Send + Sync + 'static) {
        self.agenda.mailbox.set_listener(call);
    }

    pub(super) fn must_turn(&self) -> bool {
        self.has_queued() || self.agenda.forbids_wait()
    }
}

#[cfg(all(unix, not(mio_unsupported_force_poll_poll)))]
impl<S> std::os::fd::AsFd for EventLoop<S> {
    /// Lends the descriptor that becomes readable when the kernel has a report for the loop. Call `turn` whenever the
    /// descriptor is readable. Without the option `descriptor_only`, the descriptor shows neither deadlines nor work
    /// that the loop has queued itself. So wait no longer than [`EventLoop::poll_timeout`].
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.net.as_fd()
    }
}
