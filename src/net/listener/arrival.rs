//! The arrival: an accepted connection that the server has neither taken nor refused.

use std::net::SocketAddr;

use crate::net::values::{AcceptLimit, Endpoint, Refusal};

use super::refusals::Refused;
use super::{Listener, ServerEvent};

impl Listener {
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

    /// Whether the server has no block list and no limit. It then takes each connection without a decision of `Net`, unless
    /// the loop has no place left.
    pub(super) fn takes_everyone(&self) -> bool {
        self.block_list.is_none() && self.admission.is_unlimited()
    }

    pub(crate) fn is_arrival_blocked(&self) -> bool {
        self.blocks(self.arrived_peer())
    }

    pub(crate) fn blocks(&self, peer: Option<SocketAddr>) -> bool {
        match (&self.block_list, peer) {
            (Some(list), Some(peer)) => list.check(peer.ip()),
            _ => false,
        }
    }

    /// Returns the limit on open connections that the arrival would pass.
    pub(crate) fn full_place(&self) -> Option<AcceptLimit> {
        let peer = self.first_counted_peer(self.arrived_peer());
        self.admission.full_place(peer.map(|peer| peer.ip()))
    }

    pub(crate) fn keeps_rate(&mut self, tick: u64) -> bool {
        self.admission.keeps_rate(tick)
    }

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

    /// Refuses the arrival. The handler is told at the end of the burst.
    pub(crate) fn refuse_arrival(&mut self, limit: AcceptLimit) {
        self.has_arrival = false;
        if let Some(ServerEvent::Accepted { stream, peer }) = self.event.take() {
            self.refusals.note(limit, peer);
            if self.admission.refusal == Refusal::Reset {
                // This fails for a Unix socket, which is only closed, and for a connection that is gone.
                let _ = stream.reset_on_close();
            }
        }
    }

    /// Notes the refusal of a connection that was admitted before its `peer` was known, and whose network turned out
    /// full. Returns whether to reset the connection.
    pub(crate) fn refuse_late(&mut self, peer: Option<SocketAddr>) -> bool {
        self.refusals.note(AcceptLimit::Network, peer);
        self.admission.refusal == Refusal::Reset
    }

    pub(crate) fn has_refusals(&self) -> bool {
        !self.refusals.is_empty()
    }

    /// Takes the refused connections of one limit. A further call takes those of the next limit.
    pub(crate) fn take_refused(&mut self) -> Option<Refused> {
        let (limit, count, peer) = self.refusals.take()?;
        let local = match self.endpoint {
            // Only a system call would tell which address of `0.0.0.0` or `::` the peer connected to.
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
