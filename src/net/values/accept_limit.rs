//! [`AcceptLimit`]: the limits that a server can be at when a peer connects.

/// The limit that a refused connection was over. The server checks the [block list](crate::ListenOptions::block_list)
/// first, and then the limits in the order of the variants below. The first limit that is reached counts. If a
/// [filter](crate::Filter::peer_address) finds the peer's address later, the block list and the limit of its network
/// are checked then.
///
/// ```
/// use netloop::{Accepted, AcceptLimit, LoopContext, OverLimit, ServerHandler, SocketHandler};
///
/// struct Front;
///
/// impl ServerHandler for Front {
///     fn on_connection(&mut self, _: &mut LoopContext<'_>, _: &Accepted) -> Option<Box<dyn SocketHandler>> {
///         None
///     }
///     fn on_over_limit(&mut self, _: &mut LoopContext<'_>, over: &OverLimit) {
///         let OverLimit { refused, limit, peer_address, .. } = over;
///         match limit {
///             AcceptLimit::Network => println!("{refused} refused: too many from the network of {peer_address:?}"),
///             _ => println!("{refused} refused: {limit:?}"),
///         }
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AcceptLimit {
    /// The sockets of the loop: [`max_connections`](crate::Limits::max_connections) of the loop's limits.
    Loop,
    /// The connections of the server: [`max_connections`](crate::Server::set_max_connections) of the server.
    Server,
    /// One network's connections: [`max_connections_per_network`](crate::Limits::max_connections_per_network).
    Network,
    /// The rate at which the server takes connections: [`accept_rate`](crate::Limits::accept_rate).
    Rate,
}

impl AcceptLimit {
    /// All limits, each at the index `limit as usize`.
    pub(crate) const ALL: [Self; 4] = [Self::Loop, Self::Server, Self::Network, Self::Rate];
}
