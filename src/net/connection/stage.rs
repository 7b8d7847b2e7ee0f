//! The progress of a connection as a whole, with the data that exists only at one stage.

use std::net::SocketAddr;

use crate::net::connect::ConnectRace;
use crate::net::values::CloseReason;

use super::peer_address::PeerAddress;

#[derive(Debug)]
pub(super) enum Stage {
    /// The name is being looked up. Until `Open`, writes are queued, and options are kept for the connected stream.
    LookingUp(Box<ConnectRace>),
    /// Each attempt on an address of the name is a source of its own in the reactor.
    Racing(Box<ConnectRace>),
    /// The stream connects to an address, or to a path, for which the address is `Unknown`. A connect to an address is
    /// only planned until the handler was told of the attempt.
    Connecting(PeerAddress),
    /// The stream is connected, and the filters exchange bytes before the connection is open.
    Handshaking(PeerAddress),
    /// The address of the peer is kept, because the kernel forgets it when the connection ends.
    Open(PeerAddress),
    /// The source waits for the close phase, and within that phase for its removal.
    Closed {
        peer: PeerAddress,
        reason: CloseReason,
        /// Whether the stream was TCP, or was never there and would have been TCP.
        may_be_tcp: bool,
        /// Whether the connection still counts against the limits on open sockets of its loop, server and network.
        holds_place: bool,
        /// Whether the close phase has reached the source: the handler is being told the last events, or was told.
        is_shut: bool,
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

    pub(super) fn is_before_open(&self) -> bool {
        matches!(
            self,
            Self::LookingUp(_) | Self::Racing(_) | Self::Connecting(_) | Self::Handshaking(_)
        )
    }

    pub(super) fn is_handshaking(&self) -> bool {
        matches!(self, Self::Handshaking(_))
    }

    /// The address of the peer, also during the connect to it. A path or a pipe has one only if a filter found it.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::LookingUp(_) | Self::Racing(_) => None,
            Self::Connecting(peer)
            | Self::Handshaking(peer)
            | Self::Open(peer)
            | Self::Closed { peer, .. } => peer.address(),
        }
    }

    pub(super) fn race(&self) -> Option<&ConnectRace> {
        match self {
            Self::LookingUp(race) | Self::Racing(race) => Some(race),
            Self::Connecting(_) | Self::Handshaking(_) | Self::Open(_) | Self::Closed { .. } => {
                None
            }
        }
    }

    pub(super) fn race_mut(&mut self) -> Option<&mut ConnectRace> {
        match self {
            Self::LookingUp(race) | Self::Racing(race) => Some(race),
            Self::Connecting(_) | Self::Handshaking(_) | Self::Open(_) | Self::Closed { .. } => {
                None
            }
        }
    }

    /// Takes the stage out, and leaves a placeholder, which the caller must replace by the next stage.
    pub(super) fn take(&mut self) -> Self {
        std::mem::replace(self, Self::Connecting(PeerAddress::Unknown))
    }
}
