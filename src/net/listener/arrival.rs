//! The arrival: an accepted connection that the server has neither taken nor refused.

use std::net::SocketAddr;

use crate::net::values::{AcceptLimit, Endpoint, Refusal};

use super::refusals::Refused;
use super::{Listener, ServerEvent};

impl Listener {
    /// Whether a connection waits for the decision of `Net`.
    #[inline]
    pub(crate) fn has_arrival(&self) -> bool {
        self.has_arrival
    }

    fn arrived_peer(&self) -> Option<SocketAddr> {
        match self.event {
            Some(ServerEvent::Accepted { peer, .. }) if self.has_arrival => peer,
            _ => None,
        }
    }

    /// Whether the server has no block list, and limits neither the number of its connections nor their rate. Then
    /// `Net` decides on a connection only if the loop has no place.
    pub(super) fn takes_everyone(&self) -> bool {
        self.block_list.is_none() && self.admission.is_unlimited()
    }

    /// Whether the address of the arrival is on the block list.
    pub(crate) fn is_arrival_blocked(&self) -> bool {
        self.blocks(self.arrived_peer())
    }

    /// Whether the address of `peer` is on the block list.
    pub(crate) fn blocks(&self, peer: Option<SocketAddr>) -> bool {
        match (&self.block_list, peer) {
            (Some(list), Some(peer)) => list.check(peer.ip()),
            _ => false,
        }
    }

    /// Returns the limit on open connections that the arrival would pass: the limit of the server, or of one network.
    /// `None` if there is a place.
    pub(crate) fn full_place(&self) -> Option<AcceptLimit> {
        let peer = self.first_counted_peer(self.arrived_peer());
        self.admission.full_place(peer.map(|peer| peer.ip()))
    }

    /// Counts the arrival at `tick` against the rate. Returns `false`, and counts nothing, if it is over the rate.
    pub(crate) fn keeps_rate(&mut self, tick: u64) -> bool {
        self.admission.keeps_rate(tick)
    }

    /// Takes the arrival, which becomes a connection of the server.
    #[inline]
    pub(crate) fn take_arrival(&mut self) {
        self.has_arrival = false;
    }

    /// Closes the arrival, whose address is blocked. No handler is told.
    pub(crate) fn drop_arrival(&mut self) {
        debug_assert!(self.has_arrival, "no other event is dropped");
        self.has_arrival = false;
        self.event = None;
    }

    /// Refuses the arrival, which is over `limit`. The handler is told at the end of the burst.
    pub(crate) fn refuse_arrival(&mut self, limit: AcceptLimit) {
        self.has_arrival = false;
        if let Some(ServerEvent::Accepted { stream, peer }) = self.event.take() {
            self.refusals.note(limit, peer);
            if self.admission.refusal == Refusal::Reset {
                // The call fails for a Unix socket, which has no reset and is only closed, and for a connection that is
                // gone.
                let _ = stream.reset_on_close();
            }
        }
    }

    /// Notes the refusal of a connection whose `peer` became known after the accept: the network of `peer` has no
    /// place. Returns whether the refusal is a reset.
    pub(crate) fn refuse_late(&mut self, peer: Option<SocketAddr>) -> bool {
        self.refusals.note(AcceptLimit::Network, peer);
        self.admission.refusal == Refusal::Reset
    }

    /// Whether the handler has not been told yet of some refused connections.
    pub(crate) fn has_refusals(&self) -> bool {
        !self.refusals.is_empty()
    }

    /// Takes the report of the connections that were refused because of one limit. A further call takes those of the
    /// next limit.
    pub(crate) fn take_refused(&mut self) -> Option<Refused> {
        let (limit, count, peer) = self.refusals.take()?;
        let local = match self.endpoint {
            // A server on `0.0.0.0` or `::` does not know which address the peer connected to. Only a system call would
            // tell.
            Endpoint::Socket(address) if !address.ip().is_unspecified() => Some(address),
            Endpoint::Socket(_) | Endpoint::Path(_) | Endpoint::Name { .. } => None,
        };
        Some(Refused {
            limit,
            count,
            local,
            peer,
        })
    }
}
