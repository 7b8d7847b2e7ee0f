//! The limits on a turn's wait and on a turn's work, and the result of a turn.

use std::time::{Duration, Instant};

use crate::net::Net;

use super::step_meter::StepMeter;

/// The limit on the wait of a turn that has nothing to do yet. No turn waits longer than until the next deadline.
///
/// ```
/// use netloop::{Budget, EventLoop, Wait};
/// use std::time::{Duration, Instant};
///
/// let mut event_loop: EventLoop = EventLoop::new()?;
/// // A frame of a game: what has come, and no waiting.
/// event_loop.turn(&mut (), Wait::No, Budget::new())?;
/// // A host with work of its own in 5 ms. The limit is a duration, or a point in time.
/// event_loop.turn(&mut (), Wait::For(Duration::from_millis(5)), Budget::new())?;
/// event_loop.turn(&mut (), Wait::Until(Instant::now() + Duration::from_millis(5)), Budget::new())?;
/// # Ok::<(), netloop::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Does not wait, for instance in a game's frame.
    No,
    /// Waits for at most this time.
    For(Duration),
    /// Waits until this time at most.
    Until(Instant),
    /// Waits until something happens.
    Forever,
}

/// A limit on the work of one turn, or of one [`flush`](crate::EventLoop::flush): in steps, in time, and in bytes. The
/// limit that is reached first counts.
///
/// Everything that a turn does is inside its budget: the fetch of the kernel's events, every callback, send and close.
/// Only the wait is not. The work is done in *steps*. A step is one event of a socket, server or source, with the bytes
/// that its callback sends. So is one deferred call, post, signal, timer or close, and a system call that causes no
/// callback. The budget is looked at between steps, so a turn overruns by one step at most.
///
/// A turn or a flush with something to do makes at least one step, even with a time of zero. Work that is left over
/// stays queued, in order, and [`more`](Turn::more) is set. The next turn with a budget begins with the next kind of
/// work. So each kind makes a step within eight turns, however much there is of the others.
///
/// ```
/// use std::time::Duration;
/// use netloop::Budget;
///
/// let share = Budget::new().time(Duration::from_millis(2)).steps(1_000).bytes(1 << 20);
/// // Of two limits of a kind the smaller counts.
/// assert_eq!(share.time(Duration::from_secs(1)).steps(10), share.steps(10));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Budget {
    time: Option<Duration>,
    steps: Option<u32>,
    bytes: Option<u64>,
}

impl Budget {
    /// Returns a budget without a limit; [`time`](Self::time), [`steps`](Self::steps) and [`bytes`](Self::bytes) add
    /// limits. Each phase has a limit of its own in any case, such as the length of its queue at its beginning.
    pub const fn new() -> Self {
        Self {
            time: None,
            steps: None,
            bytes: None,
        }
    }

    /// Limits the time in which steps may begin; the turn's wait is not counted. A running callback is not interrupted.
    /// Of two such limits the smaller counts.
    #[must_use]
    pub const fn time(mut self, time: Duration) -> Self {
        match self.time {
            Some(before) if before.as_nanos() <= time.as_nanos() => {}
            _ => self.time = Some(time),
        }
        self
    }

    /// Limits the number of steps. Of two such limits the smaller counts.
    #[must_use]
    pub const fn steps(mut self, steps: u32) -> Self {
        match self.steps {
            Some(before) if before <= steps => {}
            _ => self.steps = Some(steps),
        }
        self
    }

    /// Limits the bytes that sockets read and send together. A single read or send is not cut short. Of two such limits
    /// the smaller counts.
    #[must_use]
    pub const fn bytes(mut self, bytes: u64) -> Self {
        match self.bytes {
            Some(before) if before <= bytes => {}
            _ => self.bytes = Some(bytes),
        }
        self
    }

    pub(super) fn is_unlimited(self) -> bool {
        self == Self::new()
    }
}

/// A budget in use: the part that is left.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    /// The number of steps until `look` compares the limits. If one is reached, this stays zero, and no step may begin.
    credit: u32,
    /// The number of steps that may follow after `credit` is used up. Invariant: zero if there is no limit of time or
    /// bytes, and no step is measured.
    later: u32,
    /// The time from which on no step may begin.
    until: Option<Instant>,
    /// The number of bytes after which no step may begin.
    bytes: Option<u64>,
    read: u64,
    /// The value of [`Net::moved_bytes`] before the first step.
    sent_before: u64,
    /// Kept up to date only if there is a limit of time or bytes, or if steps are measured.
    has_stepped: bool,
    steps: Option<StepMeter>,
}

impl Limit {
    /// A limit that no turn reaches: a turn has fewer than four billion steps.
    pub(crate) fn none() -> Self {
        Self {
            credit: u32::MAX,
            later: 0,
            until: None,
            bytes: None,
            read: 0,
            sent_before: 0,
            has_stepped: false,
            steps: None,
        }
    }

    /// Makes the limit of a turn or flush with `budget`. Its time counts from the last reading of the loop's clock.
    pub(crate) fn of(budget: Budget, net: &Net, steps: Option<StepMeter>) -> Self {
        // A budget of no step at all still permits one.
        let most = budget.steps.unwrap_or(u32::MAX).max(1);
        let is_simple = budget.time.is_none() && budget.bytes.is_none() && steps.is_none();
        let credit = if is_simple { most } else { 1 };
        Self {
            credit,
            later: most - credit,
            until: budget.time.and_then(|time| net.now().checked_add(time)),
            bytes: budget.bytes,
            read: 0,
            sent_before: net.moved_bytes(),
            has_stepped: false,
            steps,
        }
    }

    #[inline(always)]
    pub(crate) fn read(&mut self, bytes: usize) {
        self.read += bytes as u64;
    }

    pub(super) fn read_bytes(&self) -> u64 {
        self.read
    }

    /// Notes that a step was made. Returns whether no further step may begin.
    #[inline(always)]
    pub(crate) fn step(&mut self, net: &Net) -> bool {
        self.credit = self.credit.wrapping_sub(1);
        self.credit == 0 && self.look(&|| net.read_clock(), net.moved_bytes())
    }

    /// Notes a step as [`step`](Self::step) does, for a caller that has borrowed the net already.
    #[inline]
    pub(super) fn step_at(&mut self, clock: &dyn Fn() -> Instant, sent: u64) -> bool {
        self.credit = self.credit.wrapping_sub(1);
        self.credit == 0 && self.look(clock, sent)
    }

    #[inline(never)]
    fn look(&mut self, clock: &dyn Fn() -> Instant, sent: u64) -> bool {
        self.end_step();
        let moved = self.read + (sent - self.sent_before);
        let is_over = self.later == 0
            || self.bytes.is_some_and(|bytes| moved >= bytes)
            || self.until.is_some() && self.is_late(clock());
        self.has_stepped = true;
        self.later = self.later.saturating_sub(1);
        self.credit = u32::from(!is_over);
        is_over
    }

    /// Looks at the time after work that is no step, such as putting an entry back on the wheel for a later deadline.
    /// Returns whether no step may begin; the first step of a turn is made in any case.
    pub(crate) fn pass(&mut self, net: &Net) -> bool {
        if self.has_stepped && self.until.is_some() && self.is_late(net.read_clock()) {
            self.credit = 0;
        }
        self.is_reached()
    }

    /// Returns the longest step so far; zero if no step is measured.
    pub(super) fn end_step(&mut self) -> Duration {
        self.steps
            .as_mut()
            .map_or(Duration::ZERO, StepMeter::end_step)
    }

    pub(super) fn is_late(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now >= until)
    }

    pub(super) fn is_reached(&self) -> bool {
        self.credit == 0
    }

    /// Moves the time limit later by `time`, which the turn has spent waiting.
    pub(crate) fn rest(&mut self, time: Duration) {
        self.until = self.until.and_then(|until| until.checked_add(time));
    }
}

/// The reason why [`run_for`](crate::EventLoop::run_for) has returned.
///
/// ```
/// use netloop::{EventLoop, RunEnd};
/// use std::time::Duration;
///
/// let mut event_loop: EventLoop = EventLoop::new()?;
/// assert_eq!(event_loop.run_for(&mut (), Duration::from_secs(9))?, RunEnd::Finished);
/// event_loop.after(Duration::from_secs(60), |_| {});
/// assert_eq!(event_loop.run_for(&mut (), Duration::from_millis(1))?, RunEnd::TimedOut);
/// # Ok::<(), netloop::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunEnd {
    /// Nothing is left that keeps the loop going.
    Finished,
    /// [`stop`](crate::EventLoop::stop) was called.
    Stopped,
    /// The time limit has passed.
    TimedOut,
}

/// The result of a turn.
///
/// ```
/// use netloop::{Budget, EventLoop, Wait};
///
/// let mut event_loop: EventLoop = EventLoop::new()?;
/// event_loop.defer(|_| {});
/// let turn = event_loop.turn(&mut (), Wait::No, Budget::new())?;
/// assert_eq!((turn.calls, turn.events, turn.more, turn.alive), (1, 0, false, false));
/// # Ok::<(), netloop::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Turn {
    /// The number of events of sockets, servers and sources that the turn delivered.
    pub events: u32,
    /// The number of timers that the turn fired, including idle timeouts.
    pub timers: u32,
    /// The number of deferred calls, posts and handlers of signals that the turn called.
    pub calls: u32,
    /// The number of sockets, servers and sources that the turn closed.
    pub closed: u32,
    /// Whether the next turn will not wait: work is queued, or the program is [busy](crate::EventLoop::set_busy).
    pub more: bool,
    /// Whether anything keeps the loop going.
    pub alive: bool,
    /// Whether [`stop`](crate::EventLoop::stop) was called, before the turn or in it. `run` returns then; a host that
    /// calls `turn` itself may go on.
    pub stopped: bool,
}
