//! The list of the timers of one bucket.

use super::NEVER;
use super::batch::Batch;
use super::chains::{Chain, Chains};
use super::entries::Entries;

/// The entry numbers of a bucket, in arming order.
#[derive(Clone, Copy)]
pub(super) struct List {
    /// A lower bound of the deadlines in the list. Invariant: at least the bucket's first tick.
    pub(super) earliest: u64,
    pub(super) chain: Chain,
    /// The number of timers in the list. Invariant: a list without timers is [`EMPTY`](Self::EMPTY).
    pub(super) armed: u32,
    /// The number of stale cells of `chain`, whose timers have left the list.
    pub(super) stale: u32,
}

/// The most entries that are searched for the earliest deadline of a bucket. The limit bounds the cost of a cancel when
/// timers leave in the order in which they came. The price is an occasional early wake-up of the loop.
pub(super) const SEARCH_LIMIT: u32 = 16;

impl List {
    pub(super) const EMPTY: Self = Self {
        earliest: NEVER,
        chain: Chain::EMPTY,
        armed: 0,
        stale: 0,
    };

    /// Appends an entry to a list whose chain is not [full](Chain::is_full).
    #[inline]
    pub(super) fn put(&mut self, deadline: u64, number: u32, chains: &mut Chains) -> u32 {
        self.earliest = self.earliest.min(deadline);
        self.armed += 1;
        chains.put(&mut self.chain, number)
    }

    /// Removes the stale cells, and recomputes `earliest`, because the earliest timer may have left.
    pub(super) fn compact<T: Copy>(&mut self, chains: &mut Chains, entries: &mut Entries<T>) {
        if self.stale > 0 {
            self.earliest = compact(&mut self.chain, chains, entries);
            self.stale = 0;
        }
    }
}

/// Removes the stale cells from a chain, and returns the earliest deadline that is left. Allocates nothing, because the
/// emptied chunks serve for the new chain.
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

/// Moves a chain without stale cells from the chunks of `from` to those of `to`. There must be enough chunks in `to`.
pub(super) fn transfer<T: Copy>(
    chain: &mut Chain,
    from: &mut Chains,
    to: &mut Chains,
    entries: &mut Entries<T>,
) {
    let mut moved = Chain::EMPTY;
    let mut batch = Batch::new();
    while !chain.is_empty() {
        for &(_, number) in batch.take(chain, from, entries) {
            let cell = to.append(&mut moved, number);
            entries.moved(number, cell);
        }
    }
    *chain = moved;
}
