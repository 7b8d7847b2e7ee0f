//! The table of sessions of a hand-written loop, with the lazy timer wheel for its idle timeouts.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use super::service::Service;
use super::session::{Desk, Outcome, Session};

/// One second each: more than an hour is never needed for an idle timeout of a benchmark.
const SLOTS: u32 = 4096;

pub(crate) struct Room<Stream> {
    sessions: Vec<Option<Session<Stream>>>,
    free: Vec<usize>,
    /// Sessions that can go on without an event.
    again: Vec<usize>,
    pub(crate) desk: Desk,
    idle: Option<IdleWheel>,
}

/// A wheel of one-second slots. Activity only stores the time in the session; the entry is looked at when its slot
/// comes up, and filed anew if there was activity since. Invariant: an open session has exactly one entry that lies
/// in the slot of its `filed_seconds`; any other entry is of a connection that is gone, and is dropped.
struct IdleWheel {
    slots: Vec<Vec<usize>>,
    timeout_seconds: u32,
    began: Instant,
    swept_seconds: u32,
}

impl<Stream: Read + Write> Room<Stream> {
    pub(crate) fn new(service: &Service) -> Self {
        Self {
            sessions: Vec::new(),
            free: Vec::new(),
            again: Vec::new(),
            desk: Desk::new(service.mode),
            idle: service.idle_timeout.map(IdleWheel::new),
        }
    }

    /// How long the loop may wait: for ever, but for sessions that can go on and for the wheel's next second.
    pub(crate) fn wait(&self) -> Option<Duration> {
        if !self.again.is_empty() {
            return Some(Duration::ZERO);
        }
        let occupied = self.sessions.len() > self.free.len();
        self.idle
            .as_ref()
            .filter(|_| occupied)
            .map(IdleWheel::until_next_second)
    }

    /// Begins a turn: reads the clock, if a timeout needs it, and closes what has been idle for too long.
    pub(crate) fn begin_turn(&mut self) {
        let Some(idle) = &mut self.idle else { return };
        self.desk.now_seconds = idle.now_seconds();
        while idle.swept_seconds < self.desk.now_seconds {
            idle.swept_seconds += 1;
            let slot = idle.slot(idle.swept_seconds);
            for place in std::mem::take(&mut idle.slots[slot]) {
                let Some(session) = &mut self.sessions[place] else {
                    continue;
                };
                if session.filed_seconds != idle.swept_seconds {
                    continue;
                }
                let due = session.last_active_seconds + idle.timeout_seconds;
                if due > idle.swept_seconds {
                    session.filed_seconds = due;
                    let slot = idle.slot(due);
                    idle.slots[slot].push(place);
                } else {
                    self.sessions[place] = None;
                    self.free.push(place);
                }
            }
        }
    }

    /// The place that the next [`Self::enter`] takes; the loop registers the stream under it first.
    pub(crate) fn next_place(&self) -> usize {
        self.free.last().copied().unwrap_or(self.sessions.len())
    }

    pub(crate) fn enter(&mut self, stream: Stream) {
        let mut session = Session::new(stream, self.desk.now_seconds);
        let place = self.free.pop().unwrap_or_else(|| {
            self.sessions.push(None);
            self.sessions.len() - 1
        });
        if let Some(idle) = &mut self.idle {
            session.filed_seconds = self.desk.now_seconds + idle.timeout_seconds;
            let slot = idle.slot(session.filed_seconds);
            idle.slots[slot].push(place);
        }
        self.sessions[place] = Some(session);
    }

    #[inline]
    pub(crate) fn serve(&mut self, place: usize, readable: bool, hang_up: bool) {
        let Some(session) = self.sessions.get_mut(place).and_then(Option::as_mut) else {
            return;
        };
        match session.serve(place, readable, hang_up, &mut self.desk) {
            Outcome::Wait => {}
            Outcome::Again => self.again.push(place),
            Outcome::Close => self.leave(place),
        }
    }

    /// Ends a turn: passes on what was said in it, and serves those that can go on.
    pub(crate) fn end_turn(&mut self) {
        if self.desk.has_words() {
            for place in 0..self.sessions.len() {
                let Some(session) = &mut self.sessions[place] else {
                    continue;
                };
                if session.hear(place, &self.desk) == Outcome::Close {
                    self.leave(place);
                }
            }
            self.desk.forget_words();
        }
        for place in std::mem::take(&mut self.again) {
            self.serve(place, false, false);
        }
    }

    /// Dropping the stream closes it, which also takes it out of the poll: no call is needed for that.
    fn leave(&mut self, place: usize) {
        self.sessions[place] = None;
        self.free.push(place);
    }
}

impl IdleWheel {
    fn new(timeout: Duration) -> Self {
        // One more, since the second in which a connection was last active had begun before that.
        let timeout_seconds = u32::try_from(timeout.as_secs())
            .unwrap_or(u32::MAX)
            .saturating_add(1)
            .clamp(1, SLOTS - 1);
        Self {
            slots: vec![Vec::new(); SLOTS as usize],
            timeout_seconds,
            began: Instant::now(),
            swept_seconds: 0,
        }
    }

    fn now_seconds(&self) -> u32 {
        u32::try_from(self.began.elapsed().as_secs()).unwrap_or(u32::MAX)
    }

    fn until_next_second(&self) -> Duration {
        let elapsed = self.began.elapsed();
        Duration::from_secs(elapsed.as_secs() + 1) - elapsed
    }

    fn slot(&self, second: u32) -> usize {
        (second % SLOTS) as usize
    }
}
