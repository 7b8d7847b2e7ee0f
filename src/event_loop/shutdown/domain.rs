//! The part of a loop that a shutdown concerns.

use crate::net::{Net, ServerId, SocketId};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Domain {
    /// All sockets and servers of the loop, UDP sockets included.
    Loop,
    /// One server, with the sockets that it has accepted.
    Server(ServerId),
}

impl Domain {
    pub(super) fn has(self, net: &Net, id: SocketId) -> bool {
        match self {
            Self::Loop => true,
            Self::Server(server) => net.server_of(id) == Some(server),
        }
    }

    pub(super) fn sockets(self, net: &Net) -> Vec<SocketId> {
        match self {
            Self::Loop => net.socket_ids().collect(),
            Self::Server(server) => net.sockets_of(server).collect(),
        }
    }
}
