//! The packets under way between sockets, in the order in which they arrive.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use crate::slots::Key;

use super::machine::MachineId;

/// A message from one socket to another, or a timer of a socket that stands in the same order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packet {
    /// A connect, with the number of SYNs sent before.
    Syn(u32),
    /// The answer of a listener to a SYN.
    SynAck,
    /// A number of bytes, which are in the receiver's buffer already.
    Bytes(usize),
    /// The sender's end.
    Fin,
    /// The connection does not exist, or no longer.
    Reset,
    /// The number of bytes that the receiver has read.
    Window(usize),
    /// A timer: a fault has held readiness back, which is due to be reported.
    Renotify,
    /// A timer: connecting has taken too long.
    ConnectTimeout,
    /// A timer: the peer has not answered for too long.
    PeerTimeout,
}

impl Packet {
    /// Whether it crosses the network. A timer does not.
    pub(super) fn travels(self) -> bool {
        !matches!(
            self,
            Self::Renotify | Self::ConnectTimeout | Self::PeerTimeout
        )
    }
}

/// The machines that a packet goes from and to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    pub(super) from: MachineId,
    pub(super) to: MachineId,
}

impl Link {
    /// The link of a socket to itself, for timers.
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

/// A packet under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flight {
    /// Its arrival, in nanoseconds of the simulation.
    pub(super) at: u64,
    /// Orders packets that arrive at the same time by the time at which they were sent.
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
    /// Reversed, as the heap pops the greatest.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.sequence).cmp(&(self.at, self.sequence))
    }
}

/// All packets under way.
#[derive(Debug, Default)]
pub(super) struct Wire {
    flights: BinaryHeap<Flight>,
    /// The packets that a partition holds back, in the order of sending.
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

    /// The number of packets under way, without timers.
    pub(super) fn packets(&self) -> usize {
        let flights = self.flights.iter().chain(&self.held);
        flights.filter(|flight| flight.packet.travels()).count()
    }

    /// The memory that it takes.
    pub(super) fn held_bytes(&self) -> usize {
        (self.flights.capacity() + self.held.capacity()) * size_of::<Flight>()
    }

    /// The next packet to arrive.
    pub(super) fn peek(&self) -> Option<&Flight> {
        self.flights.peek()
    }

    pub(super) fn pop(&mut self) -> Option<Flight> {
        self.flights.pop()
    }

    /// Keeps a packet back until [`release`](Self::release).
    pub(super) fn hold(&mut self, flight: Flight) {
        self.held.push(flight);
    }

    /// Drops the held packets of `from`, which has given up sending them again.
    pub(super) fn drop_held(&mut self, from: Key) {
        self.held.retain(|flight| flight.from != from);
    }

    /// Sends the held packets again, to arrive at `at` in the same order.
    pub(super) fn release(&mut self, at: u64) {
        for flight in std::mem::take(&mut self.held) {
            self.send(at, flight.from, flight.to, flight.link, flight.packet);
        }
    }
}
