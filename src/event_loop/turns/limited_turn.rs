//! A turn with a budget: it makes its parts until the budget is used up.

use std::time::Duration;

use crate::event_loop::watch::Watched;
use crate::event_loop::{Budget, EventLoop, Turn, Wait};
use crate::net::Result;

use super::wait::Limit;

/// A part of a turn with work of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Calls,
    Posts,
    Serve,
    Signals,
    Flush,
    Timers,
    Closes,
}

impl Part {
    pub(super) const COUNT: usize = 7;

    pub(super) fn next(self) -> Self {
        match self {
            Self::Calls => Self::Posts,
            Self::Posts => Self::Serve,
            Self::Serve => Self::Signals,
            Self::Signals => Self::Flush,
            Self::Flush => Self::Timers,
            Self::Timers => Self::Closes,
            Self::Closes => Self::Calls,
        }
    }

    pub(super) fn leaves_bytes_to_flush(self) -> bool {
        matches!(self, Self::Posts | Self::Serve | Self::Signals)
    }
}

impl<S> EventLoop<S> {
    /// Begins with the part after the one in which the last budget was used up, so that no part starves another.
    #[inline(never)]
    pub(crate) fn make_limited_turn(
        &mut self,
        shared: &mut S,
        wait: Wait,
        budget: Budget,
    ) -> Result<Turn> {
        let mut turn = Turn::default();
        self.recover();
        self.net.refresh_now();
        self.net.begin_turn();
        self.agenda.meter.begin_turn(self.net.elapsed());
        let mut limit = Limit::of(budget, &self.net, self.agenda.meter.step_meter());
        let mut part = self.resumes_at;
        let (mut has_polled, mut has_served, mut has_checked) = (false, false, false);
        for _ in 0..Part::COUNT {
            // Deferred calls come before the wait, if the turn begins with them.
            if !has_polled && part != Part::Calls {
                let wait = self.prepare_within(shared, wait, &mut limit, &mut turn);
                self.poll_within(shared, wait, &mut limit)?;
                has_polled = true;
            }
            if part == Part::Timers && has_served {
                self.check(shared, &mut limit, &mut turn);
                has_checked = true;
            }
            if limit.is_reached() {
                break;
            }
            // After a panic in this part, the next turn begins behind it: otherwise panics would starve the later parts.
            self.resumes_at = part.next();
            self.run_part(part, shared, &mut limit, &mut turn)?;
            has_served |= part == Part::Serve;
            part = part.next();
            if limit.is_reached() {
                break;
            }
        }
        // Every turn calls its hooks, even if the budget was used up before, or the turn came to Timers before Serve.
        if !has_polled {
            self.prepare_within(shared, wait, &mut limit, &mut turn);
        }
        if !has_checked {
            self.check(shared, &mut limit, &mut turn);
        }
        self.resumes_at = if limit.is_reached() {
            part
        } else {
            Part::Calls
        };
        turn.more |= self.has_queued() || limit.is_reached() && self.net.has_elapsed();
        let turn = self.end_turn(shared, turn);
        self.agenda.meter.note_step(limit.end_step());
        turn
    }

    fn prepare_within(
        &mut self,
        shared: &mut S,
        wait: Wait,
        limit: &mut Limit,
        turn: &mut Turn,
    ) -> Wait {
        match self.agenda.asks_before_wait() {
            true => self.prepare(shared, limit, turn, |_| wait),
            false => wait,
        }
    }

    pub(super) fn run_part(
        &mut self,
        part: Part,
        shared: &mut S,
        limit: &mut Limit,
        turn: &mut Turn,
    ) -> Result<()> {
        match part {
            Part::Calls => self.make_deferred_calls(shared, limit, turn),
            Part::Posts => {
                while !limit.is_reached() && self.net.take_answer() {
                    limit.step(&self.net);
                }
                if !limit.is_reached() {
                    self.make_posts(shared, limit, turn);
                }
            }
            Part::Serve => {
                self.serve_ready(shared, limit, turn);
                if !limit.is_reached() {
                    self.serve_before_many_sends(shared, limit, turn)?;
                }
            }
            #[cfg(all(unix, feature = "signals"))]
            Part::Signals => self.deliver_signals(shared, limit, turn),
            #[cfg(not(all(unix, feature = "signals")))]
            Part::Signals => {}
            Part::Flush => {}
            Part::Timers => self.fire_timers(shared, limit, turn),
            Part::Closes => self.deliver_closes(shared, limit, turn),
        }
        // A part's bytes leave after it, if the budget permits. Those of Posts, Serve and Signals wait for Flush.
        if !limit.is_reached() && !part.leaves_bytes_to_flush() {
            self.flush_within(shared, limit, turn);
        }
        Ok(())
    }

    /// Polls as [`poll`](Self::poll) does, but fetches no further batch of the kernel's events once the time is up.
    pub(super) fn poll_within(
        &mut self,
        shared: &mut S,
        wait: Wait,
        limit: &mut Limit,
    ) -> Result<()> {
        self.net.refresh_now();
        let began = self.net.elapsed();
        self.net.wait(self.timeout(wait))?;
        self.net.refresh_now();
        self.note_poll(began);
        if wait != Wait::No {
            limit.rest(Duration::from_nanos(self.net.elapsed() - began));
        }
        limit.end_step();
        let left = *limit;
        self.net.fetch(|now| left.is_late(now))?;
        self.net.fetch_answers();
        // The part Timers may come before the part Serve, and moves the deadline that the wait should have met.
        if self.agenda.meter.has_hooks() {
            self.note_wait(shared);
            self.relieve(shared, Watched::Loop);
        }
        limit.pass(&self.net);
        Ok(())
    }
}
