//! One turn of the loop, phase by phase, and the ways to make many.
//!
//! `ARCHITECTURE.md` numbers the phases, and gives the bound of each and the reason for its place.

use std::time::{Duration, Instant};

use crate::net::{Closing, Due, Result, SocketEvent, Sockets, TargetedEvent, TimerId};

use super::dispatch::Calling;
use super::timers::Action;
use super::wait::Limit;
use super::{Budget, EventLoop, LoopContext, RunEnd, Turn, Wait};

/// The most posts that are made in one turn. The others wait for the next, so that a busy thread cannot starve sockets.
const POSTS_A_TURN: usize = 1024;

/// The most timers and timeouts that fire in one turn. The others wait for the next, so that sockets are served between
/// the ten thousand idle timeouts that a lost uplink makes fall due at once.
const TIMERS_A_TURN: u32 = 4096;

/// The size from which on a flush is worth a further poll before it. The poll takes less than a hundredth of the time of
/// so many sends, and may spare half of them.
const MANY_SENDS: usize = 64;

/// The time that one send takes, about.
const SEND_TIME: Duration = Duration::from_micros(5);

impl<S> EventLoop<S> {
    /// Turns until nothing is left that keeps the loop going, or [`stop`](Self::stop) is called: the life of a Node
    /// process. [`run_for`](Self::run_for) has a limit.
    ///
    /// # Errors
    ///
    /// The system's error if polling itself fails. The error of a socket is that socket's own event.
    pub fn run(&mut self, shared: &mut S) -> Result<()> {
        self.run_to(shared, None)?;
        Ok(())
    }

    /// Runs as [`run`](Self::run) does, but for no longer than `limit`: for tests, and for a shutdown that gives its peers
    /// some time.
    ///
    /// The kernel counts in milliseconds and rounds up, so it may return up to one late. A callback that is running is
    /// not interrupted.
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
        // A limit beyond the clock is none.
        let deadline = self.net.read_clock().checked_add(limit);
        self.run_to(shared, deadline)
    }

    fn run_to(&mut self, shared: &mut S, deadline: Option<Instant>) -> Result<RunEnd> {
        if self.take_stop() {
            return Ok(RunEnd::Stopped);
        }
        let mut is_alive = self.is_alive();
        while is_alive {
            // Asked after the deferred calls: the last of them may have been all that was left.
            let wait = |event_loop: &Self| match deadline {
                _ if !event_loop.is_alive() => Wait::No,
                Some(deadline) => Wait::Until(deadline),
                None => Wait::Forever,
            };
            let turn = self.make_turn(shared, wait, Budget::UNLIMITED)?;
            if turn.stopped {
                return Ok(RunEnd::Stopped);
            }
            is_alive = turn.alive;
            if is_alive && deadline.is_some_and(|deadline| self.net.read_clock() >= deadline) {
                return Ok(RunEnd::TimedOut);
            }
        }
        Ok(RunEnd::Finished)
    }

    /// Turns until `deadline`, whether anything is left to do or not, or until [`stop`](Self::stop) is called: the
    /// network's share of a fixed step.
    ///
    /// The kernel counts in milliseconds and rounds up, so it may return up to one late.
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
        loop {
            let turn = self.turn(shared, Wait::Until(deadline), Budget::UNLIMITED)?;
            if turn.stopped || self.net.read_clock() >= deadline {
                return Ok(());
            }
        }
    }

    fn take_stop(&mut self) -> bool {
        std::mem::take(&mut self.agenda.is_stopping)
    }

    /// Makes one turn: waits as `wait` says if there is nothing to do yet, does what there is within `budget`, and
    /// says what it did.
    ///
    /// ```no_run
    /// use std::time::Duration;
    /// use netloop::{Budget, EventLoop, Wait};
    ///
    /// # struct World;
    /// # impl World { fn step(&mut self) {} }
    /// # fn game(mut event_loop: EventLoop<World>, mut world: World) -> netloop::Result<()> {
    /// // The network's share of a frame: at most 2 ms, and no waiting.
    /// let share = Budget::new().time(Duration::from_millis(2));
    /// while event_loop.turn(&mut world, Wait::No, share)?.alive {
    ///     world.step();
    ///     event_loop.flush(share);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// It cannot be called within a callback, as the loop is borrowed there; the compiler says so:
    ///
    /// ```compile_fail,E0499
    /// # use netloop::{Budget, EventLoop, Wait};
    /// # use std::time::Duration;
    /// let mut event_loop = EventLoop::new().unwrap();
    /// let again = &mut event_loop;
    /// event_loop.defer(|_| { again.turn(&mut (), Wait::No, Budget::UNLIMITED).unwrap(); });
    /// event_loop.run(&mut ()).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub fn turn(&mut self, shared: &mut S, wait: Wait, budget: Budget) -> Result<Turn> {
        self.make_turn(shared, |_| wait, budget)
    }

    fn make_turn(
        &mut self,
        shared: &mut S,
        wait: impl FnOnce(&Self) -> Wait,
        budget: Budget,
    ) -> Result<Turn> {
        let mut turn = Turn::default();
        self.recover();
        // Without a deadline or a call to be made, no callback can ask for the time before the wait.
        let asks_for_time = self.agenda.deferred() > 0 || self.net.counts_time();
        if asks_for_time {
            self.net.refresh_now();
        }
        self.make_deferred_calls(shared, &mut turn);
        self.net.flush();
        let wait = wait(self);
        // The time that the calls took must not be waited for again.
        if turn.calls > 0 || !asks_for_time && wait.is_limited() {
            self.net.refresh_now();
        }
        self.poll(wait)?;
        self.net.refresh_now();
        self.net.take_answers();
        self.make_posts(shared, &mut turn);
        let limit = Limit::of(budget, self.net.now());
        self.serve_ready(shared, limit, &mut turn);
        self.serve_before_many_sends(shared, limit, &mut turn)?;
        self.net.flush();
        self.fire_timers(shared, &mut turn);
        self.net.flush();
        self.deliver_closes(shared, &mut turn);
        // Bytes that an `on_close` wrote to other sockets leave in this turn too.
        self.net.flush();
        turn.more = self.has_queued() || turn.timers >= TIMERS_A_TURN && self.net.has_elapsed();
        turn.alive = self.is_alive();
        // Reported once: later turns of a host that goes on all the same wait as ever.
        turn.stopped = self.take_stop();
        Ok(turn)
    }

    fn make_deferred_calls(&mut self, shared: &mut S, turn: &mut Turn) {
        for _ in 0..self.agenda.deferred() {
            let Some(call) = self.agenda.next_deferred() else {
                return;
            };
            turn.calls += 1;
            self.call(shared, Calling::Loop, call);
        }
    }

    fn poll(&mut self, wait: Wait) -> Result<()> {
        let now = self.net.now();
        let timeout = match wait {
            // The reactor itself shortens the wait for the sources that it has queued.
            _ if self.has_calls() || self.agenda.is_stopping => Some(Duration::ZERO),
            Wait::No => Some(Duration::ZERO),
            Wait::For(duration) => Some(duration),
            Wait::Until(deadline) => Some(deadline.saturating_duration_since(now)),
            Wait::Forever => None,
        };
        self.net.poll(timeout)
    }

    fn make_posts(&mut self, shared: &mut S, turn: &mut Turn) {
        let mailbox = &self.agenda.mailbox;
        if mailbox.is_pending() && mailbox.take(POSTS_A_TURN, &mut self.posts) {
            self.agenda.is_stopping = true;
        }
        // Popped one by one, so that the posts behind one that panics are not lost.
        for _ in 0..self.posts.len() {
            let Some(post) = self.posts.pop_front() else {
                return;
            };
            turn.calls += 1;
            self.call(shared, Calling::Loop, post);
        }
    }

    // A function of its own, so that the values that every message needs stay in registers.
    #[inline(never)]
    fn serve_ready(&mut self, shared: &mut S, limit: Limit, turn: &mut Turn) {
        self.net.begin_serving();
        while let Some(happened) = self.net.next(&mut self.read_buffer) {
            match happened {
                TargetedEvent::Socket(id, SocketEvent::Data(length)) => {
                    self.deliver_data(shared, id, length);
                }
                rare => self.deliver(shared, rare),
            }
            turn.events += 1;
            if limit.is_reached(turn.events, || self.net.read_clock()) {
                return;
            }
        }
    }

    /// Before a large flush, polls and serves again, so that broadcasts coalesce: of 16 clients that send at once, the
    /// first wakes the loop alone, and the messages of the others then leave in the same sends as its own. It ends before
    /// it has delayed the sends by more than they take.
    fn serve_before_many_sends(
        &mut self,
        shared: &mut S,
        limit: Limit,
        turn: &mut Turn,
    ) -> Result<()> {
        if self.net.waiting_to_flush() < MANY_SENDS {
            return Ok(());
        }
        let (before, began) = (turn.events, self.net.read_clock());
        let mut now = began;
        for round in 0_u32.. {
            let sends = u32::try_from(self.net.waiting_to_flush()).unwrap_or(u32::MAX);
            // A round without an event counts too: the sources that only sent were served all the same.
            let served = round + (turn.events - before);
            if served >= sends
                || now.duration_since(began) >= SEND_TIME.saturating_mul(sends)
                // A source has more to deliver than one turn allows: a further round would favour it.
                || self.net.waiting_to_be_served() > 0
                || limit.is_reached(turn.events, || now)
            {
                break;
            }
            self.poll(Wait::No)?;
            // A wake-up for answers of lookups has been consumed by this poll.
            self.net.take_answers();
            if self.net.waiting_to_be_served() == 0 {
                break;
            }
            self.net.refresh_now();
            self.serve_ready(shared, limit, turn);
            now = self.net.read_clock();
        }
        Ok(())
    }

    fn fire_timers(&mut self, shared: &mut S, turn: &mut Turn) {
        self.net.begin_timers();
        while turn.timers < TIMERS_A_TURN {
            let Some(due) = self.net.next_elapsed() else {
                return;
            };
            turn.timers += 1;
            match due {
                Due::Deadline(happened) => self.deliver(shared, happened),
                Due::Timer(id) => self.fire_timer(shared, id),
                Due::SocketTimer(id, token) => self.deliver_timer(shared, id, token),
            }
        }
    }

    fn fire_timer(&mut self, shared: &mut S, id: TimerId) {
        match self.agenda.timers.take(&mut self.net, id) {
            Some(Action::Once(call)) => self.call(shared, Calling::Loop, call),
            Some(Action::Repeatedly(Some(mut call), _)) => {
                self.call(shared, Calling::Loop, &mut call);
                self.agenda.timers.restore(id, call);
            }
            // Cancelled after it had come, or over because its last call panicked.
            Some(Action::Repeatedly(None, _)) | None => {}
        }
    }

    fn deliver_closes(&mut self, shared: &mut S, turn: &mut Turn) {
        if let Some((id, reason)) = self.unclosed.take() {
            turn.closed += 1;
            self.close_plain_socket(shared, id, reason);
        }
        self.net.begin_closing();
        while let Some(closing) = self.net.next_closing() {
            turn.closed += 1;
            match closing {
                Closing::PlainSocket(id, reason) => self.close_plain_socket(shared, id, reason),
                Closing::SocketWithReports(id, reason, error) => {
                    self.close_socket(shared, id, reason, error);
                }
                Closing::Server(id) => self.close_server(shared, id),
            }
        }
        debug_assert_eq!(self.net.remaining_closes(), 0);
    }

    /// Makes one call that has no socket, with `calling` as the mark while it runs.
    pub(super) fn call(
        &mut self,
        shared: &mut S,
        calling: Calling,
        call: impl FnOnce(&mut LoopContext<'_, S>),
    ) {
        self.calling = Some(calling);
        call(&mut LoopContext {
            sockets: Sockets::new(&mut self.net),
            shared,
            agenda: &mut self.agenda,
        });
        self.calling = None;
        self.install();
    }
}
