//! Detects turns that do nothing again and again, and times in which the whole process stood still.

use std::time::{Duration, Instant};

use crate::event_loop::{CallbackOwner, EventLoop, Turn};
use crate::net::Awake;

use super::stall::{Stall, StallKind, Watched};

/// The number of turns in a row that make a spin. Each of them had work queued at its beginning and at its end, but
/// moved no byte, dropped no peer, and made no callback except for hooks.
const SPIN_TURNS: u32 = 1000;

/// The lateness of a wait, or the time of a turn beside its callbacks, beyond which the process stood still.
const STANDSTILL: Duration = Duration::from_secs(1);

/// The turns in a row that did nothing although work was queued.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spin {
    turns: u32,
    /// The number of the last turn of the row.
    last: u64,
    /// The end of the first turn of the row.
    began: Instant,
    /// The progress without a callback, and the sources that were queued, at the end of the last turn of the row.
    progress: u64,
    queued: usize,
}

impl Spin {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            turns: 0,
            last: 0,
            began: now,
            progress: 0,
            queued: 0,
        }
    }
}

impl<S> EventLoop<S> {
    /// Counts a turn that did nothing although work is queued. After [`SPIN_TURNS`] in a row, tells the stall hook, and
    /// closes the socket or server that keeps the loop awake. A source of the program stays.
    #[cold]
    pub(super) fn note_unfinished_turn(&mut self, shared: &mut S, turn: &Turn) {
        if turn.events + turn.calls + turn.timers + turn.closed > 0 {
            return;
        }
        let (turns, progress) = (self.net.turns(), self.net.silent_progress());
        let (queued, now) = (self.net.queued_sources(), self.net.now());
        let spin = &mut self.agenda.meter.spin;
        if spin.last + 1 != turns || spin.progress != progress || spin.queued != queued {
            spin.turns = 0;
            spin.began = now;
        }
        spin.turns += 1;
        spin.last = turns;
        spin.progress = progress;
        spin.queued = queued;
        if spin.turns == SPIN_TURNS {
            spin.turns = 0;
            let duration = now.saturating_duration_since(spin.began);
            self.end_spin(shared, duration);
        }
    }

    #[cfg(feature = "simulation")]
    pub(crate) fn spins(&self) -> u64 {
        self.agenda.meter.spins
    }

    fn end_spin(&mut self, shared: &mut S, duration: Duration) {
        let owner = match self.net.keeps_awake() {
            Some(Awake::Socket(id)) => Watched::Socket(id),
            Some(Awake::Server(id)) => Watched::Server(id),
            Some(Awake::Datagram(id)) => Watched::Datagram(id),
            Some(Awake::Source(id)) => Watched::Source(id),
            // No source is queued, or the first one is gone, and the next turn drops its key.
            None => return,
        };
        // Made before the close: `callback_owner` looks up the owner's address, which a closed socket no longer has.
        let stall = Stall {
            duration,
            callback: "spin",
            owner: self.callback_owner(owner),
            kind: StallKind::Spin { turns: SPIN_TURNS },
        };
        self.agenda.meter.spins += 1;
        self.net.close_spinning();
        self.call_stall_hook(shared, &stall);
    }

    /// Tells a standstill if the wait ended long after the next deadline. The sockets are served before any deadline is
    /// decided.
    #[cold]
    pub(crate) fn note_wait(&mut self, shared: &mut S) {
        let Some((began, ended)) = self.agenda.meter.take_wait() else {
            return;
        };
        let Some(deadline) = self.net.next_deadline() else {
            // Without a deadline, there is no time after which the end of the wait is late.
            return;
        };
        let late = ended.saturating_sub(self.net.elapsed_at(deadline).max(began));
        self.tell_standstill(shared, Duration::from_nanos(late));
    }

    /// Returns whether the hook was called.
    pub(super) fn tell_standstill(&mut self, shared: &mut S, duration: Duration) -> bool {
        if duration <= STANDSTILL || !self.agenda.meter.watches() {
            return false;
        }
        self.agenda.meter.standstills += 1;
        let stall = Stall {
            duration,
            callback: "process",
            owner: CallbackOwner::Loop,
            kind: StallKind::Standstill,
        };
        self.call_stall_hook(shared, &stall);
        true
    }

    /// Returns whether the hook was called, for a long turn or for a standstill in it.
    #[cold]
    pub(super) fn tell_turn(&mut self, shared: &mut S, worked: Duration) -> bool {
        let called = std::mem::take(&mut self.agenda.meter.called);
        let beside = worked.saturating_sub(called);
        match self.tell_standstill(shared, beside) {
            true => {
                self.tell_stall(shared, called, "turn", Watched::Loop);
                true
            }
            false => self.tell_stall(shared, worked, "turn", Watched::Loop),
        }
    }
}
