//! The progress of a connection as a whole, and what exists only at one stage of it.

use std::net::SocketAddr;

use crate::net::connect::Dial;
use crate::net::values::CloseReason;

use super::peer_address::PeerAddress;

/// The stage of a connection, from the lookup of a name to the close.
#[derive(Debug)]
pub(super) enum Stage {
    /// The name is being looked up. Writes and options are kept until the connection is there, here and in the next
    /// two.
    LookingUp(Box<Dial>),
    /// The addresses of the name are being tried, each by a source of its own.
    Racing(Box<Dial>),
    /// The stream of the connection is connecting to an address or a path.
    Connecting(PeerAddress),
    /// The connection is there, and at least one half is not finished. The address comes from accept or connect and is
    /// kept for ever, as the kernel forgets it with the connection.
    Open(PeerAddress),
    /// The connection is over. The source is on the close list, or past it.
    Closed {
        peer: PeerAddress,
        reason: CloseReason,
        /// The server that accepted it still counts it against its limit.
        holds_place: bool,
    },
}

impl Stage {
    #[inline]
    pub(super) fn is_open(&self) -> bool {
        matches!(self, Self::Open(_))
    }

    pub(super) fn is_closed(&self) -> bool {
        matches!(self, Self::Closed { .. })
    }

    /// Whether the connection is not there yet.
    pub(super) fn is_before_open(&self) -> bool {
        matches!(
            self,
            Self::LookingUp(_) | Self::Racing(_) | Self::Connecting(_)
        )
    }

    /// The address that was connected to, or is being connected to.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::LookingUp(_) | Self::Racing(_) => None,
            Self::Connecting(peer) | Self::Open(peer) | Self::Closed { peer, .. } => peer.address(),
        }
    }

    pub(super) fn dial(&self) -> Option<&Dial> {
        match self {
            Self::LookingUp(dial) | Self::Racing(dial) => Some(dial),
            Self::Connecting(_) | Self::Open(_) | Self::Closed { .. } => None,
        }
    }

    pub(super) fn dial_mut(&mut self) -> Option<&mut Dial> {
        match self {
            Self::LookingUp(dial) | Self::Racing(dial) => Some(dial),
            Self::Connecting(_) | Self::Open(_) | Self::Closed { .. } => None,
        }
    }

    /// Takes the stage out, to make the next one of it.
    pub(super) fn take(&mut self) -> Self {
        std::mem::replace(self, Self::Connecting(PeerAddress::Unknown))
    }
}
