//! The counters and times of the [statistics](crate::Statistics), which the turns update.

use std::time::{Duration, Instant};

use crate::event_loop::mailbox::Mailbox;
use crate::event_loop::{Context, EventLoop, LoopContext, Statistics, Turn};
use crate::net::{AcceptLimit, Net};

use super::spin::Spin;

#[derive(Debug)]
pub(crate) struct Meter {
    pub(crate) events: u64,
    pub(super) carried_over: u64,
    pub(crate) calls: u64,
    pub(crate) closed_over_limit: u64,
    pub(crate) stalls: u64,
    pub(crate) panics: u64,
    pub(crate) spins: u64,
    pub(crate) standstills: u64,
    pub(crate) spin: Spin,
    /// The time that the callbacks of this turn took, while a stall hook is set.
    pub(crate) called: Duration,
    timers: u64,
    timer_lag: Duration,
    /// In nanoseconds, as are `busy`, `longest_turn`, `worst_lag` and `Timing::tail`: each turn adds or compares these,
    /// and a `Duration` would take several instructions more.
    idle: u64,
    busy: u64,
    longest_turn: u64,
    pub(crate) longest_step: Duration,
    worst_lag: u64,
    worst_timer_lag: Duration,
    /// Whether a hook is told of stalls. Then the clock is read around each callback.
    watches: bool,
    pub(crate) step_clock: Option<fn() -> Duration>,
    awaits_pressure: bool,
    /// Invariant: `watches || awaits_pressure`. So each callback makes one test for both hooks.
    has_hooks: bool,
    timing: Timing,
}

/// The readings of the clock in the running or the last turn, in nanoseconds since the loop's beginning.
#[derive(Clone, Copy, Debug)]
struct Timing {
    began: u64,
    /// `None` before the poll of the turn.
    poll: Option<TimedPoll>,
    /// The time from the last poll to the end of the last turn. Zero if the host has worked since.
    tail: u64,
    /// Whether the next turn begins where the last one has ended, and so needs no first reading of the clock.
    goes_on: bool,
}

#[derive(Clone, Copy, Debug)]
struct TimedPoll {
    began: u64,
    ended: u64,
    may_wait: bool,
    /// Whether the end of the wait was compared with the deadline that it should have met.
    is_compared: bool,
}

impl Meter {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            events: 0,
            carried_over: 0,
            calls: 0,
            closed_over_limit: 0,
            stalls: 0,
            panics: 0,
            spins: 0,
            standstills: 0,
            spin: Spin::new(now),
            called: Duration::ZERO,
            timers: 0,
            timer_lag: Duration::ZERO,
            idle: 0,
            busy: 0,
            longest_turn: 0,
            longest_step: Duration::ZERO,
            worst_lag: 0,
            worst_timer_lag: Duration::ZERO,
            watches: false,
            step_clock: None,
            awaits_pressure: false,
            has_hooks: false,
            timing: Timing {
                began: 0,
                poll: None,
                tail: 0,
                goes_on: false,
            },
        }
    }

    #[inline]
    pub(crate) fn watches(&self) -> bool {
        self.watches
    }

    pub(super) fn set_watches(&mut self, watches: bool) {
        self.watches = watches;
        self.has_hooks = self.watches || self.awaits_pressure;
    }

    #[inline]
    pub(crate) fn awaits_pressure(&self) -> bool {
        self.awaits_pressure
    }

    pub(super) fn set_awaits_pressure(&mut self, awaits: bool) {
        self.awaits_pressure = awaits;
        self.has_hooks = self.watches || self.awaits_pressure;
    }

    #[inline]
    pub(crate) fn has_hooks(&self) -> bool {
        self.has_hooks
    }

    /// Leaves the time until the next turn to the host: this time counts as neither busy nor idle.
    #[inline]
    pub(crate) fn leave_to_host(&mut self) {
        self.timing.tail = 0;
        self.timing.goes_on = false;
    }

    pub(crate) fn begin_turn(&mut self, now: u64) {
        self.timing.began = now;
        self.timing.poll = None;
    }

    fn note_poll(&mut self, began: u64, ended: u64, may_wait: bool) {
        self.timing.poll = Some(TimedPoll {
            began,
            ended,
            may_wait,
            is_compared: false,
        });
    }

    /// Forgets the poll of the last turn: a panic may come before this turn begins.
    pub(crate) fn forget_poll(&mut self) {
        self.timing.poll = None;
    }

    /// Whether the turn has polled.
    pub(crate) fn has_polled(&self) -> bool {
        self.timing.poll.is_some()
    }

    /// Takes the beginning and the end of the poll of this turn, in nanoseconds since the loop's beginning. `None` if it
    /// could not wait, and at a second call: a turn may serve several times behind one wait.
    pub(crate) fn take_wait(&mut self) -> Option<(u64, u64)> {
        let poll = self.timing.poll.as_mut()?;
        let is_compared = std::mem::replace(&mut poll.is_compared, true);
        (poll.may_wait && !is_compared).then_some((poll.began, poll.ended))
    }

    /// Returns the time in which the turn worked, in nanoseconds.
    #[inline]
    fn end_turn(&mut self, now: u64) -> u64 {
        let Timing {
            began, poll, tail, ..
        } = self.timing;
        self.timing.goes_on = true;
        let Some(poll) = poll else {
            return self.end_turn_without_poll(now);
        };
        // The readings of one loop never decrease.
        let before = poll.began - began;
        let polled = poll.ended - poll.began;
        let after = now - poll.ended;
        let worked = before + after;
        self.busy += worked;
        match poll.may_wait {
            true => self.idle += polled,
            false => self.busy += polled,
        }
        self.longest_turn = self.longest_turn.max(worked);
        self.worst_lag = self.worst_lag.max(tail + before).max(after);
        self.timing.tail = after;
        worked
    }

    #[cold]
    fn end_turn_without_poll(&mut self, now: u64) -> u64 {
        let worked = now - self.timing.began;
        self.busy += worked;
        self.longest_turn = self.longest_turn.max(worked);
        self.timing.tail += worked;
        self.worst_lag = self.worst_lag.max(self.timing.tail);
        worked
    }

    fn count_timer(&mut self, due: Option<Instant>, now: Instant) {
        self.timers += 1;
        let lag = due.map_or(Duration::ZERO, |due| now.saturating_duration_since(due));
        self.timer_lag += lag;
        self.worst_timer_lag = self.worst_timer_lag.max(lag);
    }

    fn reset_peaks(&mut self) {
        self.longest_turn = 0;
        self.longest_step = Duration::ZERO;
        self.worst_lag = 0;
        self.worst_timer_lag = Duration::ZERO;
    }

    pub(crate) fn read<S>(&self, net: &Net, mailbox: &Mailbox<S>) -> Statistics {
        let net = net.counts();
        let refused = |limit: AcceptLimit| net.refused[limit as usize];
        Statistics {
            turns: net.turns,
            polls: net.polls,
            reports: net.reports,
            events: self.events,
            carried_over: self.carried_over,
            calls: self.calls,
            timers: self.timers,
            wakes: mailbox.wakes(),
            bytes_received: net.bytes_received,
            bytes_sent: net.bytes_sent,
            datagrams_received: net.datagrams.received,
            datagrams_sent: net.datagrams.sent,
            datagrams_dropped: net.datagrams.dropped,
            datagrams_blocked: net.datagrams.blocked,
            datagrams_truncated: net.datagrams.truncated,
            datagram_errors: net.datagrams.errors,
            accepted: net.accepted,
            dropped_over_limit: net.refused.iter().sum(),
            dropped_over_loop_limit: refused(AcceptLimit::Loop),
            dropped_over_server_limit: refused(AcceptLimit::Server),
            dropped_over_network_limit: refused(AcceptLimit::Network),
            dropped_over_rate: refused(AcceptLimit::Rate),
            dropped_blocked: net.dropped_blocked,
            descriptor_shortages: net.descriptor_shortages,
            closed_over_limit: self.closed_over_limit,
            timed_out_first_bytes: net.time_limits.first_bytes,
            timed_out_deadlines: net.time_limits.deadlines,
            timed_out_writes: net.time_limits.write_stalls,
            slow_senders: net.time_limits.slow_senders,
            slow_receivers: net.time_limits.slow_receivers,
            timed_out_closes: net.time_limits.unanswered_ends,
            timed_out_half_open: net.time_limits.half_open,
            timed_out_handshakes: net.time_limits.handshakes,
            closed_over_total: net.closed_over_total,
            pressures: net.pressures,
            lookups: net.lookups.started,
            lookups_refused: net.lookups.refused,
            lookups_timed_out: net.lookups.timed_out,
            stalls: self.stalls,
            panics: self.panics + net.panicked_filters,
            spins: self.spins,
            standstills: self.standstills,
            timer_lag: self.timer_lag,
            idle: Duration::from_nanos(self.idle),
            busy: Duration::from_nanos(self.busy),
            longest_turn: Duration::from_nanos(self.longest_turn),
            longest_step: self.longest_step,
            worst_lag: Duration::from_nanos(self.worst_lag),
            worst_timer_lag: self.worst_timer_lag,
            sockets: net.sockets,
            servers: net.servers,
            datagram_sockets: net.datagram_sockets,
            queued_bytes: net.queued_bytes,
        }
    }
}

/// The measuring of turns.
impl<S> EventLoop<S> {
    /// Reads the clock, unless another turn of the same `run` has just ended.
    #[inline]
    pub(crate) fn begin_timing(&mut self) {
        if !self.agenda.meter.timing.goes_on {
            self.net.refresh_now();
        }
        self.net.begin_turn();
        self.agenda.meter.begin_turn(self.net.elapsed());
    }

    /// Notes the turn's poll, which was asked for at `began`, in nanoseconds since the loop's beginning.
    #[inline]
    pub(crate) fn note_poll(&mut self, began: u64) {
        let could_wait = self.net.could_wait();
        let ended = self.net.elapsed();
        self.agenda.meter.note_poll(began, ended, could_wait);
    }

    /// Tells the hook for stalls if the turn was long, or the loop stands still or spins.
    pub(crate) fn end_timing(&mut self, shared: &mut S, turn: &mut Turn) {
        self.net.refresh_now();
        let meter = &mut self.agenda.meter;
        meter.events += u64::from(turn.events);
        let worked = meter.end_turn(self.net.elapsed());
        if turn.more {
            meter.carried_over += self.net.carried_over();
            self.note_unfinished_turn(shared, turn);
        }
        if self.agenda.meter.watches && self.tell_turn(shared, Duration::from_nanos(worked)) {
            turn.more |= self.has_queued();
        }
    }

    /// Reads the clock for the first timer of a turn (`last_call` is `None`), or for each while callbacks are watched.
    /// Returns the newest reading.
    pub(crate) fn count_timer(&mut self, last_call: Option<Instant>) -> Instant {
        let now = match last_call {
            Some(now) if !self.agenda.meter.watches => now,
            _ => self.net.read_clock(),
        };
        self.agenda.meter.count_timer(self.net.last_due(), now);
        now
    }
}

/// The statistics.
impl<S> EventLoop<S> {
    /// Returns the loop's [`Statistics`]. Visits each socket once, and makes no system call.
    ///
    /// ```
    /// # let event_loop: netloop::EventLoop = netloop::EventLoop::new()?;
    /// let statistics = event_loop.statistics();
    /// println!("{} sockets, {} bytes queued", statistics.sockets, statistics.queued_bytes);
    /// # Ok::<(), netloop::Error>(())
    /// ```
    #[doc(alias = "metrics")]
    pub fn statistics(&self) -> Statistics {
        self.agenda.statistics(&self.net)
    }

    /// Sets the peaks of the [`Statistics`] to zero: `longest_turn`, `longest_step`, `worst_lag`, `worst_timer_lag`.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # let mut event_loop: netloop::EventLoop = netloop::EventLoop::new()?;
    /// event_loop.after(Duration::ZERO, |_| {});
    /// event_loop.run(&mut ())?;
    /// assert!(event_loop.statistics().longest_turn > Duration::ZERO);
    /// event_loop.reset_peaks();
    /// assert_eq!(event_loop.statistics().longest_turn, Duration::ZERO);
    /// # Ok::<(), netloop::Error>(())
    /// ```
    pub fn reset_peaks(&mut self) {
        self.agenda.meter.reset_peaks();
    }
}

impl<S> LoopContext<'_, S> {
    /// Returns the loop's statistics: [`EventLoop::statistics`](crate::EventLoop::statistics). The running turn is
    /// counted in `turns`, but its time and `events` are added at its end.
    ///
    /// ```
    /// let mut event_loop: netloop::EventLoop = netloop::EventLoop::new()?;
    /// event_loop.defer(|cx| assert_eq!(cx.statistics().turns, 1));
    /// event_loop.run(&mut ())?;
    /// # Ok::<(), netloop::Error>(())
    /// ```
    pub fn statistics(&self) -> Statistics {
        self.agenda.statistics(self.sockets.net())
    }

    /// Sets the peaks of the statistics back to zero: [`EventLoop::reset_peaks`](crate::EventLoop::reset_peaks).
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # let mut event_loop: netloop::EventLoop = netloop::EventLoop::new()?;
    /// event_loop.every(Duration::from_secs(10), |cx| {
    ///     println!("the worst lag of ten seconds: {:?}", cx.statistics().worst_lag);
    ///     cx.reset_peaks();
    /// });
    /// # Ok::<(), netloop::Error>(())
    /// ```
    pub fn reset_peaks(&mut self) {
        self.agenda.meter.reset_peaks();
    }
}

impl<S> Context<'_, S> {
    /// Returns the loop's statistics: [`LoopContext::statistics`].
    ///
    /// ```
    /// use netloop::{Context, SocketHandler};
    ///
    /// /// Answers each request with the figures of its loop.
    /// struct Figures;
    ///
    /// impl SocketHandler for Figures {
    ///     fn on_data(&mut self, cx: &mut Context<'_>, _: &[u8]) {
    ///         let it = cx.statistics();
    ///         writeln!(cx.socket, "{} sockets, {} bytes queued", it.sockets, it.queued_bytes);
    ///     }
    /// }
    /// ```
    pub fn statistics(&self) -> Statistics {
        self.agenda.statistics(self.socket.net())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // A turn serves again before many sends, and a second comparison would find the same wait.
    #[test]
    fn a_late_wait_is_told_once_however_often_its_turn_serves() {
        let mut event_loop: EventLoop<u32> = EventLoop::new().unwrap();
        event_loop.on_stall(Duration::MAX, |cx, _| *cx.shared += 1);
        event_loop.after(Duration::from_millis(1), |_| ());
        // A wait for the timer that ended five seconds after the beginning of the loop.
        let ended = 5_000_000_000;
        event_loop.agenda.meter.note_poll(0, ended, true);
        let mut told = 0;
        for _ in 0..3 {
            event_loop.note_wait(&mut told);
        }
        assert_eq!((told, event_loop.statistics().standstills), (1, 1));
    }
}
