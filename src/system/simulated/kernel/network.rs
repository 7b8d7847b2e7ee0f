//! The network as a whole: its methods are the system calls of programs, and the passage of time. Each read, write,
//! shutdown and close, also of UDP sockets, first delivers the packets that are due. So without latency, jitter and a
//! limit on the bandwidth, the bytes of a write have arrived before the peer's next read, as on loopback.

mod control;
mod datagrams;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::IoSlice;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
#[cfg(feature = "tls")]
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use mio::Interest;

use crate::readiness::Readiness;
use crate::slots::Key;
use crate::system::faults::call_error::CallError;
use crate::system::lookup::{Answer, Found, Ticket};
use crate::system::options::{Binding, KeepAliveTimes};
use crate::system::simulated::flavour::Flavour;
use crate::system::simulated::options::Options;

use super::connections::Connections;
use super::datagrams::Datagrams;
use super::handshake::Handshake;
use super::lookup_queue::LookupQueue;
use super::machine::MachineId;
use super::polling::Poll;
use super::ports::Ports;
use super::route::Route;
use super::tcp_socket::TcpState;
use super::trace::Note;
use super::wire::{Flight, Link, Packet};
use super::world::World;

pub(crate) type Shared = Rc<RefCell<Network>>;

#[derive(Debug)]
pub(crate) struct Network {
    world: World,
    connections: Connections,
    datagrams: Datagrams,
    ports: Ports,
    lookups: LookupQueue,
    /// The routes that a test has set. Every other address has [`Route::Normal`].
    routes: BTreeMap<IpAddr, Route>,
}

impl Network {
    pub(crate) fn new(seed: u64, options: Options) -> Self {
        Self {
            world: World::new(seed, options),
            connections: Connections::new(),
            datagrams: Datagrams::new(),
            ports: Ports::new(),
            lookups: LookupQueue::default(),
            routes: BTreeMap::new(),
        }
    }

    pub(crate) fn add_machine(&mut self) -> MachineId {
        self.world.machines.add()
    }

    fn handshake(&mut self) -> Handshake<'_> {
        Handshake {
            world: &mut self.world,
            connections: &mut self.connections,
            ports: &mut self.ports,
        }
    }
}

/// The passage of time, and the arrival of packets.
impl Network {
    pub(crate) fn now(&self) -> Instant {
        self.world.clock.now()
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.world.clock.elapsed()
    }

    #[cfg(feature = "tls")]
    pub(crate) fn share_clock(&self) -> Arc<AtomicU64> {
        self.world.clock.share()
    }

    pub(crate) fn begin_poll(&mut self, machine: MachineId) {
        self.world.machines.get_mut(machine).calls.polls += 1;
        self.world.clock.pass_poll();
    }

    pub(crate) fn advance_to(&mut self, instant: Instant) {
        if self.world.clock.advance_to(instant) {
            let now = self.world.clock.nanoseconds();
            self.world.trace.note(Note::Time, 0, now);
        }
    }

    pub(crate) fn next_arrival(&mut self) -> Option<Instant> {
        let packet = self.connections.next_arrival();
        let datagram = self.datagrams.next_arrival();
        let answer = self.lookups.next_arrival();
        let next = packet.into_iter().chain(datagram).chain(answer).min()?;
        Some(self.world.clock.instant(next))
    }

    /// Delivers all packets, timers and answers that are due.
    pub(crate) fn deliver(&mut self) {
        self.lookups.deliver(&mut self.world);
        self.datagrams.deliver(&mut self.world);
        while let Some(flight) = self.connections.pop_due(self.world.clock.nanoseconds()) {
            let Link { from, to } = flight.link;
            if flight.packet.travels() && !self.world.machines.reaches(from, to) {
                self.keep_back(flight);
                continue;
            }
            self.connections.on_heard(&self.world, &flight);
            let token = flight.to.to_token() as u64;
            self.world.trace.note(Note::Arrival, token, flight.at);
            self.world.progress += 1;
            match flight.packet {
                Packet::Syn(tries) => self.handshake().on_syn(flight.from, tries),
                _ => self.connections.receive(&mut self.world, &flight),
            }
        }
    }

    /// Keeps a packet until its link works again. But a SYN to a machine that is down is sent again after a backoff: a
    /// restarted machine needs time to listen.
    fn keep_back(&mut self, flight: Flight) {
        match flight.packet {
            Packet::Syn(tries) if self.world.machines.get(flight.link.to).is_down => {
                let (world, connections) = (&self.world, &mut self.connections);
                connections.retry_syn(world, flight.from, flight.link, tries);
            }
            _ => self.connections.hold(&self.world, flight),
        }
    }
}

/// The system calls on connections.
impl Network {
    pub(crate) fn connect(
        &mut self,
        machine: MachineId,
        remote: SocketAddr,
        local: Option<SocketAddr>,
    ) -> Result<Key, CallError> {
        let route = self.routes.get(&remote.ip()).copied().unwrap_or_default();
        self.handshake().connect(machine, remote, local, route)
    }

    pub(crate) fn read(&mut self, key: Key, buffer: &mut [u8]) -> Result<usize, CallError> {
        self.deliver();
        self.connections.read(&mut self.world, key, buffer)
    }

    pub(crate) fn peek(&mut self, key: Key) -> Result<usize, CallError> {
        self.deliver();
        self.connections.peek(&mut self.world, key)
    }

    pub(crate) fn write(&mut self, key: Key, slices: &[IoSlice<'_>]) -> Result<usize, CallError> {
        self.deliver();
        self.connections.write(&mut self.world, key, slices)
    }

    pub(crate) fn shutdown_write(&mut self, key: Key) -> Result<(), CallError> {
        self.deliver();
        self.connections.shutdown_write(&mut self.world, key)
    }

    pub(crate) fn close(&mut self, key: Key) {
        self.deliver();
        self.connections.close(&mut self.world, key);
    }

    pub(crate) fn state(&self, key: Key) -> Option<TcpState> {
        self.connections.get(key).map(|socket| socket.state)
    }

    pub(crate) fn local_address(&self, key: Key) -> Option<SocketAddr> {
        self.connections.get(key).map(|socket| socket.local)
    }

    pub(crate) fn peer_address(&self, key: Key) -> Result<SocketAddr, CallError> {
        match self.connections.get(key) {
            Some(socket) if socket.state == TcpState::Connected => Ok(socket.remote),
            _ => Err(CallError::NotConnected),
        }
    }

    pub(crate) fn take_error(&mut self, key: Key) -> Option<CallError> {
        self.connections.get_mut(key)?.error.take()
    }

    pub(crate) fn reset_on_close(&mut self, key: Key) {
        if let Some(socket) = self.connections.get_mut(key) {
            socket.has_zero_linger = true;
        }
    }

    /// Draws whether a fault refuses an option. Otherwise the caller sets the option if the simulated kernel knows it.
    pub(crate) fn set_option(&mut self) -> Result<(), CallError> {
        match self.world.strikes(|faults| faults.refused_options) {
            true => Err(CallError::InvalidArgument),
            false => Ok(()),
        }
    }

    pub(crate) fn set_keep_alive(&mut self, key: Key, times: Option<KeepAliveTimes>) {
        self.connections.set_keep_alive(&self.world, key, times);
    }

    pub(crate) fn register(&mut self, key: Key, token: usize, directions: Interest) {
        if let Some(socket) = self.connections.get_mut(key) {
            socket.watch.register(token, directions);
        }
        self.connections
            .notify(&mut self.world, key, Readiness::all());
    }

    pub(crate) fn deregister(&mut self, key: Key) {
        if let Some(socket) = self.connections.get_mut(key) {
            socket.watch.deregister();
        }
    }
}

/// The system calls on listening sockets.
impl Network {
    pub(crate) fn bind(
        &mut self,
        machine: MachineId,
        address: SocketAddr,
        binding: &Binding,
    ) -> Result<Key, CallError> {
        self.ports.bind(&mut self.world, machine, address, binding)
    }

    pub(crate) fn accept(&mut self, key: Key) -> Result<(Key, SocketAddr), CallError> {
        self.handshake().accept(key)
    }

    pub(crate) fn close_listener(&mut self, key: Key) {
        self.handshake().close_listener(key);
    }

    pub(crate) fn listener_address(&self, key: Key) -> Option<SocketAddr> {
        self.ports.get(key).map(|listener| listener.address)
    }

    pub(crate) fn register_listener(&mut self, key: Key, token: usize, directions: Interest) {
        if let Some(listener) = self.ports.get_mut(key) {
            listener.watch.register(token, directions);
        }
        self.ports.notify(&mut self.world, key);
    }

    pub(crate) fn deregister_listener(&mut self, key: Key) {
        if let Some(listener) = self.ports.get_mut(key) {
            listener.watch.deregister();
        }
    }
}

/// The system calls that concern no socket.
impl Network {
    pub(crate) fn batch_size(&self) -> usize {
        self.world.options.batch.max(1)
    }

    /// Returns the limit on the events of one source in one poll.
    pub(crate) fn events_of_source(&self) -> usize {
        match self.world.options.flavour {
            Flavour::Kqueue => 2,
            Flavour::Epoll | Flavour::Afd | Flavour::Adversary => 1,
        }
    }

    pub(crate) fn has_events(&self, machine: MachineId) -> bool {
        self.world.machines.get(machine).has_events()
    }

    pub(crate) fn poll(&mut self, machine: MachineId, batch: &mut Vec<(usize, Readiness)>) {
        let mut poll = Poll {
            machine,
            world: &mut self.world,
            connections: &mut self.connections,
            datagrams: &mut self.datagrams,
            ports: &mut self.ports,
        };
        poll.collect(batch);
    }

    pub(crate) fn woken(&self, machine: MachineId) -> Arc<AtomicBool> {
        self.world.machines.get(machine).woken()
    }

    pub(crate) fn take_wake(&self, machine: MachineId) -> bool {
        self.world.machines.get(machine).take_wake()
    }

    /// Whether a close deregisters its socket, as with epoll.
    pub(crate) fn close_deregisters(&self) -> bool {
        matches!(
            self.world.options.flavour,
            Flavour::Epoll | Flavour::Adversary
        )
    }

    /// Whether a short read or write proves that the kernel has no more bytes or capacity: not with AFD (Windows).
    pub(crate) fn short_transfer_exhausts(&self) -> bool {
        self.world.options.flavour != Flavour::Afd
    }

    pub(crate) fn answer_later(&mut self, machine: MachineId, ticket: Ticket, found: Found) {
        self.lookups
            .schedule(&mut self.world, machine, ticket, found);
    }

    pub(crate) fn lookups_under_way(&self, machine: MachineId) -> usize {
        self.lookups.under_way(machine)
    }

    pub(crate) fn next_answer(&mut self, machine: MachineId) -> Option<Answer> {
        self.world.machines.get_mut(machine).answers.pop_front()
    }

    pub(crate) fn cancel_lookups(&mut self, machine: MachineId) {
        self.lookups.cancel(machine);
        self.world.machines.get_mut(machine).answers.clear();
    }

    pub(crate) fn take_spare(&mut self, machine: MachineId) -> bool {
        let is_there = self.world.has_descriptor(machine);
        self.world.machines.get_mut(machine).spares += usize::from(is_there);
        is_there
    }

    pub(crate) fn close_spare(&mut self, machine: MachineId) {
        self.world.machines.get_mut(machine).spares -= 1;
    }
}
