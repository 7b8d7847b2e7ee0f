//! One turn of the loop, phase by phase; `ARCHITECTURE.md` numbers the phases, states the bound of each, and explains
//! their order. Unlike libuv, the loop fires timers after the poll in the first turn too, and reports closes after the
//! timers and not before. The handles `uv_idle_t` are `defer` and `set_busy` here.

use std::time::Duration;

use crate::event_loop::calling::Calling;
use crate::event_loop::timers::Action;
use crate::event_loop::watch::{PanicPolicy, Watched};
use crate::event_loop::{Budget, EventLoop, Turn, Wait};
use crate::net::{
    Closing, DatagramId, Due, Elapsing, Event, Result, SocketEvent, SocketId, TargetedEvent,
    TimerId,
};

use super::limited_turn::Part;
use super::read_buffer::ReadBuffer;
use super::wait::Limit;

/// The limit on the posts of one turn, so that a busy thread cannot starve sockets.
const POSTS_A_TURN: usize = 1024;

/// The limit on the due timers and deadlines of one turn. A lost uplink can make ten thousand idle timeouts due at
/// once: sockets are served between them.
const TIMERS_A_TURN: u32 = 4096;

/// Being a guest in another loop.
impl<S> EventLoop<S> {
    pub(crate) fn take_stop(&mut self) -> bool {
        self.agenda.take_stop()
    }

    /// Runs one turn: waits as `wait` says if nothing is to do yet, works within `budget`, and returns its counts.
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
    /// A callback cannot call this, because the loop is borrowed there; the compiler says so:
    ///
    /// ```compile_fail,E0499
    /// # use netloop::{Budget, EventLoop, Wait};
    /// # use std::time::Duration;
    /// let mut event_loop = EventLoop::new().unwrap();
    /// let again = &mut event_loop;
    /// event_loop.defer(|_| { again.turn(&mut (), Wait::No, Budget::new()).unwrap(); });
    /// event_loop.run(&mut ()).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run), but ERR_FORKED only in builds with debug assertions.
    pub fn turn(&mut self, shared: &mut S, wait: Wait, budget: Budget) -> Result<Turn> {
        if cfg!(debug_assertions) {
            // A release build does not spend this system call on each turn.
            self.net.check_owner()?;
        }
        self.agenda.meter.leave_to_host();
        if budget.is_unlimited() {
            self.make_any_turn(shared, wait)
        } else if self.options.panic_policy == PanicPolicy::Propagate {
            self.make_limited_turn(shared, wait, budget)
        } else {
            self.make_catching_limited_turn(shared, wait, budget)
        }
    }

    pub(crate) fn make_any_turn(&mut self, shared: &mut S, wait: Wait) -> Result<Turn> {
        match self.options.panic_policy {
            PanicPolicy::Propagate => self.make_turn(shared, |_| wait),
            PanicPolicy::Close => self.make_catching_turn(shared, |_| wait),
        }
    }

    pub(crate) fn make_turn(
        &mut self,
        shared: &mut S,
        wait_of: impl Fn(&Self) -> Wait,
    ) -> Result<Turn> {
        let mut turn = Turn::default();
        let limit = &mut Limit::none();
        self.recover();
        self.begin_timing();
        self.make_deferred_calls(shared, limit, &mut turn);
        let has_flushed = self.flush_phase(shared, limit, &mut turn);
        let mut wait = wait_of(self);
        // The time that the calls and sends took must not be added to the wait.
        if turn.calls > 0 || has_flushed {
            self.net.refresh_now();
        }
        if self.agenda.asks_before_wait() {
            wait = self.prepare(shared, limit, &mut turn, wait_of);
        }
        let asked_at = self.net.elapsed();
        self.poll(wait)?;
        self.net.refresh_now();
        self.note_poll(asked_at);
        self.net.take_answers();
        self.make_posts(shared, limit, &mut turn);
        self.serve_ready(shared, limit, &mut turn);
        self.serve_before_many_sends(shared, limit, &mut turn)?;
        #[cfg(all(unix, feature = "signals"))]
        self.deliver_signals(shared, limit, &mut turn);
        self.flush_phase(shared, limit, &mut turn);
        if self.agenda.hooks.has_check() {
            self.check(shared, limit, &mut turn);
        }
        self.fire_timers(shared, limit, &mut turn);
        self.flush_phase(shared, limit, &mut turn);
        self.deliver_closes(shared, limit, &mut turn);
        debug_assert_eq!(self.net.remaining_closes(), 0);
        // Bytes that an `on_close` wrote to other sockets leave in this turn too.
        self.flush_phase(shared, limit, &mut turn);
        self.resumes_at = Part::Calls;
        turn.more |= self.has_queued();
        self.end_turn(shared, turn)
    }

    pub(crate) fn end_turn(&mut self, shared: &mut S, mut turn: Turn) -> Result<Turn> {
        self.end_timing(shared, &mut turn);
        turn.alive = self.is_alive();
        // A stop is reported once: if the host goes on, later turns wait as usual.
        if self.agenda.asks_before_wait() {
            turn.more |= self.agenda.is_busy();
            turn.stopped = self.take_stop();
        }
        #[cfg(all(feature = "precise", target_os = "linux"))]
        if self.mirror.is_on() {
            self.show_rest()?;
        }
        Ok(turn)
    }

    #[inline]
    pub(super) fn make_deferred_calls(
        &mut self,
        shared: &mut S,
        limit: &mut Limit,
        turn: &mut Turn,
    ) {
        if self.agenda.deferred() > 0 {
            self.make_waiting_calls(shared, limit, turn);
        }
    }

    #[inline(never)]
    fn make_waiting_calls(&mut self, shared: &mut S, limit: &mut Limit, turn: &mut Turn) {
        for _ in 0..self.agenda.deferred() {
            let Some(call) = self.agenda.next_deferred() else {
                return;
            };
            turn.calls += 1;
            self.agenda.meter.calls += 1;
            self.call_once(shared, "defer", call);
            if limit.step(&self.net) {
                return;
            }
        }
    }

    pub(crate) fn poll(&mut self, wait: Wait) -> Result<()> {
        let timeout = self.timeout(wait);
        self.net.poll(timeout)
    }

    /// Returns the longest time for the wait. The reactor ends the wait earlier for its own deadlines.
    pub(crate) fn timeout(&self, wait: Wait) -> Option<Duration> {
        match wait {
            // Queued sources are not asked for here: the reactor itself does not wait while it has any.
            _ if self.has_calls() || self.net.has_left_over() => Some(Duration::ZERO),
            Wait::No => Some(Duration::ZERO),
            Wait::For(duration) => Some(duration),
            Wait::Until(deadline) => Some(deadline.saturating_duration_since(self.net.now())),
            Wait::Forever => None,
        }
    }

    #[inline]
    pub(super) fn make_posts(&mut self, shared: &mut S, limit: &mut Limit, turn: &mut Turn) {
        if self.agenda.mailbox.is_pending() || !self.posts.is_empty() {
            self.make_waiting_posts(shared, limit, turn);
        }
    }

    #[inline(never)]
    fn make_waiting_posts(&mut self, shared: &mut S, limit: &mut Limit, turn: &mut Turn) {
        let mailbox = &self.agenda.mailbox;
        let most = POSTS_A_TURN.saturating_sub(self.posts.len());
        if mailbox.is_pending() && mailbox.take(most, &mut self.posts) {
            self.agenda.stop();
        }
        // Posts are popped one by one. If one panics, the posts after it are not lost.
        for _ in 0..self.posts.len() {
            let Some(post) = self.posts.pop_front() else {
                return;
            };
            turn.calls += 1;
            self.agenda.meter.calls += 1;
            self.call_once(shared, "post", post);
            if limit.step(&self.net) {
                return;
            }
        }
    }

    /// Lends the read buffer, so that a handler can borrow its bytes and the whole net at once.
    fn with_read_buffer(&mut self, act: impl FnOnce(&mut Self, &mut [u8])) {
        // A callback or hook that panicked within an earlier `act` has dropped the buffer, with the datagrams in it.
        let mut read_buffer = self.read_buffer.take().unwrap_or_else(|| {
            self.net.forget_messages();
            ReadBuffer::new(self.options.read_buffer_length())
        });
        act(self, &mut read_buffer);
        self.read_buffer = Some(read_buffer);
    }

    pub(super) fn serve_ready(&mut self, shared: &mut S, limit: &mut Limit, turn: &mut Turn) {
        self.with_read_buffer(
            |event_loop, buffer| match event_loop.agenda.meter.has_hooks() {
                false => event_loop.serve_into::<false>(buffer, shared, limit, turn),
                true => {
                    event_loop.note_wait(shared);
                    // The host may have written to sockets that ask for no flush.
                    event_loop.relieve(shared, Watched::Loop);
                    event_loop.serve_into::<true>(buffer, shared, limit, turn);
                }
            },
        );
    }

    // A separate function keeps the values that every message needs in registers. `WATCHED` is a const parameter, so
    // that no message has to test whether a hook is set.
    #[inline(never)]
    fn serve_into<const WATCHED: bool>(
        &mut self,
        buffer: &mut [u8],
        shared: &mut S,
        limit: &mut Limit,
        turn: &mut Turn,
    ) {
        // Local copies: with the originals, each message would read and write through a pointer.
        let (mut spent, mut events) = (*limit, turn.events);
        self.net.begin_serving();
        // The closure counts a step for each source without an event: such a source may write much, or fail.
        while let Some((key, event)) = self
            .net
            .next_while(buffer, |clock, sent| !spent.step_at(clock, sent))
        {
            if let Event::Socket(SocketEvent::Data(length)) = event {
                spent.read(length);
                let id = SocketId(key);
                match WATCHED {
                    false => self.deliver_data(shared, id, &buffer[..length]),
                    true => self.deliver_news(shared, id, &buffer[..length]),
                }
            } else if !WATCHED && matches!(event, Event::Datagram) {
                self.deliver_datagram(shared, DatagramId(key), buffer);
            } else if let Some(event) = self.net.translate_event(key, event) {
                self.deliver(shared, event, buffer);
            } else if spent.step(&self.net) {
                // This step has used up the budget. If it was an accept that refused a peer, the refusal is reported
                // within the same step.
                if let Some(event) = self.net.refusals_of(key) {
                    self.deliver(shared, event, buffer);
                    spent.end_step();
                    events += 1;
                }
                break;
            } else {
                continue;
            }
            events += 1;
            if spent.step(&self.net) {
                break;
            }
        }
        *limit = spent;
        turn.events = events;
    }

    #[inline(always)]
    pub(super) fn fire_timers(&mut self, shared: &mut S, limit: &mut Limit, turn: &mut Turn) {
        if self.net.begin_timers() {
            self.fire_due_timers(shared, limit, turn);
        }
    }

    #[inline(never)]
    fn fire_due_timers(&mut self, shared: &mut S, limit: &mut Limit, turn: &mut Turn) {
        self.with_read_buffer(|event_loop, buffer| {
            event_loop.fire_timers_with(buffer, shared, limit, turn);
        });
    }

    /// Handles up to [`TIMERS_A_TURN`] due timers and deadlines. A socket whose deadline has passed is served before
    /// the deadline counts, and reads into `buffer`.
    #[inline(never)]
    fn fire_timers_with(
        &mut self,
        buffer: &mut [u8],
        shared: &mut S,
        limit: &mut Limit,
        turn: &mut Turn,
    ) {
        let mut called_at = None;
        for _ in 0..TIMERS_A_TURN {
            let Some(elapsing) = self.net.next_elapsed(buffer) else {
                return;
            };
            match elapsing {
                Elapsing::Due(due) => {
                    turn.timers += 1;
                    called_at = Some(self.count_timer(called_at));
                    match due {
                        Due::Deadline(happened) => self.deliver(shared, happened, buffer),
                        Due::Timer(id) => self.fire_timer(shared, id),
                        Due::SocketTimer(id, token) => self.deliver_timer(shared, id, token),
                        Due::DatagramTimer(id, token) => {
                            self.deliver_datagram_timer(shared, id, token);
                        }
                        Due::SourceTimer(id, token) => {
                            self.deliver_source_timer(shared, id, token);
                        }
                    }
                }
                Elapsing::News(TargetedEvent::Socket(id, SocketEvent::Data(length))) => {
                    turn.events += 1;
                    limit.read(length);
                    self.deliver_news(shared, id, &buffer[..length]);
                }
                Elapsing::News(happened) => {
                    turn.events += 1;
                    self.deliver(shared, happened, buffer);
                }
                Elapsing::Served => {}
                // `Nothing` is no step, but takes time: an entry went back on the wheel, for instance, because its
                // deadline was put off.
                Elapsing::Nothing if limit.pass(&self.net) => return,
                Elapsing::Nothing => continue,
                Elapsing::Reclaimed => self.reclaim_tables(),
            }
            if limit.step(&self.net) {
                return;
            }
        }
        turn.more |= self.net.has_elapsed() || self.net.has_undecided();
    }

    /// The slow path: while a hook for stalls or pressure is set, or if the socket was served for a passed deadline.
    #[inline(never)]
    fn deliver_news(&mut self, shared: &mut S, id: SocketId, bytes: &[u8]) {
        let watched = self.watch();
        self.deliver_data(shared, id, bytes);
        self.end_watch(shared, watched, "on_data", Watched::Socket(id));
    }

    fn fire_timer(&mut self, shared: &mut S, id: TimerId) {
        match self.agenda.timers.take(&mut self.net, id) {
            Some(Action::Once(call)) => self.call_once(shared, "after", call),
            Some(Action::Repeatedly(Some(mut call), _)) => {
                let watched = self.watch();
                self.call_without_install(shared, Calling::Timer(id), &mut call);
                self.agenda.timers.restore(id, call);
                self.install();
                self.end_watch(shared, watched, "every", Watched::Loop);
            }
            // The timer was cancelled after it had fired.
            Some(Action::Repeatedly(None, _)) | None => {}
        }
    }

    #[inline(always)]
    pub(super) fn deliver_closes(&mut self, shared: &mut S, limit: &mut Limit, turn: &mut Turn) {
        if self.has_unclosed() && self.deliver_unclosed(shared, limit, turn) {
            return;
        }
        if self.net.begin_closing() {
            self.deliver_waiting_closes(shared, limit, turn);
        }
    }

    /// Delivers the closes whose callbacks have panicked halfway. Returns whether `limit` is reached.
    #[cold]
    fn deliver_unclosed(&mut self, shared: &mut S, limit: &mut Limit, turn: &mut Turn) -> bool {
        if let Some((id, reason)) = self.unclosed.take() {
            turn.closed += 1;
            self.close_plain_socket(shared, id, reason);
            if limit.step(&self.net) {
                return true;
            }
        }
        if let Some(id) = self.unclosed_datagrams.take() {
            turn.closed += 1;
            self.close_datagrams(shared, id);
            if limit.step(&self.net) {
                return true;
            }
        }
        false
    }

    #[inline(never)]
    fn deliver_waiting_closes(&mut self, shared: &mut S, limit: &mut Limit, turn: &mut Turn) {
        while let Some(closing) = self.net.next_closing() {
            turn.closed += 1;
            match closing {
                Closing::PlainSocket(id, reason) => self.close_plain_socket(shared, id, reason),
                Closing::SocketWithReports(id, reason, error) => {
                    self.close_socket(shared, id, reason, error);
                }
                Closing::Server(id) => self.close_server(shared, id),
                Closing::Datagram(id) => self.close_datagrams(shared, id),
                Closing::Source(id) => self.close_source(shared, id),
            }
            if limit.step(&self.net) {
                return;
            }
        }
    }
}
