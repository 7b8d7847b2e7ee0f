//! A buffer for the entries at the front of a chain, which are read in one loop.

use super::chains::{CELLS, Chain, Chains, NONE};
use super::entries::Entries;

/// The deadlines and numbers of entries that were taken off a chain. The entries of a bucket are spread over a table
/// that may be larger than the caches. A loop that reads an entry and then moves it waits for memory at each entry. A
/// loop that only reads, as `take` does, has many reads under way at a time.
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

    /// Takes the next entries off a chain, without stale cells. So the result may be empty although the chain was not.
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
                // No branch: after a misprediction, a processor throws away the reads that it has begun.
                self.entries[self.length] = (deadline, number);
                self.length += usize::from(current_cell == cell);
            }
        }
        &self.entries[..self.length]
    }
}
