//! The sockets of all connections, and the packets between them.

mod calls;

use std::net::SocketAddr;
use std::time::Duration;

use crate::readiness::Readiness;
use crate::slots::{Key, Slots};
use crate::system::options::KeepAliveTimes;
use crate::system::simulated::flavour::Flavour;

use super::clock::nanoseconds;
use super::machine::{MachineId, Watched};
use super::tcp_socket::{Reaction, TcpSocket, TcpState};
use super::watch::Watch;
use super::wire::{Flight, Link, Packet, Wire};
use super::world::World;

/// The time for which Linux tries to connect: Linux resends the SYN six times, and waits twice as long after each SYN.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(127);

#[derive(Debug)]
pub(super) struct Connections {
    sockets: Slots<TcpSocket>,
    wire: Wire,
}

impl Connections {
    pub(super) fn new() -> Self {
        Self {
            sockets: Slots::new(),
            wire: Wire::default(),
        }
    }

    pub(super) fn get(&self, key: Key) -> Option<&TcpSocket> {
        self.sockets.get(key)
    }

    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut TcpSocket> {
        self.sockets.get_mut(key)
    }

    pub(super) fn len(&self) -> usize {
        self.sockets.len()
    }

    pub(super) fn nth(&self, position: usize) -> Option<&TcpSocket> {
        let found = self.sockets.iter().nth(position);
        found.map(|(_, socket)| socket)
    }

    pub(super) fn held_bytes(&self) -> usize {
        let buffers = self
            .sockets
            .iter()
            .map(|(_, socket)| socket.inbox.held_bytes());
        buffers.sum::<usize>() + self.wire.held_bytes()
    }

    pub(super) fn packets(&self) -> usize {
        self.wire.packets()
    }

    /// Notes a change of the readiness of `key`, and puts the socket on the ready list if it has to be there.
    pub(super) fn notify(&mut self, world: &mut World, key: Key, readiness: Readiness) {
        if let Some(socket) = self.sockets.get_mut(key) {
            if socket.watch.change(readiness) {
                world.enqueue(socket.watch.machine, Watched::TcpSocket(key));
            }
        }
    }

    /// Sends `packet`. A SYN-ACK, bytes and a FIN arrive in order. A reset and a window may overtake them.
    pub(super) fn send(
        &mut self,
        world: &mut World,
        from: Key,
        to: Key,
        link: Link,
        packet: Packet,
    ) {
        let mut at = world.arrival(link);
        if matches!(packet, Packet::SynAck | Packet::Bytes(_) | Packet::Fin) {
            if let Some(socket) = self.sockets.get_mut(from) {
                let window = &mut socket.window;
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
        let Some(socket) = self.sockets.get(key) else {
            return;
        };
        if let Some(peer) = socket.peer {
            let link = socket.link();
            self.send(world, key, peer, link, packet);
        }
    }

    pub(super) fn open(
        &mut self,
        world: &World,
        machine: MachineId,
        local: SocketAddr,
        remote: SocketAddr,
    ) -> Key {
        let watch = Watch::new(machine);
        let capacity = world.options.capacity;
        let socket = TcpSocket::new(watch, local, remote, capacity);
        self.sockets.insert(socket)
    }

    /// Sends the first SYN of `client`, which takes `delay` longer than other packets.
    pub(super) fn send_syn(&mut self, world: &mut World, client: Key, link: Link, delay: Duration) {
        let at = world.arrival(link) + nanoseconds(delay);
        self.wire.send(at, client, client, link, Packet::Syn(0));
    }

    /// Sends a further SYN of `client` after a backoff: a full backlog dropped the last one, or the machine was down.
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

    pub(super) fn refuse(&mut self, world: &mut World, client: Key, link: Link) {
        self.send(world, client, client, link, Packet::Reset);
    }

    /// Makes the server's socket for the connection of `client`, on `machine`, and answers the SYN.
    pub(super) fn establish(
        &mut self,
        world: &mut World,
        client: Key,
        machine: MachineId,
    ) -> Option<Key> {
        let socket = self.sockets.get(client)?;
        let (local, remote) = (socket.remote, socket.local);
        let link = Link {
            from: machine,
            to: socket.watch.machine,
        };
        let watch = Watch::new(machine);
        let mut accepted = TcpSocket::new(watch, local, remote, world.options.capacity);
        accepted.state = TcpState::Connected;
        accepted.peer = Some(client);
        accepted.peer_machine = Some((link.to, world.machines.get(link.to).crashes));
        world.record(machine, Some((local, remote)), || {
            "is asked to connect".to_owned()
        });
        let accepted = self.sockets.insert(accepted);
        let client_socket = self.sockets.get_mut(client)?;
        client_socket.peer = Some(accepted);
        client_socket.peer_machine = Some((machine, world.machines.get(machine).crashes));
        self.send(world, accepted, client, link, Packet::SynAck);
        Some(accepted)
    }

    /// Connects `client` to itself (simultaneous open).
    pub(super) fn connect_to_itself(&mut self, world: &mut World, client: Key) {
        if let Some(socket) = self.sockets.get_mut(client) {
            socket.state = TcpState::Connected;
            socket.peer = Some(client);
            let machine = socket.watch.machine;
            socket.peer_machine = Some((machine, world.machines.get(machine).crashes));
        }
        self.notify(world, client, Readiness::all());
    }

    /// Returns the next time of arrival. Drops the [moot](Self::is_moot) packets before it: no loop must wait for them.
    pub(super) fn next_arrival(&mut self) -> Option<u64> {
        while let Some(flight) = self.wire.peek() {
            if !self.is_moot(flight) {
                return Some(flight.at);
            }
            self.wire.pop();
        }
        None
    }

    pub(super) fn pop_due(&mut self, now: u64) -> Option<Flight> {
        while self.wire.peek().is_some_and(|flight| flight.at <= now) {
            let flight = self.wire.pop()?;
            if !self.is_moot(&flight) {
                return Some(flight);
            }
        }
        None
    }

    /// Whether `flight` is dropped without an arrival: it is out of date, or of no use to a closed socket. Other
    /// packets to a closed socket do arrive, because its kernel may answer them.
    fn is_moot(&self, flight: &Flight) -> bool {
        let socket = self.sockets.get(flight.to);
        match flight.packet {
            Packet::ConnectTimeout => {
                socket.is_none_or(|socket| socket.state != TcpState::Connecting)
            }
            Packet::PeerTimeout => socket.is_none_or(|socket| {
                socket.state != TcpState::Connected || !socket.timeouts.ends_at(flight.at)
            }),
            Packet::Syn(_) => socket.is_none_or(|socket| socket.state != TcpState::Connecting),
            Packet::Renotify | Packet::Window(_) | Packet::Reset => socket.is_none(),
            _ => false,
        }
    }

    /// Handles a packet that has arrived, other than a SYN.
    pub(super) fn receive(&mut self, world: &mut World, flight: &Flight) {
        let (from, to) = (flight.from, flight.to);
        let Some(socket) = self.sockets.get_mut(to) else {
            // The receiving socket is closed, so its kernel answers bytes and a SYN-ACK with a reset. A kernel that
            // has forgotten the connection in a crash answers a FIN with a reset too.
            let is_answered = match flight.packet {
                Packet::Bytes(_) | Packet::SynAck => true,
                Packet::Fin => self.lost_its_peer(world, from),
                _ => false,
            };
            if is_answered {
                let link = flight.link.reversed();
                self.send(world, to, from, link, Packet::Reset);
            }
            return;
        };
        let reaction = socket.receive(flight.packet);
        if let Some(text) = flight.packet.arrival() {
            let (machine, addresses) = (socket.watch.machine, (socket.local, socket.remote));
            world.record(machine, Some(addresses), || text);
        }
        if matches!(flight.packet, Packet::ConnectTimeout | Packet::PeerTimeout) {
            self.wire.drop_held(to);
        }
        match reaction {
            Reaction::Nothing => {}
            Reaction::Notify(readiness) => self.notify(world, to, readiness),
            Reaction::Reply(packet) => self.send(world, to, from, flight.link.reversed(), packet),
        }
    }

    /// Arms a timer that reports the readiness of `key` again, because a fault has hidden the readiness.
    fn renotify_later(&mut self, world: &mut World, key: Key, machine: MachineId) {
        if world.options.flavour == Flavour::Afd {
            // The timer would have no effect: AFD reports again only after a call that would have blocked.
            return;
        }
        let link = Link::within(machine);
        let at = world.arrival(link);
        self.wire.send(at, key, key, link, Packet::Renotify);
    }

    /// Notes that a packet has arrived. The packet, and the acknowledgement that TCP sends for it, show each end that
    /// the other end can be reached. If a partition blocks the acknowledgement, the sender retransmits.
    pub(super) fn on_heard(&mut self, world: &World, flight: &Flight) {
        if !flight.packet.travels() {
            return;
        }
        let now = world.clock.nanoseconds();
        if let Some(socket) = self.sockets.get_mut(flight.to) {
            socket.timeouts.on_heard(now);
        }
        let Link { from, to } = flight.link;
        if !world.machines.reaches(to, from) {
            self.retransmit(world, flight);
        } else if let Some(socket) = self.sockets.get_mut(flight.from) {
            socket.timeouts.on_heard(now);
        }
    }

    /// Holds a packet back until [`on_partition_change`](Self::on_partition_change) sends it again.
    pub(super) fn hold(&mut self, world: &World, flight: Flight) {
        self.wire.hold(flight);
        self.retransmit(world, &flight);
    }

    /// Lets the sender of a packet begin to retransmit, if the packet needs an acknowledgement.
    fn retransmit(&mut self, world: &World, flight: &Flight) {
        let key = flight.from;
        let Some(socket) = self.sockets.get_mut(key) else {
            return;
        };
        if matches!(flight.packet, Packet::Bytes(_) | Packet::Fin) {
            let timeout = nanoseconds(world.options.retransmission_timeout);
            let end = world.clock.nanoseconds() + timeout;
            if let Some(end) = socket.timeouts.on_held(end) {
                let machine = socket.watch.machine;
                self.arm_peer_timeout(key, machine, end);
            }
        }
    }

    pub(super) fn set_keep_alive(
        &mut self,
        world: &World,
        key: Key,
        times: Option<KeepAliveTimes>,
    ) {
        if let Some(socket) = self.sockets.get_mut(key) {
            socket.timeouts.set_keep_alive(times);
        }
        self.update_probing(world, key);
    }

    /// Handles the beginning or the end of a partition, of a blocked link or of a crash.
    pub(super) fn on_partition_change(&mut self, world: &World) {
        // The held packets arrive now, so that no later packet overtakes them.
        self.wire.release(world.clock.nanoseconds());
        let keys: Vec<Key> = self.sockets.iter().map(|(key, _)| key).collect();
        for key in keys {
            self.update_probing(world, key);
        }
    }

    /// Begins or ends the keep-alive probes of a socket, after a change of its options or of the links.
    fn update_probing(&mut self, world: &World, key: Key) {
        let now = world.clock.nanoseconds();
        let is_lost = self.lost_its_peer(world, key);
        let Some(socket) = self.sockets.get_mut(key) else {
            return;
        };
        let Link { from, to } = socket.link();
        if world.machines.are_in_touch(from, to) {
            let answer = socket.timeouts.next_probe(now).filter(|_| is_lost);
            socket.timeouts.on_reachable(now);
            if let (Some(at), Some(peer)) = (answer, socket.peer) {
                // The restarted kernel of the peer does not know the connection, and resets it.
                let link = Link { from: to, to: from };
                self.wire.send(at, peer, key, link, Packet::Reset);
            }
            return;
        }
        if socket.state == TcpState::Connected {
            if let Some(end) = socket.timeouts.on_partition(now) {
                self.arm_peer_timeout(key, from, end);
            }
        }
    }

    /// Whether the peer's machine has crashed since the socket `key` was connected.
    fn lost_its_peer(&self, world: &World, key: Key) -> bool {
        let socket = self.sockets.get(key);
        let peer = socket.and_then(|socket| socket.peer_machine);
        peer.is_some_and(|(machine, crashes)| world.machines.get(machine).crashes != crashes)
    }

    /// Forgets the sockets of `machine`, which crashes: no packet tells their peers.
    pub(super) fn crash(&mut self, world: &World, machine: MachineId) {
        let of_machine = |socket: &TcpSocket| socket.watch.machine == machine;
        let sockets = self.sockets.iter().filter(|(_, socket)| of_machine(socket));
        let keys: Vec<Key> = sockets.map(|(key, _)| key).collect();
        for key in keys {
            self.wire.drop_held(key);
            self.sockets.remove(key);
        }
        self.on_partition_change(world);
    }

    /// Returns the number of bytes that have arrived at `local` from `peer`, and that the program has not read.
    pub(super) fn unread_bytes(&self, local: SocketAddr, peer: SocketAddr) -> usize {
        let sockets = self.sockets.iter().map(|(_, socket)| socket);
        let of_pair = sockets.filter(|it| it.local == local && it.remote == peer);
        of_pair.map(|socket| socket.inbox.readable()).sum()
    }

    fn arm_peer_timeout(&mut self, key: Key, machine: MachineId, end: u64) {
        let link = Link::within(machine);
        self.wire.send(end, key, key, link, Packet::PeerTimeout);
    }
}
