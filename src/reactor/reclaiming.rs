//! The memory of the reactor's tables: reserved before a peer gets a slot, and freed after a spike of sources or
//! timers. The memory is freed some time after the spike, because the next spike may come soon.

use std::collections::TryReserveError;

use super::source_state::{Flags, WheelEntry};
use super::{Handler, Key, Phase, Reactor};

/// The time between the first sign of unused memory and its return, if the table is still much too large then.
const RECLAIM_TICKS: u64 = 250;

impl<T: Handler> Reactor<T> {
    /// Calls [`reclaim_soon`](Self::reclaim_soon) if a table has become much too large. Called where a timer has gone.
    #[inline]
    pub(crate) fn notice_slack(&mut self) {
        if self.reclaims.is_none() && (self.slots.has_slack() || self.wheel.has_slack()) {
            self.reclaim_soon();
        }
    }

    /// Calls [`reclaim_soon`](Self::reclaim_soon) if a table will be much too large once a source is removed.
    #[inline]
    pub(super) fn notice_slack_behind_removal(&mut self) {
        let has_slack = |it: &Self| it.slots.has_slack_without_one() || it.wheel.has_slack();
        if self.reclaims.is_none() && has_slack(self) {
            self.reclaim_soon();
        }
    }

    /// Makes [`next_due`](Self::next_due) [reclaim](Self::reclaim) unused memory after [`RECLAIM_TICKS`].
    #[cold]
    pub(crate) fn reclaim_soon(&mut self) {
        if self.reclaims.is_none() && self.wheel.reserve().is_ok() {
            let tick = self.clock.latest_tick() + RECLAIM_TICKS;
            let tick = self.clock.wheel_tick_of(tick);
            self.reclaims = Some(self.wheel.arm(tick, WheelEntry::Reclaim));
        }
    }

    /// Ensures that neither a source's insertion nor its first deadline allocates memory. An error changes nothing.
    pub(crate) fn reserve(&mut self) -> Result<(), TryReserveError> {
        self.slots.reserve()?;
        self.wheel.reserve()
    }

    /// Ensures that the next timer allocates no memory on the wheel. An error changes nothing.
    pub(crate) fn reserve_timer(&mut self) -> Result<(), TryReserveError> {
        self.wheel.reserve()
    }

    /// Frees unused memory, even a little. Entries do not move, so memory before the last entry of a table stays.
    pub(crate) fn shrink(&mut self) {
        self.reclaim();
        self.slots.shrink();
        self.wheel.shrink();
    }

    /// Handles a key that the list of `phase` has given out, and that has no source. The key of a removed source is
    /// skipped. [`Key::NOTHING`] means that the list has lost keys for a lack of memory, so the list is made anew.
    #[cold]
    pub(super) fn skip(&mut self, phase: Phase, key: Key) {
        if key == Key::NOTHING {
            self.list_anew(phase);
        }
    }

    /// Makes the list of a phase anew from the state of each source. The order is lost.
    fn list_anew(&mut self, phase: Phase) {
        self.schedule.clear(phase);
        let of_burst = self.burst.map(|burst| burst.key);
        for (key, slot) in self.slots.iter_mut() {
            let has_work = slot.state.has_work();
            let flags = &mut slot.state.flags;
            let is_closing = flags.contains(Flags::CLOSING);
            let belongs = match phase {
                Phase::Serve => {
                    let is_ready = has_work && !is_closing;
                    flags.set(Flags::QUEUED, is_ready);
                    is_ready && of_burst != Some(key)
                }
                Phase::Flush => flags.contains(Flags::FLUSH_QUEUED),
                Phase::Close => is_closing,
            };
            if belongs {
                self.schedule.push(phase, key);
            }
        }
    }

    pub(crate) fn reclaims_soon(&self) -> bool {
        self.reclaims.is_some()
    }

    /// Frees the memory of tables that are much too large, and of lists that are empty.
    #[cold]
    pub(crate) fn reclaim(&mut self) {
        if let Some(handle) = self.reclaims.take() {
            self.wheel.cancel(handle);
        }
        self.schedule.shrink();
        if self.slots.has_slack() {
            self.slots.shrink();
        }
        if self.wheel.has_slack() {
            self.wheel.shrink();
        }
    }
}
