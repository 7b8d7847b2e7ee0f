//! The state that all servers of one loop share when they accept: the handling of a lack of descriptors, the turn, and the
//! open sockets of the loop.

use crate::system::{Acceptor, Reserve, System};

/// The reserve descriptor of a loop, whether it was needed, the number of the turn, and the places of the loop's sockets.
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
    /// The number of sockets that are not closed, and of closed ones whose place was not given back yet.
    open_sockets: usize,
    /// The limit of the loop on `open_sockets`; `usize::MAX` is none.
    max_connections: usize,
}

impl DescriptorExhaustion {
    pub(crate) fn new(system: &System, max_connections: Option<usize>) -> Self {
        Self {
            reserve: Reserve::new(system),
            was_met: false,
            shortages: 0,
            turns: 0,
            open_sockets: 0,
            max_connections: max_connections.unwrap_or(usize::MAX),
        }
    }

    /// Whether the loop may take a further connection.
    #[inline]
    pub(crate) fn has_place(&self) -> bool {
        self.open_sockets < self.max_connections
    }

    /// Counts a socket that has a place now.
    #[inline]
    pub(crate) fn take_place(&mut self) {
        self.open_sockets += 1;
    }

    /// Stops counting a socket that is closed.
    #[inline]
    pub(crate) fn free_place(&mut self) {
        self.open_sockets = self.open_sockets.saturating_sub(1);
    }

    pub(crate) fn open_sockets(&self) -> usize {
        self.open_sockets
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
