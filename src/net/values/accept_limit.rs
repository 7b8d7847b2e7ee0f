//! [`AcceptLimit`]: the limits that a server can be at when a peer connects.

/// The limit that a refused connection was over. The server checks the [block list](crate::ListenOptions::block_list)
/// first, then the limits in this order. The first limit that is reached counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AcceptLimit {
    /// The sockets of the loop: [`max_connections`](crate::Limits::max_connections) of the loop's limits.
    Loop,
    /// The connections of the server: [`max_connections`](crate::Server::set_max_connections) of the server.
    Server,
    /// The server's connections from one network:
    /// [`max_connections_per_network`](crate::Limits::max_connections_per_network).
    Network,
    /// The rate at which the server takes connections: [`accept_rate`](crate::Limits::accept_rate).
    Rate,
}

impl AcceptLimit {
    /// All limits, in the order of their numbers.
    pub(crate) const ALL: [Self; 4] = [Self::Loop, Self::Server, Self::Network, Self::Rate];
}
