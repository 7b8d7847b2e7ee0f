//! How long a turn may wait and work, and what it did.

use std::time::{Duration, Instant};

/// How long a turn waits if there is nothing to do yet. It never waits longer than until the next deadline.
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

/// How many events of sockets a turn may deliver, or for how long. What is left stays queued, in order, and the turn says
/// that there is [`more`](Turn::more). Whatever the budget, a turn that has something to do does at least one thing.
///
/// The budget is for the phase in which sockets and servers are served, by far the longest. Deferred calls, posts,
/// timers and closes are bounded by how many there were when their phase began, posts by 1,024 besides, and timers by
/// 4,096.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Budget {
    pub(super) time: Option<Duration>,
    pub(super) events: Option<u32>,
}

impl Budget {
    /// As much as there is; each phase of the turn is bounded all the same, by what was queued when it began,
    /// or by what many sends take.
    pub const UNLIMITED: Self = Self {
        time: None,
        events: None,
    };

    /// No event of a socket is begun when so much time has passed since the turn's wait. A callback that is running is
    /// not interrupted.
    pub const fn time(time: Duration) -> Self {
        Self {
            time: Some(time),
            events: None,
        }
    }

    /// At most so many events of sockets.
    pub const fn events(events: u32) -> Self {
        Self {
            time: None,
            events: Some(events),
        }
    }

    /// Both limits: whichever is reached first.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            time: match self.time {
                Some(time) => Some(time),
                None => other.time,
            },
            events: match self.events {
                Some(events) => Some(events),
                None => other.events,
            },
        }
    }
}

/// What a turn did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Turn {
    /// How many events of sockets and servers it delivered.
    pub events: u32,
    /// How many timers, idle timeouts included, it delivered.
    pub timers: u32,
    /// How many deferred calls and posts it made.
    pub calls: u32,
    /// How many sockets and servers it closed.
    pub closed: u32,
    /// Something is queued still: the next turn will not wait.
    pub more: bool,
    /// Something is left that keeps the loop going.
    pub alive: bool,
    /// [`stop`](crate::EventLoop::stop) was called, before the turn or in it. `run` returns then; a host that turns by
    /// itself may go on.
    pub stopped: bool,
}
