//! The progress of a connection as a whole, with the data that exists only at one stage.

use std::net::SocketAddr;

use crate::net::connect::ConnectRace;
use crate::net::values::CloseReason;

use super::peer_address::PeerAddress;

/// The stage of a connection, from the lookup of a name to the close.
#[derive(Debug)]
pub(super) enum Stage {
    /// The name is being looked up. In this stage and the next three, writes are queued. Options are kept until the
    /// stream is connected.
    LookingUp(Box<ConnectRace>),
    /// The addresses of the name are being tried. Each attempt that is under way is a source of its own in the reactor.
    Racing(Box<ConnectRace>),
    /// The stream of the connection is connecting to an address or a path, or its attempt on the address is only
    /// announced. The address is absent for a path.
    Connecting(PeerAddress),
    /// The stream is connected, and the filters exchange bytes before the connection is open. `Open` takes the address
    /// over.
    Handshaking(PeerAddress),
    /// The connection is established, and not closed. The address of the peer is kept, because the kernel forgets it
    /// when the connection ends.
    Open(PeerAddress),
    /// The connection is over. The source waits for the close phase, and within that phase for its removal.
    Closed {
        peer: PeerAddress,
        reason: CloseReason,
        /// Whether the stream was TCP, or was never there and would have been TCP.
        may_be_tcp: bool,
        /// Whether the connection still counts against the limits on open sockets of its loop, server and network.
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

    /// Whether the connection is not established yet.
    pub(super) fn is_before_open(&self) -> bool {
        matches!(
            self,
            Self::LookingUp(_) | Self::Racing(_) | Self::Connecting(_) | Self::Handshaking(_)
        )
    }

    pub(super) fn is_handshaking(&self) -> bool {
        matches!(self, Self::Handshaking(_))
    }

    /// The address of the peer, also while the connect to it is under way. `None` for a path or a pipe, unless a filter
    /// has found an address. `None` also before an attempt on a name has succeeded, and if the connection closed before
    /// its stream was connected.
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

    /// Takes the stage out by value, so that the caller can build the next stage from its parts. The stage that stays
    /// behind is a placeholder that the caller must replace.
    pub(super) fn take(&mut self) -> Self {
        std::mem::replace(self, Self::Connecting(PeerAddress::Unknown))
    }
}
