//! The admission of connections to one server: its limits, and the counts that they limit.

use std::collections::TryReserveError;
use std::net::{IpAddr, SocketAddr};

use crate::net::values::{AcceptLimit, Limits, Refusal};

use super::ListenOptions;
use super::networks::Networks;
use super::token_bucket::TokenBucket;

#[derive(Debug)]
pub(crate) struct Admission {
    /// The server's own limit. The limit of the loop holds as well.
    pub(super) max_connections: Option<usize>,
    /// The number of accepted sockets that are not closed. A closed one leaves this count before it leaves the
    /// listener's `connections`.
    places_taken: usize,
    networks: Option<Networks>,
    bucket: Option<TokenBucket>,
    pub(super) refusal: Refusal,
    /// Invariant: at least 1.
    pub(super) accepts_per_turn: u32,
    /// The turn to which `left_in_turn` belongs.
    turn: u64,
    left_in_turn: u32,
}

impl Admission {
    /// The admission to a server on a loop with the limits `of_loop`.
    pub(crate) fn new(options: &ListenOptions, of_loop: &Limits) -> Self {
        let limits = options.limits.as_ref().unwrap_or(of_loop);
        let own = options.limits.as_ref();
        let max_connections = own.and_then(|own| own.max_connections);
        let networks = limits.max_connections_per_network;
        Self {
            max_connections: options.max_connections.unwrap_or(max_connections),
            places_taken: 0,
            networks: networks.map(|most| Networks::new(most, limits.network_prefixes)),
            bucket: limits.accept_rate.map(TokenBucket::new),
            refusal: limits.refusal,
            accepts_per_turn: limits.accepts_per_turn,
            turn: 0,
            left_in_turn: limits.accepts_per_turn,
        }
    }

    pub(super) fn may_accept_in(&mut self, turn: u64) -> bool {
        if self.turn != turn {
            self.turn = turn;
            self.left_in_turn = self.accepts_per_turn;
        }
        self.left_in_turn > 0
    }

    /// Counts an accept that has taken a peer off the backlog, or has failed.
    pub(super) fn note_accept(&mut self) {
        self.left_in_turn -= 1;
    }

    pub(super) fn is_unlimited(&self) -> bool {
        self.max_connections.is_none() && self.networks.is_none() && self.bucket.is_none()
    }

    /// Returns the limit on open connections that one more connection of `peer` would pass.
    pub(crate) fn full_place(&self, peer: Option<IpAddr>) -> Option<AcceptLimit> {
        if self
            .max_connections
            .is_some_and(|limit| self.places_taken >= limit)
        {
            return Some(AcceptLimit::Server);
        }
        self.is_network_full(peer).then_some(AcceptLimit::Network)
    }

    pub(super) fn is_network_full(&self, peer: Option<IpAddr>) -> bool {
        // No network counts a connection of a Unix socket, or one whose PROXY header may still come.
        let network = self.networks.as_ref().zip(peer);
        network.is_some_and(|(networks, peer)| networks.is_full(peer))
    }

    /// Counts a connection at `tick` against the rate. Returns `false`, and counts nothing, if it is over the rate.
    pub(crate) fn keeps_rate(&mut self, tick: u64) -> bool {
        self.bucket.as_mut().is_none_or(|it| it.take(tick))
    }

    pub(super) fn reserve_place(&mut self) -> Result<(), TryReserveError> {
        self.networks.as_mut().map_or(Ok(()), Networks::reserve)
    }

    #[inline]
    pub(super) fn take_place(&mut self, peer: Option<SocketAddr>) {
        self.places_taken += 1;
        self.enter_network(peer);
    }

    #[inline]
    pub(super) fn enter_network(&mut self, peer: Option<SocketAddr>) {
        if let (Some(networks), Some(peer)) = (&mut self.networks, peer) {
            networks.enter(peer.ip());
        }
    }

    pub(super) fn leave_network(&mut self, peer: Option<SocketAddr>) {
        if let (Some(networks), Some(peer)) = (&mut self.networks, peer) {
            networks.leave(peer.ip());
        }
    }

    /// Stops counting a connection. Calls `peer` for the address only if networks have a limit.
    #[inline]
    pub(super) fn free_place(&mut self, peer: impl FnOnce() -> Option<SocketAddr>) {
        self.places_taken = self.places_taken.saturating_sub(1);
        if let Some(networks) = &mut self.networks {
            if let Some(peer) = peer() {
                networks.leave(peer.ip());
            }
        }
    }

    pub(crate) fn shrink(&mut self) {
        if let Some(networks) = &mut self.networks {
            networks.shrink();
        }
    }
}
