//! The packets under way between sockets, in the order in which they arrive.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use crate::slots::Key;

use super::machine::MachineId;

/// A packet between two sockets, or a timer of one socket. Timers are queued among the packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packet {
    /// The request to connect, with the number of SYNs that were sent before.
    Syn(u32),
    SynAck,
    /// The arrival of this number of bytes. The sender has put them in the receiver's buffer; now they become readable.
    Bytes(usize),
    Fin,
    /// A reset: the sender has no such connection, or has ended it without a FIN.
    Reset,
    /// The receiver has read this number of further bytes, so the same capacity is free again.
    Window(usize),
    /// A timer: the selector reports the socket again, because a fault has hidden the socket's readiness.
    Renotify,
    /// A timer: the connect fails if it has not succeeded.
    ConnectTimeout,
    /// A timer: the connection fails because the peer has not answered.
    PeerTimeout,
}

impl Packet {
    pub(super) fn travels(self) -> bool {
        !matches!(
            self,
            Self::Renotify | Self::ConnectTimeout | Self::PeerTimeout
        )
    }

    /// Returns the words of the log for the arrival of this packet, if the log has any.
    pub(super) fn arrival(self) -> Option<String> {
        Some(match self {
            Self::SynAck => "is connected".to_owned(),
            Self::Bytes(count) => format!("receives {count} bytes"),
            Self::Fin => "receives the end".to_owned(),
            Self::Reset => "receives a reset".to_owned(),
            Self::ConnectTimeout => "gives up connecting".to_owned(),
            Self::PeerTimeout => "gives up a peer that does not answer".to_owned(),
            Self::Syn(_) | Self::Window(_) | Self::Renotify => return None,
        })
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    pub(super) from: MachineId,
    pub(super) to: MachineId,
}

impl Link {
    /// Returns the link from a machine to itself, for timers.
    pub(super) fn within(machine: MachineId) -> Self {
        Self {
            from: machine,
            to: machine,
        }
    }

    pub(super) fn reversed(self) -> Self {
        Self {
            from: self.to,
            to: self.from,
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Flight {
    /// The time of arrival, in nanoseconds since the beginning of the simulation.
    pub(super) at: u64,
    /// The number of the packet in the order of sending, which also orders packets that arrive at the same time.
    sequence: u64,
    pub(super) from: Key,
    pub(super) to: Key,
    pub(super) link: Link,
    pub(super) packet: Packet,
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
    /// Reverses the order, because the heap pops the greatest element and the network needs the earliest packet.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.sequence).cmp(&(self.at, self.sequence))
    }
}

#[derive(Debug, Default)]
pub(super) struct Wire {
    flights: BinaryHeap<Flight>,
    /// The packets that partitions and machines that are down hold back, in the order in which they would have arrived.
    held: Vec<Flight>,
    sequence: u64,
}

impl Wire {
    pub(super) fn send(&mut self, at: u64, from: Key, to: Key, link: Link, packet: Packet) {
        self.sequence += 1;
        self.flights.push(Flight {
            at,
            sequence: self.sequence,
            from,
            to,
            link,
            packet,
        });
    }

    /// Returns the number of packets under way or held back, timers not counted.
    pub(super) fn packets(&self) -> usize {
        let flights = self.flights.iter().chain(&self.held);
        flights.filter(|flight| flight.packet.travels()).count()
    }

    pub(super) fn held_bytes(&self) -> usize {
        (self.flights.capacity() + self.held.capacity()) * size_of::<Flight>()
    }

    pub(super) fn peek(&self) -> Option<&Flight> {
        self.flights.peek()
    }

    pub(super) fn pop(&mut self) -> Option<Flight> {
        self.flights.pop()
    }

    pub(super) fn hold(&mut self, flight: Flight) {
        self.held.push(flight);
    }

    /// Drops the held packets of the socket `from`, which has given up its connection or whose machine has crashed.
    pub(super) fn drop_held(&mut self, from: Key) {
        self.held.retain(|flight| flight.from != from);
    }

    /// Sends the held packets again. The packets arrive at the time `at`, in the order in which they were held.
    pub(super) fn release(&mut self, at: u64) {
        for flight in std::mem::take(&mut self.held) {
            self.send(at, flight.from, flight.to, flight.link, flight.packet);
        }
    }
}
