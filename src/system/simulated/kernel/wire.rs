//! What is under way between sockets, in the order in which it arrives.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use crate::slots::Key;

/// What goes from one socket to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packet {
    /// A connect, tried for the so-many-th time.
    Syn(u32),
    /// The connect has met a listener.
    SynAck,
    /// So many bytes, which lie in the receiver's inbox already.
    Bytes(usize),
    /// The sender's end.
    Fin,
    /// The connection is no more; or never was.
    Reset,
    /// The receiver of bytes has read so many.
    Window(usize),
    /// No packet: news for the selector that a fault has held back.
    News,
    /// No packet: connecting has taken too long.
    GiveUp,
    /// No packet: the peer has not answered for too long.
    Silence,
}

impl Packet {
    /// Whether it has to cross the network.
    pub(crate) fn travels(self) -> bool {
        !matches!(self, Self::News | Self::GiveUp | Self::Silence)
    }
}

/// A packet under way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flight {
    /// When it arrives, in nanoseconds of the simulation.
    pub(crate) at: u64,
    /// What is sent first arrives first, if both arrive at the same time.
    sequence: u64,
    pub(crate) from: Key,
    pub(crate) to: Key,
    /// The machines that it goes from and to.
    pub(crate) route: (usize, usize),
    pub(crate) packet: Packet,
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
    /// Reversed, as the heap gives out the greatest.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.sequence).cmp(&(self.at, self.sequence))
    }
}

/// Everything that is under way.
#[derive(Debug, Default)]
pub(crate) struct Wire {
    flights: BinaryHeap<Flight>,
    /// What cannot arrive as a machine is isolated, in the order of sending.
    held: Vec<Flight>,
    sequence: u64,
}

impl Wire {
    pub(crate) fn send(
        &mut self,
        at: u64,
        from: Key,
        to: Key,
        route: (usize, usize),
        packet: Packet,
    ) {
        self.sequence += 1;
        self.flights.push(Flight {
            at,
            sequence: self.sequence,
            from,
            to,
            route,
            packet,
        });
    }

    /// How many packets there are. What only stands in their order is none.
    pub(crate) fn packets(&self) -> usize {
        let flights = self.flights.iter().chain(&self.held);
        flights.filter(|flight| flight.packet.travels()).count()
    }

    /// How much memory it takes.
    pub(crate) fn held_bytes(&self) -> usize {
        (self.flights.capacity() + self.held.capacity()) * size_of::<Flight>()
    }

    /// The next packet, whenever it arrives.
    pub(crate) fn peek(&self) -> Option<&Flight> {
        self.flights.peek()
    }

    pub(crate) fn pop(&mut self) -> Option<Flight> {
        self.flights.pop()
    }

    /// Keeps a packet back until [`release`](Self::release).
    pub(crate) fn hold(&mut self, flight: Flight) {
        self.held.push(flight);
    }

    /// What `from` has sent and was held back is never sent again.
    pub(crate) fn forget(&mut self, from: Key) {
        self.held.retain(|flight| flight.from != from);
    }

    /// What was held back sets out again, to arrive at `at` in the same order.
    pub(crate) fn release(&mut self, at: u64) {
        for flight in std::mem::take(&mut self.held) {
            self.send(at, flight.from, flight.to, flight.route, flight.packet);
        }
    }
}
