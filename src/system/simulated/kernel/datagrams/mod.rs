//! The UDP sockets of all machines, and the datagrams between them, which the network may lose, double and reorder.

mod calls;
mod delivery;
mod flight;
mod socket;

use std::collections::BinaryHeap;
use std::net::SocketAddr;

use crate::readiness::Readiness;
use crate::slots::{Key, Slots};
use crate::system::faults::call_error::CallError;
use crate::system::options::UdpBinding;
use crate::system::simulated::flavour::Flavour;

use super::machine::{MachineId, Watched};
use super::watch::Watch;
use super::wire::Link;
use super::world::World;

use flight::{Flight, Passage};
use socket::UdpSocket;

/// The first and the last ephemeral port, as on Linux. The ports of UDP are apart from those of TCP.
const FIRST_PORT: u16 = 32_768;
const LAST_PORT: u16 = 60_999;

#[derive(Debug)]
pub(super) struct Datagrams {
    sockets: Slots<UdpSocket>,
    flights: BinaryHeap<Flight>,
    /// The number of flights so far, which orders those that arrive at the same time.
    sequence: u64,
    next_port: u16,
}

impl Datagrams {
    pub(super) fn new() -> Self {
        Self {
            sockets: Slots::new(),
            flights: BinaryHeap::new(),
            sequence: 0,
            next_port: FIRST_PORT,
        }
    }

    pub(super) fn get(&self, key: Key) -> Option<&UdpSocket> {
        self.sockets.get(key)
    }

    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut UdpSocket> {
        self.sockets.get_mut(key)
    }

    pub(super) fn len(&self) -> usize {
        self.sockets.len()
    }

    pub(super) fn nth(&self, position: usize) -> Option<&Watch> {
        let found = self.sockets.iter().nth(position);
        found.map(|(_, socket)| &socket.watch)
    }

    pub(super) fn packets(&self) -> usize {
        let flights = self.flights.iter();
        flights.filter(|flight| flight.passage.travels()).count()
    }

    pub(super) fn held_bytes(&self) -> usize {
        let buffers = self.sockets.iter().map(|(_, socket)| socket.held_bytes());
        let flights = self
            .flights
            .iter()
            .map(|flight| flight.passage.held_bytes());
        buffers.chain(flights).sum::<usize>() + self.flights.capacity() * size_of::<Flight>()
    }

    pub(super) fn bind(
        &mut self,
        world: &mut World,
        machine: MachineId,
        address: SocketAddr,
        binding: &UdpBinding,
    ) -> Result<Key, CallError> {
        let address = match address.port() {
            0 => self.with_free_port(machine, address)?,
            _ => address,
        };
        let is_refused = |other: &UdpSocket| {
            other.overlaps(machine, address)
                && !(binding.reuse_address && other.binding.reuse_address)
                && !(binding.reuse_port && other.binding.reuse_port)
        };
        if self.sockets.iter().any(|(_, other)| is_refused(other)) {
            return Err(CallError::AddressInUse);
        }
        world.open_socket(machine)?;
        let socket = UdpSocket::new(Watch::new(machine), address, *binding);
        Ok(self.sockets.insert(socket))
    }

    fn with_free_port(
        &mut self,
        machine: MachineId,
        address: SocketAddr,
    ) -> Result<SocketAddr, CallError> {
        for _ in FIRST_PORT..=LAST_PORT {
            let port = self.next_port;
            self.next_port = match port {
                LAST_PORT => FIRST_PORT,
                _ => port + 1,
            };
            let address = SocketAddr::new(address.ip(), port);
            let mut sockets = self.sockets.iter();
            if !sockets.any(|(_, other)| other.overlaps(machine, address)) {
                return Ok(address);
            }
        }
        Err(CallError::AddressInUse)
    }

    /// Closes the socket `key`. Datagrams to it that are under way find no socket when they arrive.
    pub(super) fn close(&mut self, world: &mut World, key: Key) {
        if let Some(socket) = self.sockets.remove(key) {
            let machine = socket.watch.machine;
            world.machines.get_mut(machine).sockets -= 1;
            world.record(machine, Some(socket.addresses()), || "closes".to_owned());
        }
    }

    pub(super) fn crash(&mut self, machine: MachineId) {
        let of_machine = |socket: &UdpSocket| socket.watch.machine == machine;
        let sockets = self.sockets.iter().filter(|(_, socket)| of_machine(socket));
        let keys: Vec<Key> = sockets.map(|(key, _)| key).collect();
        for key in keys {
            self.sockets.remove(key);
        }
    }

    pub(super) fn notify(&mut self, world: &mut World, key: Key, readiness: Readiness) {
        if let Some(socket) = self.sockets.get_mut(key) {
            if socket.watch.change(readiness) {
                world.enqueue(socket.watch.machine, Watched::UdpSocket(key));
            }
        }
    }

    /// A kernel of the AFD flavour reports all readiness again after a call that would have blocked.
    fn on_blocked(&mut self, world: &mut World, key: Key) {
        if world.options.flavour != Flavour::Afd {
            return;
        }
        if let Some(socket) = self.sockets.get_mut(key) {
            if socket.watch.rearm() {
                world.enqueue(socket.watch.machine, Watched::UdpSocket(key));
            }
        }
    }

    fn send_at(&mut self, at: u64, link: Link, passage: Passage) {
        self.sequence += 1;
        self.flights.push(Flight {
            at,
            sequence: self.sequence,
            link,
            passage,
        });
    }

    /// Reports the readiness of `key` again later, because a fault has hidden it.
    fn renotify_later(&mut self, world: &mut World, key: Key) {
        let Some(socket) = self.sockets.get(key) else {
            return;
        };
        if world.options.flavour == Flavour::Afd {
            // With AFD, the call that met the fault counts as one that would have blocked, after which the kernel
            // reports again.
            return self.on_blocked(world, key);
        }
        let link = Link::within(socket.watch.machine);
        let at = world.arrival(link);
        self.send_at(at, link, Passage::Renotify(key));
    }
}
