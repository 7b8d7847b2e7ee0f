//! The timers of one bucket.

use super::NEVER;
use super::batch::Batch;
use super::chains::{Chain, Chains};
use super::entries::Entries;

/// The entries of a bucket, in arming order, and facts about all of them.
#[derive(Clone, Copy)]
pub(super) struct List {
    /// Invariant for buckets with entries: not after any deadline in the list, and not before the bucket's first tick.
    pub(super) earliest: u64,
    pub(super) chain: Chain,
    /// The number of timers. Invariant: without any the list is [`EMPTY`](Self::EMPTY).
    pub(super) armed: u32,
    /// The number of stale cells of the chain.
    pub(super) stale: u32,
}

/// The most entries of a bucket that are searched for its earliest deadline. It bounds the cost of a cancel when timers
/// leave in the order in which they came, as request timeouts do. A loop pays with an early wake now and then.
pub(super) const SEARCH_LIMIT: u32 = 16;

impl List {
    pub(super) const EMPTY: Self = Self {
        earliest: NEVER,
        chain: Chain::EMPTY,
        armed: 0,
        stale: 0,
    };

    /// Adds an entry at the end and returns the cell in which it stands. The chain is not [full](Chain::is_full).
    #[inline]
    pub(super) fn put(&mut self, deadline: u64, number: u32, chains: &mut Chains) -> u32 {
        self.earliest = self.earliest.min(deadline);
        self.armed += 1;
        chains.put(&mut self.chain, number)
    }

    /// Takes the stale cells out, and recomputes the earliest deadline, which may have left with one of them.
    pub(super) fn compact<T: Copy>(&mut self, chains: &mut Chains, entries: &mut Entries<T>) {
        if self.stale > 0 {
            self.earliest = compact(&mut self.chain, chains, entries);
            self.stale = 0;
        }
    }
}

/// Takes the stale cells out of a chain, and returns the earliest deadline that is left. It needs no chunk but the
/// chunks that come free on the way.
pub(super) fn compact<T: Copy>(
    chain: &mut Chain,
    chains: &mut Chains,
    entries: &mut Entries<T>,
) -> u64 {
    let mut earliest = NEVER;
    let mut rest = std::mem::replace(chain, Chain::EMPTY);
    let mut batch = Batch::new();
    while !rest.is_empty() {
        for &(deadline, number) in batch.take(&mut rest, chains, entries) {
            earliest = earliest.min(deadline);
            let cell = chains.append(chain, number);
            entries.moved(number, cell);
        }
    }
    earliest
}
