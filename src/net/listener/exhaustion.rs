//! The shortage of descriptors, as all servers of one loop meet it.

use crate::system::{Acceptor, Reserve, System};

/// The reserve descriptor, and the news that it was needed.
#[derive(Debug)]
pub(crate) struct DescriptorExhaustion {
    reserve: Reserve,
    /// Whether an accept has failed for want of a descriptor since [`take`](Self::take). While it is set, at least one
    /// server pauses that a freed descriptor may help.
    was_met: bool,
}

impl DescriptorExhaustion {
    pub(crate) fn new(system: &System) -> Self {
        Self {
            reserve: Reserve::new(system),
            was_met: false,
        }
    }

    /// Refuses one peer that waits at `acceptor`, which could not accept it.
    pub(crate) fn meet(&mut self, acceptor: &Acceptor) {
        self.reserve.refuse_one(acceptor);
        self.was_met = true;
    }

    /// Returns whether servers pause that may be woken, and forgets it: each that still fails says so again.
    #[inline]
    pub(crate) fn take(&mut self) -> bool {
        std::mem::take(&mut self.was_met)
    }
}
