//! The memory of a wheel, which grows before a timer is armed and shrinks after a spike.

use std::collections::TryReserveError;

use super::chains::{CELLS, Chains};
use super::entries::SMALLEST;
use super::list::transfer;
use super::{LISTS, Wheel};

impl<T: Copy> Wheel<T> {
    /// Ensures that the next [`arm`](Self::arm) allocates nothing. An error changes no timer.
    pub(crate) fn reserve(&mut self) -> Result<(), TryReserveError> {
        match self.entries.is_full() {
            true => self.grow(),
            false => Ok(()),
        }
    }

    /// Whether the wheel is not small, and has memory for at least four times as many timers as are armed.
    #[inline]
    #[must_use]
    pub(crate) fn has_slack(&self) -> bool {
        let capacity = self.entries.capacity();
        capacity > 4 * SMALLEST && self.len() * 4 <= capacity
    }

    /// Frees the memory that a spike of timers has left: unneeded chunks, and the entries after the armed timer with
    /// the highest number. The time grows with the capacity. Without memory for smaller tables, the wheel keeps the
    /// larger ones. A sixteenth of a byte stays for each entry that was ever used, because no handle may come back. Do
    /// not call this between [`next_due`](Self::next_due) and [`deadline_of_popped`](Self::deadline_of_popped).
    pub fn shrink(&mut self) {
        self.compact();
        if self.overdue_order.is_empty() {
            self.overdue_order = Vec::new();
        }
        if self.entries.capacity() <= SMALLEST {
            return;
        }
        let used = self.entries.used();
        let mut chains = Chains::new();
        if chains.reserve(chunks_for(used.max(SMALLEST))).is_err() || !self.entries.shrink(used) {
            return;
        }
        let lists = self.lists.iter_mut().map(|list| &mut list.chain);
        for chain in lists.chain([&mut self.due, &mut self.overdue]) {
            transfer(chain, &mut self.chains, &mut chains, &mut self.entries);
        }
        self.chains = chains;
    }

    #[cold]
    pub(super) fn next_free_of_more(&mut self) -> u32 {
        self.grow().expect("memory for a timer");
        let number = self.entries.next_free();
        number.expect("the table has just grown")
    }

    /// Allocates entries for more timers, and enough chunks for their numbers, however these are spread over the lists.
    #[cold]
    fn grow(&mut self) -> Result<(), TryReserveError> {
        let count = self.entries.next_capacity();
        self.chains.reserve(chunks_for(count))?;
        self.entries.grow(count)
    }
}

fn chunks_for(count: usize) -> usize {
    // There are two cells for each timer. So `compact` runs when at least half of the cells are stale, and moves at
    // most one entry for each stale cell. Each list may also end in a chunk that is not full.
    let ends = count.min(LISTS + 2) + 1;
    2 * count / CELLS as usize + ends
}
