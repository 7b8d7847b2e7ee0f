//! The handling of a lack of descriptors, which concerns all servers of one loop.

use crate::system::{Acceptor, Reserve, System};

/// The reserve descriptor of a loop, and whether it was needed.
#[derive(Debug)]
pub(crate) struct DescriptorExhaustion {
    reserve: Reserve,
    /// Whether an accept has failed for lack of a descriptor since the last [`take`](Self::take). While set, at least
    /// one server is backing off.
    was_met: bool,
}

impl DescriptorExhaustion {
    pub(crate) fn new(system: &System) -> Self {
        Self {
            reserve: Reserve::new(system),
            was_met: false,
        }
    }

    /// Refuses one peer that waits at `acceptor`: accepts it with the reserve descriptor, and resets it.
    pub(crate) fn meet(&mut self, acceptor: &Acceptor) {
        self.reserve.refuse_one(acceptor);
        self.was_met = true;
    }

    /// Whether an accept has failed for lack of a descriptor since the last call. The caller then wakes the servers
    /// that back off.
    #[inline]
    pub(crate) fn take(&mut self) -> bool {
        std::mem::take(&mut self.was_met)
    }
}
