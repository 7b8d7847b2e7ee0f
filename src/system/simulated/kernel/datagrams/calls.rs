//! The system calls of a program on a UDP socket, with the faults that they meet.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;

use crate::readiness::Readiness;
use crate::slots::Key;
use crate::system::faults::call_error::CallError;
use crate::system::options::UdpOption;

use super::super::call_counts::CallCounts;
use super::super::clock::nanoseconds;
use super::super::handshake::source_address;
use super::super::machine::MachineId;
use super::super::route::Route;
use super::super::trace::Note;
use super::super::wire::Link;
use super::super::world::World;
use super::Datagrams;
use super::flight::Passage;

/// The longest datagram of IPv4, which is the limit for IPv6 too.
const LONGEST: usize = 65_507;

/// The bytes of the headers of IPv4 and of UDP, which count against the MTU. IPv6 is simulated with the same numbers.
const IP_HEADER: usize = 20;
const UDP_HEADER: usize = 8;

impl Datagrams {
    pub(in super::super) fn receive(
        &mut self,
        world: &mut World,
        key: Key,
        buffer: &mut [u8],
    ) -> Result<(usize, SocketAddr), CallError> {
        let received = self.receive_uncounted(world, key, buffer);
        let length = received.map(|(length, _)| length);
        self.note(world, key, Note::Read, length, |calls| &mut calls.reads);
        self.record(world, key, || match received {
            Ok((length, from)) => format!("receives a datagram of {length} bytes from {from}"),
            Err(error) => format!("receives nothing: {error:?}"),
        });
        received
    }

    fn receive_uncounted(
        &mut self,
        world: &mut World,
        key: Key,
        buffer: &mut [u8],
    ) -> Result<(usize, SocketAddr), CallError> {
        self.inject(world, key)?;
        let socket = self.sockets.get_mut(key).ok_or(CallError::NotConnected)?;
        if let Some(error) = socket.error.take() {
            return Err(error);
        }
        let Some((from, bytes)) = socket.take_out() else {
            self.on_blocked(world, key);
            return Err(CallError::WouldBlock);
        };
        let length = bytes.len().min(buffer.len());
        buffer[..length].copy_from_slice(&bytes[..length]);
        Ok((length, from))
    }

    /// Sends `bytes` to `to`, or to the peer of a connected socket. `route` decides the fate of the datagram.
    pub(in super::super) fn send(
        &mut self,
        world: &mut World,
        key: Key,
        bytes: &[u8],
        to: Option<SocketAddr>,
        route: impl Fn(IpAddr) -> Route,
    ) -> Result<usize, CallError> {
        let sent = self.send_uncounted(world, key, bytes, to, route);
        self.note(world, key, Note::Write, sent, |calls| &mut calls.writes);
        self.record(world, key, || match sent {
            Ok(length) => format!("sends a datagram of {length} bytes"),
            Err(error) => format!("sends nothing: {error:?}"),
        });
        sent
    }

    fn send_uncounted(
        &mut self,
        world: &mut World,
        key: Key,
        bytes: &[u8],
        to: Option<SocketAddr>,
        route: impl Fn(IpAddr) -> Route,
    ) -> Result<usize, CallError> {
        self.inject(world, key)?;
        let capacity = world.options.capacity;
        let socket = self.sockets.get_mut(key).ok_or(CallError::NotConnected)?;
        if let Some(error) = socket.error.take() {
            return Err(error);
        }
        let to = to.or(socket.peer).ok_or(CallError::NotConnected)?;
        let is_broadcast = to.ip() == IpAddr::V4(Ipv4Addr::BROADCAST);
        let route = route(to.ip());
        if is_broadcast && !socket.is_broadcaster {
            return Err(CallError::AccessDenied);
        }
        if route == Route::Unreachable {
            return Err(CallError::Unreachable);
        }
        if bytes.len() > LONGEST {
            return Err(CallError::MessageTooLong);
        }
        if !socket.has_space(capacity) {
            self.on_blocked(world, key);
            return Err(CallError::WouldBlock);
        }
        let machine = socket.watch.machine;
        let from = match socket.local.ip().is_unspecified() {
            true => SocketAddr::new(source_address(machine, to.ip()), socket.local.port()),
            false => socket.local,
        };
        let (multicast_hops, hears_itself) = (socket.multicast_hops, socket.hears_itself);
        let leaves = self.depart(world, key, bytes.len());
        let delay = match route {
            Route::Blackhole => return Ok(bytes.len()),
            Route::Delayed(delay) => nanoseconds(delay),
            Route::Normal | Route::Unreachable => 0,
        };
        let shared: Rc<[u8]> = bytes.into();
        let is_shared = to.ip().is_multicast() || is_broadcast;
        let owner = world.machines.owner_of(to.ip());
        let owner = owner.unwrap_or_else(|| self.machine_at(to).unwrap_or(machine));
        for there in 0..world.machines.len() {
            let is_reached = match there == machine {
                _ if !is_shared => there == owner,
                true => hears_itself || is_broadcast,
                false => is_broadcast || multicast_hops > 0,
            };
            if !is_reached {
                continue;
            }
            let link = Link {
                from: machine,
                to: there,
            };
            let passage = || Passage::Datagram {
                sender: key,
                from,
                to,
                bytes: Rc::clone(&shared),
            };
            self.launch(world, link, leaves + delay, shared.len(), passage);
        }
        Ok(bytes.len())
    }

    /// Returns the time at which a datagram has left the machine. Until then its bytes fill the socket's buffer.
    fn depart(&mut self, world: &World, key: Key, bytes: usize) -> u64 {
        let now = world.clock.nanoseconds();
        let Some(rate) = world.options.bytes_per_second else {
            return now;
        };
        let Some(socket) = self.sockets.get_mut(key) else {
            return now;
        };
        let time = (bytes as u64).saturating_mul(1_000_000_000) / rate.max(1);
        let leaves = socket.busy_until.max(now) + time;
        socket.busy_until = leaves;
        socket.outgoing += bytes;
        let link = Link::within(socket.watch.machine);
        self.send_at(leaves, link, Passage::Departure { sender: key, bytes });
        leaves
    }

    /// Sends a datagram that leaves at `leaves`. One that is longer than the MTU is lost if any fragment is lost.
    fn launch(
        &mut self,
        world: &mut World,
        link: Link,
        leaves: u64,
        length: usize,
        passage: impl Fn() -> Passage,
    ) {
        let options = &world.options;
        let (loss, duplication) = (options.datagram_loss, options.datagram_duplication);
        let reordering = options.datagram_reordering;
        let fragment = options.mtu.saturating_sub(IP_HEADER).max(8);
        let fragments = (length + UDP_HEADER).div_ceil(fragment);
        let copies = 1 + usize::from(world.random.chance(duplication));
        for _ in 0..copies {
            if (0..fragments).any(|_| world.random.chance(loss)) {
                continue;
            }
            let under_way = world.arrival(link) - world.clock.nanoseconds();
            let mut at = leaves + under_way;
            if world.random.chance(reordering) {
                at += world.random.below(2 * under_way + 1_000_000);
            }
            self.send_at(at, link, passage());
        }
    }

    fn inject(&mut self, world: &mut World, key: Key) -> Result<(), CallError> {
        if world.strikes(|faults| faults.interruptions) {
            return Err(CallError::Interrupted);
        }
        if world.strikes(|faults| faults.spurious_blocks) {
            self.renotify_later(world, key);
            return Err(CallError::WouldBlock);
        }
        match world.strikes(|faults| faults.missing_buffers) {
            true => Err(CallError::NoBuffers),
            false => Ok(()),
        }
    }

    pub(in super::super) fn connect(
        &mut self,
        key: Key,
        peer: SocketAddr,
        route: Route,
    ) -> Result<(), CallError> {
        if route == Route::Unreachable {
            return Err(CallError::Unreachable);
        }
        let socket = self.sockets.get_mut(key).ok_or(CallError::NotConnected)?;
        if socket.local.ip().is_unspecified() {
            let ip = source_address(socket.watch.machine, peer.ip());
            socket.local.set_ip(ip);
        }
        socket.peer = Some(peer);
        Ok(())
    }

    /// Sets an option. Ignores options that no program of the simulation can observe.
    pub(in super::super) fn set(&mut self, key: Key, option: UdpOption) -> Result<(), CallError> {
        let socket = self.sockets.get_mut(key).ok_or(CallError::NotConnected)?;
        match option {
            UdpOption::Broadcast(on) => socket.is_broadcaster = on,
            UdpOption::MulticastTtl(hops) => socket.multicast_hops = hops,
            UdpOption::MulticastLoopback(on) => socket.hears_itself = on,
            UdpOption::Join(membership) => {
                if !socket.groups.insert(membership) {
                    return Err(CallError::AddressInUse);
                }
            }
            UdpOption::Leave(membership) => {
                if !socket.groups.remove(&membership) {
                    return Err(CallError::AddressNotAvailable);
                }
            }
            UdpOption::Ttl(_)
            | UdpOption::MulticastInterface(_)
            | UdpOption::ReceiveBuffer(_)
            | UdpOption::SendBuffer(_) => {}
        }
        Ok(())
    }

    pub(in super::super) fn register(
        &mut self,
        world: &mut World,
        key: Key,
        token: usize,
        directions: mio::Interest,
    ) {
        if let Some(socket) = self.sockets.get_mut(key) {
            socket.watch.register(token, directions);
        }
        self.notify(world, key, Readiness::all());
    }

    /// Returns the machine of a socket that is bound to exactly the address `to`.
    fn machine_at(&self, to: SocketAddr) -> Option<MachineId> {
        let mut sockets = self.sockets.iter();
        let found = sockets.find(|(_, socket)| socket.local == to);
        found.map(|(_, socket)| socket.watch.machine)
    }

    pub(super) fn record(&self, world: &mut World, key: Key, text: impl FnOnce() -> String) {
        if world.log.is_some() {
            if let Some(socket) = self.sockets.get(key) {
                world.record(socket.watch.machine, Some(socket.addresses()), text);
            }
        }
    }

    fn note(
        &self,
        world: &mut World,
        key: Key,
        note: Note,
        result: Result<usize, CallError>,
        kind: impl FnOnce(&mut CallCounts) -> &mut u64,
    ) {
        let socket = self.sockets.get(key);
        if let Some(socket) = socket.filter(|_| result != Err(CallError::Interrupted)) {
            let machine = world.machines.get_mut(socket.watch.machine);
            *kind(&mut machine.calls) += 1;
        }
        let result = match result {
            Ok(length) => {
                world.progress += 1;
                length as u64
            }
            Err(error) => u64::MAX - error as u64,
        };
        world.trace.note(note, key.to_token() as u64, result);
    }
}
