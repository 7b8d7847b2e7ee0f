//! The handling of a lack of descriptors, which concerns all servers of one loop, and the count of peers that no server
//! hears of.

use crate::system::{Acceptor, Reserve, System};

/// The reserve descriptor of a loop, and whether it was needed.
#[derive(Debug)]
pub(crate) struct DescriptorExhaustion {
    reserve: Reserve,
    /// Whether an accept has failed for lack of a descriptor since the last [`take`](Self::take). While set, at least
    /// one server is backing off.
    was_met: bool,
    /// The accepts that have failed for lack of a descriptor.
    shortages: u64,
    /// The peers that the block list of their server has dropped.
    blocked_peers: u64,
}

impl DescriptorExhaustion {
    pub(crate) fn new(system: &System) -> Self {
        Self {
            reserve: Reserve::new(system),
            was_met: false,
            shortages: 0,
            blocked_peers: 0,
        }
    }

    /// Refuses one peer that waits at `acceptor`: accepts it with the reserve descriptor, and resets it.
    pub(crate) fn meet(&mut self, acceptor: &Acceptor) {
        self.reserve.refuse_one(acceptor);
        self.was_met = true;
        self.shortages += 1;
    }

    /// Counts a peer that a block list has dropped.
    pub(crate) fn note_blocked(&mut self) {
        self.blocked_peers += 1;
    }

    pub(crate) fn shortages(&self) -> u64 {
        self.shortages
    }

    pub(crate) fn blocked_peers(&self) -> u64 {
        self.blocked_peers
    }

    /// Whether an accept has failed for lack of a descriptor since the last call. The caller then wakes the servers
    /// that back off.
    #[inline]
    pub(crate) fn take(&mut self) -> bool {
        std::mem::take(&mut self.was_met)
    }
}
