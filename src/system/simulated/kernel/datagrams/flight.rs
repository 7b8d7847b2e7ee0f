//! The datagrams and refusals under way, in the order in which they arrive.

use std::cmp::Ordering;
use std::net::SocketAddr;
use std::rc::Rc;

use crate::slots::Key;

use super::super::wire::Link;

/// A datagram, a refusal, or a timer of one socket.
#[derive(Debug)]
pub(super) enum Passage {
    /// A datagram. The socket that it reaches is found when it arrives.
    Datagram {
        sender: Key,
        from: SocketAddr,
        to: SocketAddr,
        bytes: Rc<[u8]>,
    },
    /// The news for the sender that no socket has the address (ICMP port unreachable).
    Refusal { sender: Key, peer: SocketAddr },
    /// A timer: this number of bytes has left the machine of the sender, whose buffer has space again.
    Departure { sender: Key, bytes: usize },
    /// A timer: the selector reports the socket again.
    Renotify(Key),
}

impl Passage {
    pub(super) fn travels(&self) -> bool {
        matches!(self, Self::Datagram { .. } | Self::Refusal { .. })
    }

    pub(super) fn held_bytes(&self) -> usize {
        match self {
            Self::Datagram { bytes, .. } => bytes.len(),
            Self::Refusal { .. } | Self::Departure { .. } | Self::Renotify(_) => 0,
        }
    }
}

#[derive(Debug)]
pub(super) struct Flight {
    /// The time of arrival, in nanoseconds since the beginning of the simulation.
    pub(super) at: u64,
    pub(super) sequence: u64,
    pub(super) link: Link,
    pub(super) passage: Passage,
}

impl PartialEq for Flight {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.sequence) == (other.at, other.sequence)
    }
}

impl Eq for Flight {}

impl PartialOrd for Flight {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Flight {
    /// Reverses the order, because the heap pops the greatest element and the network needs the earliest.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.sequence).cmp(&(self.at, self.sequence))
    }
}
