//! Lists of entry numbers, in chunks of one table.
//!
//! It knows numbers and the cells in which they stand, and nothing of timers. A list linked through its entries makes a
//! reader wait for memory at each, because the address of the next stands in the one before. Here fifteen numbers stand
//! in a row, and a processor that reads them asks for the entries all at once.
//!
//! A number is never taken out of the middle of a chain. The owner of the numbers remembers the cell in which each of
//! them stands. A cell whose number stands in another cell, or in none, is *stale*: it goes when the chain is taken
//! apart or filled anew.

/// The chunks of all chains of a wheel.
pub(super) struct Chains {
    /// The first word of a chunk is the number of the next, the others are its cells. A cell is named by its position
    /// in the whole table.
    chunks: Vec<[u32; CHUNK as usize]>,
    /// The first of the chunks that no chain uses, which are linked like the chunks of a chain.
    free: u32,
}

/// A list of numbers that can be appended to, and taken apart from the front.
#[derive(Clone, Copy)]
pub(super) struct Chain {
    first: u32,
    /// The cell that was filled last.
    end: u32,
}

/// The cells of a chunk.
pub(super) const CELLS: u32 = CHUNK - 1;

/// The words of a cache line.
const CHUNK: u32 = 16;

/// The link of the last chunk, a cell without a number, and the cell of a number that stands in none.
///
/// As a cell it would be the last of its chunk, so an empty chain takes a chunk when it is appended to.
pub(super) const NONE: u32 = u32::MAX;

impl Chain {
    pub(super) const EMPTY: Self = Self {
        first: NONE,
        end: NONE,
    };

    /// Whether it has no cells, not even stale ones.
    #[inline]
    pub(super) fn is_empty(self) -> bool {
        self.first == NONE
    }

    /// Whether it needs another chunk to be appended to.
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

    /// The number of chunks that fit without an allocation.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.chunks.capacity()
    }

    /// Allocates for `count` chunks in all.
    pub(super) fn reserve(&mut self, count: usize) {
        let more = count.saturating_sub(self.chunks.len());
        self.chunks.reserve_exact(more);
    }

    /// Whether a chain that needs another chunk would make the table grow.
    #[inline]
    pub(super) fn is_used_up(&self) -> bool {
        self.free == NONE && self.chunks.len() == self.chunks.capacity()
    }

    /// Adds a number at the end and returns the cell in which it stands.
    #[inline]
    pub(super) fn append(&mut self, chain: &mut Chain, number: u32) -> u32 {
        if chain.is_full() {
            self.extend(chain);
        }
        self.put(chain, number)
    }

    /// Adds a number at the end of a chain that is not [full](Chain::is_full).
    #[inline]
    pub(super) fn put(&mut self, chain: &mut Chain, number: u32) -> u32 {
        chain.end += 1;
        self.chunks[(chain.end / CHUNK) as usize][(chain.end % CHUNK) as usize] = number;
        chain.end
    }

    /// Takes the first chunk off a chain and returns its first cell and its numbers, the last of which may be
    /// [`NONE`]. The next append may use its cells again.
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

    /// Takes the first number off a chain, with its cell, stale or not.
    ///
    /// `taken` counts the numbers that were taken from its first chunk, and starts at 0 with each chain.
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

    /// Empties a chain, however long it is.
    pub(super) fn clear(&mut self, chain: &mut Chain) {
        if chain.first != NONE {
            let last = (chain.end / CHUNK) as usize;
            self.chunks[last][0] = std::mem::replace(&mut self.free, chain.first);
            *chain = Chain::EMPTY;
        }
    }

    /// Puts a chunk at the end of a chain that is full.
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
