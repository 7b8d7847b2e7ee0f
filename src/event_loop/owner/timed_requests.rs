//! The methods with which the owner of a loop asks for later calls, for the end of `run`, and for the time.

use std::time::{Duration, Instant};

use crate::event_loop::EventLoop;
use crate::event_loop::contexts::LoopContext;
use crate::event_loop::mailbox::Remote;
use crate::event_loop::timer::Timer;
use crate::net::TimerId;

/// Timers, calls, and other threads.
impl<S> EventLoop<S> {
    /// Calls `call` once, when at least `after` has passed; never early, and not in the timer phase that is running.
    /// Timers that are due at the same time come in the order in which they were armed. For a timer that belongs to one
    /// socket, [`Socket::after`](crate::Socket::after) is better: such a timer calls the socket's handler, and ends
    /// with the socket.
    ///
    /// ```
    /// use std::time::Duration;
    /// use netloop::EventLoop;
    ///
    /// let mut event_loop: EventLoop<u32> = EventLoop::new()?;
    /// event_loop.after(Duration::from_millis(2), |cx| *cx.shared += 1);
    /// let cancelled = event_loop.after(Duration::from_secs(60), |cx| *cx.shared += 100);
    /// event_loop.timer(cancelled).cancel();
    /// let mut count = 0;
    /// event_loop.run(&mut count)?;
    /// assert_eq!(count, 1);
    /// # Ok::<(), netloop::Error>(())
    /// ```
    #[doc(alias = "setTimeout")]
    pub fn after(
        &mut self,
        after: Duration,
        call: impl FnOnce(&mut LoopContext<'_, S>) + 'static,
    ) -> TimerId {
        self.verbs().after(after, call)
    }

    /// Calls `call` again and again, each time at least `period` after the last call, until the timer is
    /// [cancelled](Timer::cancel). After a late call, missed calls are not made up for, as in libuv. So calls may come
    /// further apart than `period`, by up to two milliseconds even on an idle machine. The delays add up: with a
    /// sixtieth of a second, about 56 calls come in a second. A program that needs a fixed rate uses a
    /// [`Ticker`](crate::Ticker), whose steps stay on their schedule. For a period of many milliseconds `every` is as
    /// good:
    ///
    /// ```
    /// use std::time::Duration;
    /// use netloop::EventLoop;
    ///
    /// let mut event_loop = EventLoop::new()?;
    /// event_loop.every(Duration::from_millis(1), |cx| {
    ///     *cx.shared += 1;
    ///     if *cx.shared == 3 {
    ///         cx.stop();
    ///     }
    /// });
    /// let mut ticks = 0;
    /// event_loop.run(&mut ticks)?;
    /// assert_eq!(ticks, 3);
    /// # Ok::<(), netloop::Error>(())
    /// ```
    #[doc(alias = "setInterval")]
    pub fn every(
        &mut self,
        period: Duration,
        call: impl FnMut(&mut LoopContext<'_, S>) + 'static,
    ) -> TimerId {
        self.verbs().every(period, call)
    }

    /// Returns a view of the timer `id`, to cancel it, to read when it fires, and to set whether it keeps `run` going.
    ///
    /// ```
    /// use netloop::EventLoop;
    /// use std::time::Duration;
    ///
    /// let mut event_loop: EventLoop = EventLoop::new()?;
    /// let statistics = event_loop.every(Duration::from_secs(10), |_| println!("10 s more"));
    /// // Not a reason for `run` to go on.
    /// event_loop.timer(statistics).release();
    /// event_loop.run(&mut ())?;
    /// # Ok::<(), netloop::Error>(())
    /// ```
    #[doc(alias = "clearTimeout")]
    #[doc(alias = "clearInterval")]
    pub fn timer(&mut self, id: TimerId) -> Timer<'_, S> {
        let (net, agenda) = self.parts();
        Timer::new(net, agenda, id)
    }

    /// Calls `call` at the beginning of the next turn, on a fresh stack. Deferred calls are made in the order in which
    /// they were deferred. With a [`Budget`](crate::Budget), a call may come later in the turn, or in a later one.
    ///
    /// ```
    /// use netloop::EventLoop;
    ///
    /// let mut event_loop: EventLoop<Vec<u32>> = EventLoop::new()?;
    /// event_loop.defer(|cx| {
    ///     cx.shared.push(1);
    ///     // Comes a turn later.
    ///     cx.defer(|cx| cx.shared.push(2));
    /// });
    /// let mut order = Vec::new();
    /// event_loop.run(&mut order)?;
    /// assert_eq!(order, [1, 2]);
    /// # Ok::<(), netloop::Error>(())
    /// ```
    #[doc(alias = "setImmediate")]
    pub fn defer(&mut self, call: impl FnOnce(&mut LoopContext<'_, S>) + 'static) {
        self.verbs().defer(call);
    }

    /// Makes [`run`](Self::run) return at the end of the running turn, or at once if no turn is running.
    ///
    /// ```
    /// use netloop::{EventLoop, RunEnd};
    ///
    /// let mut event_loop: EventLoop = EventLoop::new()?;
    /// event_loop.every(std::time::Duration::from_millis(1), |cx| cx.stop());
    /// assert_eq!(event_loop.run_for(&mut (), std::time::Duration::from_secs(60))?, RunEnd::Stopped);
    /// # Ok::<(), netloop::Error>(())
    /// ```
    pub fn stop(&mut self) {
        self.verbs().stop();
    }

    /// Returns a handle for other threads, through which they [post](Remote::post) calls to the loop.
    ///
    /// ```
    /// use netloop::EventLoop;
    ///
    /// let mut event_loop: EventLoop<u32> = EventLoop::new()?;
    /// let remote = event_loop.remote();
    /// let thread = std::thread::spawn(move || {
    ///     remote.post(|cx: &mut netloop::LoopContext<'_, u32>| {
    ///         *cx.shared = 42;
    ///         cx.stop();
    ///     })
    /// });
    /// # event_loop.every(std::time::Duration::from_secs(60), |_| {});
    /// let mut answer = 0;
    /// event_loop.run(&mut answer)?;
    /// assert_eq!(answer, 42);
    /// thread.join().expect("the thread only posts")?;
    /// # Ok::<(), netloop::Error>(())
    /// ```
    #[doc(alias = "postMessage")]
    pub fn remote(&self) -> Remote<S> {
        self.agenda.remote()
    }

    /// Returns the loop's time: the last reading of the clock. A turn reads it when it begins, after its wait and when
    /// it ends; within a `run`, the last reading also begins the next turn. A turn reads it once more before its wait
    /// if deferred calls, sends or hooks took time, and whenever it polls again before many sends. Methods of
    /// [`EventLoop`] between turns, such as `after` or `socket`, read it too.
    pub fn now(&self) -> Instant {
        self.net.now()
    }
}
