//! The held sources: while there is one, the event loop goes on with its turns.

use super::source_state::Flags;
use super::{Handler, Key, Reactor};

impl<T: Handler> Reactor<T> {
    /// Counts the source under `key` in [`held`](Self::held) again. Every source counts from its insertion on.
    pub(crate) fn hold(&mut self, key: Key) {
        if let Some(slot) = self.slots.get_mut(key) {
            if !slot.state.flags.contains(Flags::HELD) {
                slot.state.flags.insert(Flags::HELD);
                self.held += 1;
            }
        }
    }

    /// Stops counting the source in [`held`](Self::held), as libuv's `uv_unref` does. A second call does nothing.
    pub(crate) fn release(&mut self, key: Key) {
        if let Some(slot) = self.slots.get_mut(key) {
            if slot.state.flags.contains(Flags::HELD) {
                slot.state.flags.remove(Flags::HELD);
                self.held -= 1;
            }
        }
    }

    pub(crate) fn is_held(&self, key: Key) -> bool {
        self.slots
            .get(key)
            .is_some_and(|slot| slot.state.flags.contains(Flags::HELD))
    }

    /// Returns the number of sources for which the event loop goes on: all that are not [released](Self::release).
    pub(crate) fn held(&self) -> usize {
        self.held
    }

    /// Whether `counts` returns `true` for any source. Its second argument says whether the source has begun something
    /// that must be finished, such as a send. Walks over all sources, so the caller asks only if nothing is held.
    pub(crate) fn has_under_way(&self, counts: impl Fn(&T, bool) -> bool) -> bool {
        let mut slots = self.slots.iter();
        slots.any(|(_, slot)| counts(&slot.source, slot.state.is_under_way()))
    }
}
