//! The sessions of a loop by hand, with their idle timeouts. Activity stores the second, and once a second all sessions
//! are looked at, which costs less than any timer.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use super::service::Service;
use super::session::{Outcome, Session, Shared};

pub(super) struct Sessions<Stream> {
    sessions: Vec<Option<Session<Stream>>>,
    free: Vec<usize>,
    /// Sessions that can go on without an event.
    again: Vec<usize>,
    shared: Shared,
    /// In seconds, and one more, since the second in which a connection was last active had begun before that.
    idle_timeout: Option<u32>,
    began: Instant,
}

impl<Stream: Read + Write> Sessions<Stream> {
    pub(super) fn new(service: &Service) -> Self {
        let seconds = |timeout: Duration| u32::try_from(timeout.as_secs()).unwrap_or(u32::MAX - 1);
        Self {
            sessions: Vec::new(),
            free: Vec::new(),
            again: Vec::new(),
            shared: Shared::new(service.mode),
            idle_timeout: service.idle_timeout.map(|timeout| seconds(timeout) + 1),
            began: Instant::now(),
        }
    }

    /// Returns how long the loop may wait: without a limit, but for sessions that can go on and the next second.
    pub(super) fn wait(&self) -> Option<Duration> {
        if !self.again.is_empty() {
            return Some(Duration::ZERO);
        }
        let is_occupied = self.sessions.len() > self.free.len();
        self.idle_timeout.filter(|_| is_occupied)?;
        let elapsed = self.began.elapsed();
        Some(Duration::from_secs(elapsed.as_secs() + 1) - elapsed)
    }

    /// Begins a turn: reads the clock, if a timeout needs it, and closes the sessions that were idle for too long.
    pub(super) fn begin_turn(&mut self) {
        let Some(idle_timeout) = self.idle_timeout else {
            return;
        };
        let now = u32::try_from(self.began.elapsed().as_secs()).unwrap_or(u32::MAX);
        if now == self.shared.now_seconds {
            return;
        }
        self.shared.now_seconds = now;
        for place in 0..self.sessions.len() {
            let session = self.sessions[place].as_ref();
            if session.is_some_and(|session| session.last_active_seconds + idle_timeout <= now) {
                self.leave(place);
            }
        }
    }

    /// Returns the place that the next [`Self::enter`] takes; the loop registers the stream under it first.
    pub(super) fn next_place(&self) -> usize {
        self.free.last().copied().unwrap_or(self.sessions.len())
    }

    pub(super) fn enter(&mut self, stream: Stream) {
        let session = Session::new(stream, self.shared.now_seconds);
        match self.free.pop() {
            Some(place) => self.sessions[place] = Some(session),
            None => self.sessions.push(Some(session)),
        }
    }

    #[inline]
    pub(super) fn serve(&mut self, place: usize, readable: bool, hang_up: bool) {
        let Some(Some(session)) = self.sessions.get_mut(place) else {
            return;
        };
        match session.serve(place, readable, hang_up, &mut self.shared) {
            Outcome::Wait => {}
            Outcome::Again => self.again.push(place),
            Outcome::Close => self.leave(place),
        }
    }

    /// Ends a turn: passes on its messages, and serves the sessions that can go on.
    pub(super) fn end_turn(&mut self) {
        if !self.shared.said.is_empty() {
            for place in 0..self.sessions.len() {
                let session = self.sessions[place].as_mut();
                if session.is_some_and(|it| it.hear(place, &self.shared) == Outcome::Close) {
                    self.leave(place);
                }
            }
            self.shared.said.clear();
            self.shared.speakers.clear();
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
