//! The flush phases of a turn: connects that were asked for are made, and written bytes are sent.

use crate::event_loop::watch::Watched;
use crate::event_loop::{Budget, EventLoop, Turn};
use crate::net::{SocketEvent, TargetedEvent};

use super::wait::Limit;

/// Sending before the host goes on.
impl<S> EventLoop<S> {
    /// Sends the bytes that were written since the last turn, within `budget`, such as at the end of a game's frame.
    /// Returns whether a socket still waits because the budget is used up; each socket is one step. Calls no handler:
    /// handlers learn of failures in the next turn. Makes no connects: a handler is told of each before it is made.
    ///
    /// ```
    /// use std::time::Duration;
    /// use netloop::{Budget, EventLoop};
    ///
    /// # let mut event_loop: EventLoop = EventLoop::new()?;
    /// // The end of a frame: a millisecond for what the host has written.
    /// let has_more = event_loop.flush(Budget::new().time(Duration::from_millis(1)));
    /// assert!(!has_more, "nothing was written");
    /// # Ok::<(), netloop::Error>(())
    /// ```
    pub fn flush(&mut self, budget: Budget) -> bool {
        #[cfg(all(feature = "precise", target_os = "linux"))]
        self.show_change();
        self.net.refresh_now();
        let mut limit = Limit::of(budget, &self.net, self.agenda.meter.step_meter());
        self.send_within(&mut limit);
        self.agenda.meter.note_step(limit.end_step());
        self.net.waiting_to_flush() > 0
    }

    /// Returns whether any socket waited for the phase.
    // The net counts a planned connect as waiting for the flush phase. So one check finds both connects and bytes.
    #[inline(always)]
    pub(super) fn flush_phase(
        &mut self,
        shared: &mut S,
        limit: &mut Limit,
        turn: &mut Turn,
    ) -> bool {
        let has_work = self.net.waiting_to_flush() > 0;
        if has_work {
            self.dial_and_flush(shared, limit, turn);
        }
        has_work
    }

    #[inline(never)]
    fn dial_and_flush(&mut self, shared: &mut S, limit: &mut Limit, turn: &mut Turn) {
        self.dial_planned(shared, limit, turn);
        self.net.flush();
        self.relieve(shared, Watched::Loop);
    }

    pub(crate) fn flush_within(&mut self, shared: &mut S, limit: &mut Limit, turn: &mut Turn) {
        self.dial_planned(shared, limit, turn);
        if !limit.is_reached() {
            self.send_within(limit);
        }
        self.relieve(shared, Watched::Loop);
    }

    /// Tells each handler of its attempt before the connect, which the handler may forbid.
    fn dial_planned(&mut self, shared: &mut S, limit: &mut Limit, turn: &mut Turn) {
        for _ in 0..self.net.planned_dials() {
            let Some(id) = self.net.next_planned_dial() else {
                continue;
            };
            turn.events += 1;
            self.deliver(shared, TargetedEvent::Socket(id, SocketEvent::Noticed), &[]);
            if limit.step(&self.net) {
                return;
            }
        }
    }

    fn send_within(&mut self, limit: &mut Limit) {
        self.net.begin_flushing();
        while self.net.flush_next() {
            if limit.step(&self.net) {
                return;
            }
        }
    }
}
