//! The timers of one side, and the callbacks that must come of them (S7).

use std::collections::BTreeMap;
use std::time::Instant;

/// The armed timers of one side, with the times at which they are due.
#[derive(Debug, Default)]
pub(crate) struct Armed {
    timers: BTreeMap<u64, Instant>,
    /// The step in which timers that were due were last put off, cancelled or told, and their number in it.
    gone: (u64, u32),
    /// The step in which the side is given bytes, and the step in which it was given bytes before.
    reads: (u64, u64),
}

impl Armed {
    pub(crate) fn is_empty(&self) -> bool {
        self.timers.is_empty()
    }

    pub(crate) fn arm(&mut self, token: u64, due: Instant, now: Instant, step: u64) {
        let before = self.timers.insert(token, due);
        self.note_gone(before, now, step);
    }

    /// Whether `token` was armed.
    pub(crate) fn disarm(&mut self, token: u64, now: Instant, step: u64) -> bool {
        let before = self.timers.remove(&token);
        self.note_gone(before, now, step);
        before.is_some()
    }

    /// The timers go with the handler that has armed them.
    pub(crate) fn clear(&mut self, now: Instant, step: u64) {
        for due in std::mem::take(&mut self.timers).into_values() {
            self.note_gone(Some(due), now, step);
        }
    }

    /// The timer `token` is told. Returns when it was due.
    pub(crate) fn told(&mut self, token: u64, now: Instant, step: u64) -> Instant {
        let due = self.timers.remove(&token);
        let due = due.unwrap_or_else(|| panic!("S7: {token} is not armed: {self:?}"));
        self.note_gone(Some(due), now, step);
        due
    }

    /// Counts the timers that are due when the side is given bytes. Due timers that were put off, cancelled or told in
    /// this step, or in that of the bytes before, count too. A small budget may put off the services of a due timer,
    /// which the handler may have cancelled meanwhile.
    pub(crate) fn count_due(&mut self, now: Instant, step: u64) -> u32 {
        if self.reads.0 != step {
            self.reads = (step, self.reads.0);
        }
        let due = self.timers.values().filter(|due| **due <= now).count();
        let (last, gone) = self.gone;
        u32::try_from(due).unwrap() + if last >= self.reads.1 { gone } else { 0 }
    }

    fn note_gone(&mut self, due: Option<Instant>, now: Instant, step: u64) {
        if due.is_some_and(|due| due <= now) {
            let (last, gone) = self.gone;
            self.gone = (step, if last == step { gone + 1 } else { 1 });
        }
    }
}
