//! The state that all servers of one loop share when they accept: the handling of a lack of descriptors, and the turn.

use crate::system::{Acceptor, Reserve, System};

/// The reserve descriptor of a loop, whether it was needed, and the number of the turn.
#[derive(Debug)]
pub(crate) struct DescriptorExhaustion {
    reserve: Reserve,
    /// Whether an accept has failed for lack of a descriptor since the last [`take`](Self::take). While set, at least
    /// one server is backing off.
    was_met: bool,
    /// The accepts that have failed for lack of a descriptor.
    shortages: u64,
    /// The turns that were begun. In each, a server accepts a limited number of times.
    turns: u64,
}

impl DescriptorExhaustion {
    pub(crate) fn new(system: &System) -> Self {
        Self {
            reserve: Reserve::new(system),
            was_met: false,
            shortages: 0,
            turns: 0,
        }
    }

    /// Refuses one peer that waits at `acceptor`: accepts it with the reserve descriptor, and resets it.
    pub(crate) fn meet(&mut self, acceptor: &Acceptor) {
        self.reserve.refuse_one(acceptor);
        self.was_met = true;
        self.shortages += 1;
    }

    pub(crate) fn begin_turn(&mut self) {
        self.turns += 1;
    }

    pub(crate) fn turns(&self) -> u64 {
        self.turns
    }

    pub(crate) fn shortages(&self) -> u64 {
        self.shortages
    }

    /// Whether an accept has failed for lack of a descriptor since the last call. The caller then wakes the servers
    /// that back off.
    #[inline]
    pub(crate) fn take(&mut self) -> bool {
        std::mem::take(&mut self.was_met)
    }
}
