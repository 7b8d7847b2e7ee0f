//! The endpoints of all connections and the packets between them.

mod calls;

use std::net::SocketAddr;
use std::time::Duration;

use crate::readiness::Readiness;
use crate::slots::{Key, Slots};
use crate::system::options::KeepAliveTimes;
use crate::system::simulated::flavour::Flavour;

use super::clock::nanoseconds;
use super::endpoint::{Endpoint, Phase, Reaction};
use super::machine::{MachineId, Watched};
use super::watch::Watch;
use super::wire::{Flight, Link, Packet, Wire};
use super::world::World;

/// The time for which Linux tries to connect: six SYNs, each with twice the wait of the one before.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(127);

/// All endpoints, and the wire that connects them.
#[derive(Debug)]
pub(super) struct Connections {
    endpoints: Slots<Endpoint>,
    wire: Wire,
}

impl Connections {
    pub(super) fn new() -> Self {
        Self {
            endpoints: Slots::new(),
            wire: Wire::default(),
        }
    }

    pub(super) fn get(&self, key: Key) -> Option<&Endpoint> {
        self.endpoints.get(key)
    }

    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut Endpoint> {
        self.endpoints.get_mut(key)
    }

    pub(super) fn len(&self) -> usize {
        self.endpoints.len()
    }

    /// The endpoint at a position in the order of the slots.
    pub(super) fn nth(&self, position: usize) -> Option<&Endpoint> {
        let found = self.endpoints.iter().nth(position);
        found.map(|(_, endpoint)| endpoint)
    }

    /// The memory that the buffers and the packets take.
    pub(super) fn held_bytes(&self) -> usize {
        let buffers = self
            .endpoints
            .iter()
            .map(|(_, endpoint)| endpoint.inbox.held_bytes());
        buffers.sum::<usize>() + self.wire.held_bytes()
    }

    pub(super) fn packets(&self) -> usize {
        self.wire.packets()
    }

    /// The link between the machines of two endpoints. A closed peer counts as being on the same machine.
    fn link(&self, machine: MachineId, peer: Key) -> Link {
        let peer = self.endpoints.get(peer);
        Link {
            from: machine,
            to: peer.map_or(machine, |peer| peer.watch.machine),
        }
    }

    /// Notes a change of readiness, and queues the endpoint for its machine's next poll.
    pub(super) fn notify(&mut self, world: &mut World, key: Key, readiness: Readiness) {
        if let Some(endpoint) = self.endpoints.get_mut(key) {
            if endpoint.watch.change(readiness) {
                world.enqueue(endpoint.watch.machine, Watched::Endpoint(key));
            }
        }
    }

    /// Sends `packet`. It arrives after everything that `from` has sent before; a reset waits for no bytes.
    pub(super) fn send(
        &mut self,
        world: &mut World,
        from: Key,
        to: Key,
        link: Link,
        packet: Packet,
    ) {
        let mut at = world.arrival();
        if matches!(packet, Packet::SynAck | Packet::Bytes(_) | Packet::Fin) {
            if let Some(endpoint) = self.endpoints.get_mut(from) {
                let window = &mut endpoint.window;
                at = at.max(window.busy_until);
                if let (Packet::Bytes(count), Some(rate)) = (packet, world.options.bytes_per_second)
                {
                    at += (count as u64).saturating_mul(1_000_000_000) / rate.max(1);
                }
                window.busy_until = at;
            }
        }
        self.wire.send(at, from, to, link, packet);
    }

    fn send_to_peer(&mut self, world: &mut World, key: Key, packet: Packet) {
        let Some(endpoint) = self.endpoints.get(key) else {
            return;
        };
        if let Some(peer) = endpoint.peer {
            let link = self.link(endpoint.watch.machine, peer);
            self.send(world, key, peer, link, packet);
        }
    }

    /// Opens a connecting socket on `machine`.
    pub(super) fn open(
        &mut self,
        world: &World,
        machine: MachineId,
        local: SocketAddr,
        remote: SocketAddr,
    ) -> Key {
        let watch = Watch::new(machine);
        let capacity = world.options.capacity;
        let endpoint = Endpoint::new(watch, local, remote, capacity);
        self.endpoints.insert(endpoint)
    }

    /// Sends the first SYN of `client`, with a delay beyond that of every packet.
    pub(super) fn send_syn(&mut self, world: &mut World, client: Key, link: Link, delay: Duration) {
        let at = world.arrival() + nanoseconds(delay);
        self.wire.send(at, client, client, link, Packet::Syn(0));
    }

    /// Sends the next SYN of `client`, as Linux drops one that finds the backlog full.
    pub(super) fn retry_syn(&mut self, world: &World, client: Key, link: Link, tries: u32) {
        let backoff = Duration::from_secs(1 << tries.min(6));
        let at = world.clock.nanoseconds() + nanoseconds(backoff);
        let packet = Packet::Syn(tries + 1);
        self.wire.send(at, client, client, link, packet);
    }

    pub(super) fn arm_connect_timeout(&mut self, world: &World, client: Key, machine: MachineId) {
        let at = world.clock.nanoseconds() + nanoseconds(CONNECT_TIMEOUT);
        let link = Link::within(machine);
        self.wire
            .send(at, client, client, link, Packet::ConnectTimeout);
    }

    /// Answers the SYN of `client` with a reset, as no socket listens.
    pub(super) fn refuse(&mut self, world: &mut World, client: Key, machine: MachineId) {
        let link = Link::within(machine);
        self.send(world, client, client, link, Packet::Reset);
    }

    /// Makes the server's end of the connection of `client`, on `machine`, and answers the SYN.
    pub(super) fn establish(
        &mut self,
        world: &mut World,
        client: Key,
        machine: MachineId,
    ) -> Option<Key> {
        let endpoint = self.endpoints.get(client)?;
        let (local, remote) = (endpoint.remote, endpoint.local);
        let link = Link {
            from: machine,
            to: endpoint.watch.machine,
        };
        let watch = Watch::new(machine);
        let mut accepted = Endpoint::new(watch, local, remote, world.options.capacity);
        accepted.phase = Phase::Connected;
        accepted.peer = Some(client);
        let accepted = self.endpoints.insert(accepted);
        self.endpoints.get_mut(client)?.peer = Some(accepted);
        self.send(world, accepted, client, link, Packet::SynAck);
        Some(accepted)
    }

    /// Connects `client` to itself (simultaneous open).
    pub(super) fn connect_to_itself(&mut self, world: &mut World, client: Key) {
        if let Some(endpoint) = self.endpoints.get_mut(client) {
            endpoint.phase = Phase::Connected;
            endpoint.peer = Some(client);
        }
        self.notify(world, client, Readiness::all());
    }

    /// The arrival of the next packet. Moot ones are dropped first, so that no loop waits for them.
    pub(super) fn next_arrival(&mut self) -> Option<u64> {
        while let Some(flight) = self.wire.peek() {
            if !self.is_moot(flight) {
                return Some(flight.at);
            }
            self.wire.pop();
        }
        None
    }

    /// Takes the next packet that arrives until `now`, without the moot ones.
    pub(super) fn pop_due(&mut self, now: u64) -> Option<Flight> {
        while self.wire.peek().is_some_and(|flight| flight.at <= now) {
            let flight = self.wire.pop()?;
            if !self.is_moot(&flight) {
                return Some(flight);
            }
        }
        None
    }

    /// Whether its arrival would make no difference any more.
    fn is_moot(&self, flight: &Flight) -> bool {
        let endpoint = self.endpoints.get(flight.to);
        match flight.packet {
            Packet::ConnectTimeout => {
                endpoint.is_none_or(|endpoint| endpoint.phase != Phase::Connecting)
            }
            Packet::PeerTimeout => endpoint.is_none_or(|endpoint| {
                endpoint.phase != Phase::Connected || !endpoint.timeouts.ends_at(flight.at)
            }),
            Packet::Renotify | Packet::Window(_) => endpoint.is_none(),
            _ => false,
        }
    }

    /// Handles a packet that has arrived, other than a SYN.
    pub(super) fn receive(&mut self, world: &mut World, flight: &Flight) {
        let (from, to) = (flight.from, flight.to);
        let Some(endpoint) = self.endpoints.get_mut(to) else {
            // The socket is closed, and its kernel answers bytes and connections with a reset.
            if matches!(flight.packet, Packet::Bytes(_) | Packet::SynAck) {
                let link = flight.link.reversed();
                self.send(world, to, from, link, Packet::Reset);
            }
            return;
        };
        let reaction = endpoint.receive(flight.packet);
        if matches!(flight.packet, Packet::ConnectTimeout | Packet::PeerTimeout) {
            self.wire.drop_held(to);
        }
        match reaction {
            Reaction::Nothing => {}
            Reaction::Notify(readiness) => self.notify(world, to, readiness),
            Reaction::Reply(packet) => self.send(world, to, from, flight.link.reversed(), packet),
        }
    }

    /// Reports the readiness of `key` again later, because a fault has hidden it.
    fn renotify_later(&mut self, world: &mut World, key: Key, machine: MachineId) {
        if world.options.flavour == Flavour::Afd {
            // AFD reports nothing without a call that has blocked.
            return;
        }
        let at = world.arrival();
        let link = Link::within(machine);
        self.wire.send(at, key, key, link, Packet::Renotify);
    }

    /// Notes that a packet of an endpoint has got through: both ends have heard of each other.
    pub(super) fn on_heard(&mut self, world: &World, flight: &Flight) {
        if !flight.packet.travels() {
            return;
        }
        let now = world.clock.nanoseconds();
        for key in [flight.from, flight.to] {
            if let Some(endpoint) = self.endpoints.get_mut(key) {
                endpoint.timeouts.on_heard(now);
            }
        }
    }

    /// Holds a packet back until the partition heals. If it wants an acknowledgement, retransmission begins.
    pub(super) fn hold(&mut self, world: &World, flight: Flight) {
        let key = flight.from;
        let wants_acknowledgement = matches!(flight.packet, Packet::Bytes(_) | Packet::Fin);
        self.wire.hold(flight);
        let Some(endpoint) = self.endpoints.get_mut(key) else {
            return;
        };
        if wants_acknowledgement {
            let timeout = nanoseconds(world.options.retransmission_timeout);
            let end = world.clock.nanoseconds() + timeout;
            if let Some(end) = endpoint.timeouts.on_held(end) {
                let machine = endpoint.watch.machine;
                self.arm_peer_timeout(key, machine, end);
            }
        }
    }

    /// Sets SO_KEEPALIVE of the endpoint `key`.
    pub(super) fn set_keep_alive(
        &mut self,
        world: &World,
        key: Key,
        times: Option<KeepAliveTimes>,
    ) {
        if let Some(endpoint) = self.endpoints.get_mut(key) {
            endpoint.timeouts.set_keep_alive(times);
        }
        self.update_probing(world, key);
    }

    /// Sends the held packets, after a machine was cut off or has come back, and begins or ends probing.
    pub(super) fn on_partition_change(&mut self, world: &World) {
        // At once, so that no packet under way overtakes them.
        self.wire.release(world.clock.nanoseconds());
        let keys: Vec<Key> = self.endpoints.iter().map(|(key, _)| key).collect();
        for key in keys {
            self.update_probing(world, key);
        }
    }

    fn update_probing(&mut self, world: &World, key: Key) {
        let is_cut_off = self.is_cut_off(world, key);
        let now = world.clock.nanoseconds();
        let Some(endpoint) = self.endpoints.get_mut(key) else {
            return;
        };
        if !is_cut_off {
            endpoint.timeouts.on_reachable(now);
            return;
        }
        if endpoint.phase == Phase::Connected {
            if let Some(end) = endpoint.timeouts.on_partition(now) {
                let machine = endpoint.watch.machine;
                self.arm_peer_timeout(key, machine, end);
            }
        }
    }

    /// Whether a partition is between an endpoint and its peer.
    fn is_cut_off(&self, world: &World, key: Key) -> bool {
        let endpoint = self.endpoints.get(key);
        let peer = endpoint.and_then(|endpoint| self.endpoints.get(endpoint.peer?));
        match (endpoint, peer) {
            (Some(here), Some(there)) => world
                .machines
                .are_partitioned(here.watch.machine, there.watch.machine),
            _ => false,
        }
    }

    fn arm_peer_timeout(&mut self, key: Key, machine: MachineId, end: u64) {
        let link = Link::within(machine);
        self.wire.send(end, key, key, link, Packet::PeerTimeout);
    }
}
