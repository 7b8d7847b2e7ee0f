//! The methods that run turns, one after the other.

use std::time::{Duration, Instant};

use crate::event_loop::watch::PanicPolicy;
use crate::event_loop::{EventLoop, RunEnd, Wait};
use crate::net::Result;

/// Owning the thread.
impl<S> EventLoop<S> {
    /// Runs turns until nothing keeps the loop going, as a Node process does, or until [`stop`](Self::stop) is called.
    /// [`run_for`](Self::run_for) has a time limit.
    ///
    /// # Errors
    ///
    /// The system's error if polling fails. ERR_FORKED in a forked child of the process that made the loop. An error of
    /// one socket goes to that socket's handler instead.
    pub fn run(&mut self, shared: &mut S) -> Result<()> {
        self.run_to(shared, None)?;
        Ok(())
    }

    /// Runs as [`run`](Self::run) does, but returns once `limit` has passed: for tests, and for a shutdown that gives
    /// its peers some time. Without the option `precise`, waits are rounded up to whole milliseconds. So this may
    /// return a millisecond late, plus the work of the last turn. A running callback is not interrupted.
    ///
    /// ```
    /// use std::time::Duration;
    /// use netloop::{EventLoop, RunEnd};
    ///
    /// # fn main() -> netloop::Result<()> {
    /// let mut event_loop: EventLoop = EventLoop::new()?;
    /// event_loop.after(Duration::from_millis(1), |_| {});
    /// assert_eq!(event_loop.run_for(&mut (), Duration::from_secs(60))?, RunEnd::Finished);
    ///
    /// event_loop.after(Duration::from_secs(60), |_| {});
    /// assert_eq!(event_loop.run_for(&mut (), Duration::from_millis(1))?, RunEnd::TimedOut);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub fn run_for(&mut self, shared: &mut S, limit: Duration) -> Result<RunEnd> {
        // A limit beyond the range of the clock counts as no limit.
        let deadline = self.net.read_clock().checked_add(limit);
        self.run_to(shared, deadline)
    }

    fn run_to(&mut self, shared: &mut S, deadline: Option<Instant>) -> Result<RunEnd> {
        match self.options.panic_policy {
            PanicPolicy::Propagate => self.run_by::<false>(shared, deadline),
            PanicPolicy::Close => self.run_by::<true>(shared, deadline),
        }
    }

    // `CATCHES` is a const parameter, so that no turn has to test the policy.
    fn run_by<const CATCHES: bool>(
        &mut self,
        shared: &mut S,
        deadline: Option<Instant>,
    ) -> Result<RunEnd> {
        self.net.check_owner()?;
        self.agenda.meter.leave_to_host();
        if self.take_stop() {
            return Ok(RunEnd::Stopped);
        }
        let mut is_alive = self.is_alive();
        while is_alive {
            // `make_turn` calls this after the deferred calls. If nothing keeps the loop going then, the turn must not
            // wait.
            let wait = |event_loop: &Self| match deadline {
                _ if !event_loop.is_alive() => Wait::No,
                Some(deadline) => Wait::Until(deadline),
                None => Wait::Forever,
            };
            let turn = match CATCHES {
                false => self.make_turn(shared, wait)?,
                true => self.make_catching_turn(shared, wait)?,
            };
            if turn.stopped {
                return Ok(RunEnd::Stopped);
            }
            is_alive = turn.alive;
            if !is_alive {
                self.reclaim();
            }
            if is_alive && deadline.is_some_and(|deadline| self.net.read_clock() >= deadline) {
                return Ok(RunEnd::TimedOut);
            }
        }
        Ok(RunEnd::Finished)
    }

    /// Runs turns until `deadline`, or until [`stop`](Self::stop) is called, even if nothing is left to do. A program
    /// that works in steps of a fixed length, like a game, can give the rest of each step to the network. Without the
    /// option `precise`, this may return a millisecond late, plus the work of the last turn.
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    /// use netloop::EventLoop;
    ///
    /// let mut event_loop: EventLoop = EventLoop::new()?;
    /// let next_step = Instant::now() + Duration::from_millis(5);
    /// event_loop.run_until(&mut (), next_step)?;
    /// assert!(Instant::now() >= next_step);
    /// # Ok::<(), netloop::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub fn run_until(&mut self, shared: &mut S, deadline: Instant) -> Result<()> {
        self.net.check_owner()?;
        self.agenda.meter.leave_to_host();
        loop {
            let turn = self.make_any_turn(shared, Wait::Until(deadline))?;
            if turn.stopped || self.net.read_clock() >= deadline {
                return Ok(());
            }
        }
    }
}
