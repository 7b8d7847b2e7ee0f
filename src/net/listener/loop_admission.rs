//! The admission of connections to one loop: the state that all of its servers share when they accept.

use crate::system::{Acceptor, Reserve, System};

/// The places of a loop, the number of its turn, and its reserve descriptor.
#[derive(Debug)]
pub(crate) struct LoopAdmission {
    reserve: Reserve,
    /// Whether an accept has failed for lack of a descriptor since the last [`take_shortage`](Self::take_shortage). The
    /// server of that accept backs off.
    has_met_shortage: bool,
    /// The number of accepts that have failed for lack of a descriptor.
    shortages: u64,
    turns: u64,
    /// The number of sockets that are not closed, or whose place was not given back yet. UDP sockets do not count.
    open_sockets: usize,
    /// `usize::MAX` means no limit.
    max_connections: usize,
}

impl LoopAdmission {
    pub(crate) fn new(system: &System, max_connections: Option<usize>) -> Self {
        Self {
            reserve: Reserve::new(system),
            has_met_shortage: false,
            shortages: 0,
            turns: 0,
            open_sockets: 0,
            max_connections: max_connections.unwrap_or(usize::MAX),
        }
    }

    #[inline]
    pub(crate) fn has_place(&self) -> bool {
        self.open_sockets < self.max_connections
    }

    #[inline]
    pub(crate) fn take_place(&mut self) {
        self.open_sockets += 1;
    }

    #[inline]
    pub(crate) fn free_place(&mut self) {
        self.open_sockets = self.open_sockets.saturating_sub(1);
    }

    pub(crate) fn open_sockets(&self) -> usize {
        self.open_sockets
    }

    /// Refuses one waiting peer: gives up the reserve descriptor, accepts the peer in its place, and resets the peer.
    /// Without a reserve, refuses none.
    pub(crate) fn meet_shortage(&mut self, acceptor: &Acceptor) {
        self.reserve.refuse_one(acceptor);
        self.has_met_shortage = true;
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

    /// Takes the news of a shortage. The caller then wakes the servers that back off.
    #[inline]
    pub(crate) fn take_shortage(&mut self) -> bool {
        std::mem::take(&mut self.has_met_shortage)
    }
}
