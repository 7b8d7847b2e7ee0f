//! The limits on a turn's wait and on a turn's work, and the result of a turn.

use std::time::{Duration, Instant};

/// The limit on the wait of a turn that has nothing to do yet. No turn waits longer than until the next deadline.
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

impl Wait {
    /// Whether the end of the wait depends on the clock.
    pub(super) fn is_limited(self) -> bool {
        matches!(self, Self::For(_) | Self::Until(_))
    }
}

/// A limit on the socket events that a turn may deliver, or on their time. Sockets that were not served stay queued, in
/// order, and [`more`](Turn::more) is set. A turn that has something to do does at least one thing, whatever its
/// budget.
///
/// The budget applies to the phase in which sockets and servers are served, which is by far the longest. Deferred
/// calls, posts, timers and closes are limited by their number when their phase began. Posts are also limited to 1,024,
/// and timers to 4,096.
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
    /// No limit. Each phase of the turn still has its own limit: the length of its queue at its beginning, or the time
    /// that many sends take.
    pub const UNLIMITED: Self = Self {
        time: None,
        events: None,
    };

    /// Returns a budget without a limit. [`time`](Self::time) and [`events`](Self::events) add limits.
    pub const fn new() -> Self {
        Self::UNLIMITED
    }

    /// Limits the time after the turn's wait in which events of sockets may begin. A running callback is not
    /// interrupted. If the budget has a time limit already, the smaller one counts.
    #[must_use]
    pub const fn time(mut self, time: Duration) -> Self {
        match self.time {
            Some(before) if before.as_nanos() <= time.as_nanos() => {}
            _ => self.time = Some(time),
        }
        self
    }

    /// Limits the number of socket events. If the budget has such a limit already, the smaller one counts.
    #[must_use]
    pub const fn events(mut self, events: u32) -> Self {
        match self.events {
            Some(before) if before <= events => {}
            _ => self.events = Some(events),
        }
        self
    }
}

/// A budget in use: its time has become a point in time.
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

    /// Whether no further event may begin after `events` events. Calls `now` only if there is a limit of time.
    #[inline]
    pub(super) fn is_reached(self, events: u32, now: impl FnOnce() -> Instant) -> bool {
        self.events.is_some_and(|most| events >= most)
            || self.until.is_some_and(|until| now() >= until)
    }
}

/// The reason why [`run_for`](crate::EventLoop::run_for) has returned.
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
/// let turn = event_loop.turn(&mut (), Wait::No, Budget::UNLIMITED)?;
/// assert_eq!((turn.calls, turn.events, turn.more, turn.alive), (1, 0, false, false));
/// # Ok::<(), netloop::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Turn {
    /// The number of events of sockets and servers that the turn delivered.
    pub events: u32,
    /// The number of timers that the turn fired, including idle timeouts.
    pub timers: u32,
    /// The number of deferred calls and posts that the turn made.
    pub calls: u32,
    /// The number of sockets and servers that the turn closed.
    pub closed: u32,
    /// Whether something is still queued, so that the next turn will not wait.
    pub more: bool,
    /// Whether anything keeps the loop going.
    pub alive: bool,
    /// Whether [`stop`](crate::EventLoop::stop) was called, before the turn or in it. `run` returns then; a host that
    /// calls `turn` itself may go on.
    pub stopped: bool,
}
