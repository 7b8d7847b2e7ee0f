//! The limits of a turn, of its wait and of its work, and its result.

use std::time::{Duration, Instant};

/// The longest time that a turn waits if there is nothing to do yet. It never waits longer than until the next deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Not at all: the call of a game's frame.
    No,
    /// At most so long.
    For(Duration),
    /// At most until then.
    Until(Instant),
    /// Until something happens.
    Forever,
}

impl Wait {
    /// Whether it takes a clock to know when it is over.
    pub(super) fn is_limited(self) -> bool {
        matches!(self, Self::For(_) | Self::Until(_))
    }
}

/// A limit on the events of sockets that a turn may deliver, or on the time for them. Sockets that were not served stay
/// queued, in order, and the turn answers that there is [`more`](Turn::more). Whatever the budget, a turn that has
/// something to do does at least one thing.
///
/// The budget is for the phase in which sockets and servers are served, by far the longest. Deferred calls, posts,
/// timers and closes are bounded by how many there were when their phase began, posts by 1,024 besides, and timers by
/// 4,096.
///
/// ```
/// use std::time::Duration;
/// use netloop::Budget;
///
/// let step = Budget::new().time(Duration::from_millis(2)).events(1_000);
/// // Of two limits of a kind the smaller counts.
/// assert_eq!(step.time(Duration::from_secs(1)).events(10), step.events(10));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Budget {
    time: Option<Duration>,
    events: Option<u32>,
}

impl Budget {
    /// No limit; each phase of the turn is bounded all the same, by its queue when it began, or by the time that many sends
    /// take.
    pub const UNLIMITED: Self = Self {
        time: None,
        events: None,
    };

    /// Returns a budget without a limit, to be given some.
    pub const fn new() -> Self {
        Self::UNLIMITED
    }

    /// Lets no event of a socket begin when so much time has passed since the turn's wait. A callback that is running
    /// is not interrupted. If there is such a limit already, the smaller one counts.
    #[must_use]
    pub const fn time(mut self, time: Duration) -> Self {
        match self.time {
            Some(before) if before.as_nanos() <= time.as_nanos() => {}
            _ => self.time = Some(time),
        }
        self
    }

    /// Allows at most so many events of sockets. If there is such a limit already, the smaller one counts.
    #[must_use]
    pub const fn events(mut self, events: u32) -> Self {
        match self.events {
            Some(before) if before <= events => {}
            _ => self.events = Some(events),
        }
        self
    }
}

/// A budget that has begun to be spent.
#[derive(Clone, Copy)]
pub(super) struct Limit {
    events: Option<u32>,
    until: Option<Instant>,
}

impl Limit {
    pub(super) fn of(budget: Budget, now: Instant) -> Self {
        Self {
            events: budget.events,
            until: budget.time.and_then(|time| now.checked_add(time)),
        }
    }

    /// Whether nothing more may be begun after `events` events; `now` is read only if there is a limit of time.
    #[inline]
    pub(super) fn is_reached(self, events: u32, now: impl FnOnce() -> Instant) -> bool {
        self.events.is_some_and(|most| events >= most)
            || self.until.is_some_and(|until| now() >= until)
    }
}

/// The reason for which [`run_for`](crate::EventLoop::run_for) has returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunEnd {
    /// Nothing is left that keeps the loop going.
    Finished,
    /// [`stop`](crate::EventLoop::stop) was called.
    Stopped,
    /// The time was over first.
    TimedOut,
}

/// The result of a turn.
///
/// ```
/// use netloop::{Budget, EventLoop, Wait};
///
/// let mut event_loop: EventLoop = EventLoop::new()?;
/// event_loop.defer(|_| {});
/// let turn = event_loop.turn(&mut (), Wait::No, Budget::UNLIMITED)?;
/// assert_eq!((turn.calls, turn.events, turn.more, turn.alive), (1, 0, false, false));
/// # Ok::<(), netloop::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Turn {
    /// Events of sockets and servers that it delivered.
    pub events: u32,
    /// Timers that it fired, idle timeouts included.
    pub timers: u32,
    /// Deferred calls and posts that it made.
    pub calls: u32,
    /// Sockets and servers that it closed.
    pub closed: u32,
    /// Something is queued still: the next turn will not wait.
    pub more: bool,
    /// Something is left that keeps the loop going.
    pub alive: bool,
    /// [`stop`](crate::EventLoop::stop) was called, before the turn or in it. `run` returns then; a host that turns by
    /// itself may go on.
    pub stopped: bool,
}
