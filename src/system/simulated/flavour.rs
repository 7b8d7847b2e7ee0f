//! The flavours of a simulated kernel.

/// The way in which a simulated kernel reports readiness: that of one system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flavour {
    /// Linux: one event for a socket, with its whole readiness, whenever something has become true (edge-triggered).
    Epoll,
    /// macOS and the BSDs: separate events for reading and writing, each with the end beside it.
    Kqueue,
    /// Windows: readiness that was reported is not reported again before a call has blocked.
    ///
    /// After such a call it reports writability again. A short read proves nothing.
    Afd,
    /// No existing system, and worse than all: events come late, twice, in any order, one at a time, and for sockets
    /// that are closed already.
    Adversary,
}

impl Flavour {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Epoll, Self::Kqueue, Self::Afd, Self::Adversary];
}
