//! The entries at the front of a chain, read in one go.

use super::chains::{CELLS, Chain, Chains, NONE};
use super::entries::Entries;

/// Deadlines and numbers of entries that were taken off a chain, in its order.
///
/// The entries of a bucket lie anywhere in a table that may be larger than the caches. A loop that reads one, finds its
/// place and puts it there waits for memory at each of them. A loop that only reads has many reads under way.
pub(super) struct Batch {
    entries: [(u64, u32); LENGTH],
    length: usize,
}

const CHUNKS: usize = 4;
const LENGTH: usize = CHUNKS * CELLS as usize;

impl Batch {
    pub(super) const fn new() -> Self {
        Self {
            entries: [(0, NONE); LENGTH],
            length: 0,
        }
    }

    /// Takes the next entries off a chain, and forgets those entries that were taken before. Stale cells are left out,
    /// so there may be none although the chain goes on.
    pub(super) fn take<T: Copy>(
        &mut self,
        chain: &mut Chain,
        chains: &mut Chains,
        entries: &Entries<T>,
    ) -> &[(u64, u32)] {
        self.length = 0;
        for _ in 0..CHUNKS {
            let Some((first, numbers)) = chains.take_first(chain) else {
                break;
            };
            for (cell, number) in (first..).zip(numbers) {
                let Some((deadline, current_cell)) = entries.location(number) else {
                    break;
                };
                // No branch: a processor that mispredicts one throws away the reads that it has begun.
                self.entries[self.length] = (deadline, number);
                self.length += usize::from(current_cell == cell);
            }
        }
        &self.entries[..self.length]
    }
}
