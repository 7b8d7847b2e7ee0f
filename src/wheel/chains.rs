//! Lists of entry numbers, in chunks of one table.
//!
//! In a list that is linked through its entries, a reader waits for memory at each entry. In a chain, fifteen numbers
//! stand in a row, so a processor can fetch their entries at the same time. A number is never taken out of the middle
//! of a chain. The caller stores for each number the cell in which it stands. A cell is *stale* if the caller has
//! stored another cell, or none, for its number.

use std::collections::TryReserveError;

use super::growth::MAPPED_BYTES;

pub(super) struct Chains {
    /// The first word of a chunk is the number of the next chunk, and the other words are its cells. A cell's name is
    /// the index of its word in the whole table.
    chunks: Vec<[u32; CHUNK as usize]>,
    /// The first of the chunks that no chain uses. Unused chunks are linked like the chunks of a chain.
    free: u32,
}

/// The two ends of a FIFO queue of entry numbers. The numbers themselves are in [`Chains`].
#[derive(Clone, Copy)]
pub(super) struct Chain {
    first: u32,
    /// The cell that was filled last. Directly after `extend`, the word before the first cell of the new chunk.
    end: u32,
}

pub(super) const CELLS: u32 = CHUNK - 1;

/// The number of words of a chunk, which fills a cache line.
const CHUNK: u32 = 16;

/// The value for "none": as the link of the last chunk, in an unused cell, and as the cell of a free entry. Read as a
/// cell, it is the last of a chunk. So an empty chain counts as full, and the first append adds a chunk.
pub(super) const NONE: u32 = u32::MAX;

impl Chain {
    pub(super) const EMPTY: Self = Self {
        first: NONE,
        end: NONE,
    };

    /// Whether the chain has no cells, not even stale cells.
    #[inline]
    pub(super) fn is_empty(self) -> bool {
        self.first == NONE
    }

    #[inline]
    pub(super) fn is_full(self) -> bool {
        self.end % CHUNK == CELLS
    }
}

impl Chains {
    pub(super) const fn new() -> Self {
        Self {
            chunks: Vec::new(),
            free: NONE,
        }
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.chunks.capacity()
    }

    /// Allocates space for a total of `count` chunks, or for some more.
    pub(super) fn reserve(&mut self, count: usize) -> Result<(), TryReserveError> {
        if count <= self.chunks.capacity() {
            return Ok(());
        }
        // A table below `MAPPED_BYTES` would be copied at each small step of `count`, so its capacity at least doubles.
        let mapped = MAPPED_BYTES / size_of::<[u32; CHUNK as usize]>() + 1;
        let count = count.max(mapped.min(self.chunks.capacity() * 2));
        self.chunks.try_reserve_exact(count - self.chunks.len())
    }

    #[inline]
    pub(super) fn is_used_up(&self) -> bool {
        self.free == NONE && self.chunks.len() == self.chunks.capacity()
    }

    #[inline]
    pub(super) fn append(&mut self, chain: &mut Chain, number: u32) -> u32 {
        if chain.is_full() {
            self.extend(chain);
        }
        self.put(chain, number)
    }

    /// Appends a number to a chain that is not [full](Chain::is_full), and returns its cell.
    #[inline]
    pub(super) fn put(&mut self, chain: &mut Chain, number: u32) -> u32 {
        chain.end += 1;
        self.chunks[(chain.end / CHUNK) as usize][(chain.end % CHUNK) as usize] = number;
        chain.end
    }

    /// Takes the first chunk off a chain, and returns its first cell and its numbers. The last numbers may be [`NONE`].
    #[inline]
    pub(super) fn take_first(&mut self, chain: &mut Chain) -> Option<(u32, [u32; CELLS as usize])> {
        let chunk = chain.first;
        let words = self.chunks.get_mut(chunk as usize)?;
        let [next, cells @ ..] = *words;
        words[0] = std::mem::replace(&mut self.free, chunk);
        match next {
            NONE => *chain = Chain::EMPTY,
            _ => chain.first = next,
        }
        Some((chunk * CHUNK + 1, cells))
    }

    /// Takes the first number off a chain, and returns its cell, which may be stale, and the number. `taken` counts the
    /// cells of the first chunk that were popped before. The caller keeps it, and sets it to 0 for a new chain.
    #[inline]
    pub(super) fn pop(&mut self, chain: &mut Chain, taken: &mut u32) -> Option<(u32, u32)> {
        if *taken == CELLS {
            *taken = 0;
            self.take_first(chain);
        }
        let words = self.chunks.get(chain.first as usize)?;
        let cell = chain.first * CHUNK + 1 + *taken;
        match words[(1 + *taken) as usize] {
            NONE => {
                *taken = 0;
                self.take_first(chain);
                None
            }
            number => {
                *taken += 1;
                Some((cell, number))
            }
        }
    }

    /// Empties a chain in constant time, whatever its length.
    pub(super) fn clear(&mut self, chain: &mut Chain) {
        if chain.first != NONE {
            let last = (chain.end / CHUNK) as usize;
            self.chunks[last][0] = std::mem::replace(&mut self.free, chain.first);
            *chain = Chain::EMPTY;
        }
    }

    #[inline]
    pub(super) fn extend(&mut self, chain: &mut Chain) {
        let chunk = self.take_chunk();
        match chain.first {
            NONE => chain.first = chunk,
            _ => self.chunks[(chain.end / CHUNK) as usize][0] = chunk,
        }
        chain.end = chunk * CHUNK;
    }

    #[inline]
    fn take_chunk(&mut self) -> u32 {
        const BLANK: [u32; CHUNK as usize] = [NONE; CHUNK as usize];
        if let Some(chunk) = self.chunks.get_mut(self.free as usize) {
            let [next, ..] = std::mem::replace(chunk, BLANK);
            return std::mem::replace(&mut self.free, next);
        }
        let chunk = u32::try_from(self.chunks.len()).unwrap_or(NONE);
        assert!(chunk < NONE / CHUNK, "billions of timers are armed");
        self.chunks.push(BLANK);
        chunk
    }
}
