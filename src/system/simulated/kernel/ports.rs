//! The listening sockets and the ports of all machines.

use std::collections::{BTreeMap, VecDeque};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::readiness::Readiness;
use crate::slots::{Key, Slots};
use crate::system::faults::call_error::CallError;
use crate::system::faults::random::Random;
use crate::system::options::Binding;

use super::listener::Listener;
use super::machine::{MachineId, Watched};
use super::watch::Watch;
use super::world::World;

/// The first and the last ephemeral port, as on Linux.
const FIRST_PORT: u16 = 32_768;
const LAST_PORT: u16 = 60_999;

#[derive(Debug)]
pub(super) struct Ports {
    listeners: Slots<Listener>,
    /// The listeners of each address: several if they share the port. Ordered, so that no run depends on a hash.
    bound: BTreeMap<SocketAddr, Vec<Key>>,
    next: u16,
}

impl Ports {
    pub(super) fn new() -> Self {
        Self {
            listeners: Slots::new(),
            bound: BTreeMap::new(),
            next: FIRST_PORT,
        }
    }

    pub(super) fn get(&self, key: Key) -> Option<&Listener> {
        self.listeners.get(key)
    }

    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut Listener> {
        self.listeners.get_mut(key)
    }

    pub(super) fn is_bound(&self, address: SocketAddr) -> bool {
        self.bound.contains_key(&address)
    }

    /// Takes an ephemeral port. A fault takes the port of `remote` instead, so that the socket connects to itself.
    pub(super) fn port_to(&mut self, world: &mut World, remote: SocketAddr) -> u16 {
        let is_self_connect = remote.ip().is_loopback()
            && self.listener_at(remote, &mut world.random).is_none()
            && world.strikes(|faults| faults.self_connects);
        match is_self_connect {
            true => remote.port(),
            false => self.ephemeral(),
        }
    }

    /// Takes the next ephemeral port, whether or not a listener is bound to it.
    fn ephemeral(&mut self) -> u16 {
        let port = self.next;
        self.next = if port >= LAST_PORT {
            FIRST_PORT
        } else {
            port + 1
        };
        port
    }

    pub(super) fn bind(
        &mut self,
        world: &mut World,
        machine: MachineId,
        address: SocketAddr,
        binding: &Binding,
    ) -> Result<Key, CallError> {
        let address = match address.port() {
            0 => SocketAddr::new(address.ip(), self.ephemeral()),
            _ => address,
        };
        let others = self.bound.get(&address).into_iter().flatten();
        let is_shared = |other: &Key| {
            let listener = self.listeners.get(*other);
            binding.reuse_port && listener.is_some_and(|listener| listener.shares_port)
        };
        if !others.into_iter().all(is_shared) {
            return Err(CallError::AddressInUse);
        }
        world.open_socket(machine)?;
        let key = self.listeners.insert(Listener {
            watch: Watch::new(machine),
            address,
            is_v6_only: binding.ipv6_only,
            shares_port: binding.reuse_port,
            backlog: usize::try_from(binding.backlog).unwrap_or(usize::MAX),
            queue: VecDeque::new(),
        });
        self.bound.entry(address).or_default().push(key);
        Ok(key)
    }

    /// Returns the listener that a SYN to `address` reaches. If several listeners share the port, draws one of them.
    pub(super) fn listener_at(&self, address: SocketAddr, random: &mut Random) -> Option<Key> {
        let port = address.port();
        let any_v6 = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port);
        let any = match address {
            SocketAddr::V4(_) => SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port),
            SocketAddr::V6(_) => any_v6,
        };
        for place in [address, any, any_v6] {
            let Some(keys) = self.bound.get(&place) else {
                continue;
            };
            if keys.is_empty() {
                continue;
            }
            let key = keys[random.index(keys.len())];
            let is_foreign = place.is_ipv6() && address.is_ipv4();
            match self.listeners.get(key) {
                Some(listener) if is_foreign && listener.is_v6_only => {}
                _ => return Some(key),
            }
        }
        None
    }

    /// Puts the listener `key` on its machine's ready list, because a connection may wait.
    pub(super) fn notify(&mut self, world: &mut World, key: Key) {
        if let Some(listener) = self.listeners.get_mut(key) {
            if listener.watch.change(Readiness::READABLE) {
                world.enqueue(listener.watch.machine, Watched::Listener(key));
            }
        }
    }

    pub(super) fn of_machine(&self, machine: MachineId) -> Vec<Key> {
        let listeners = self.listeners.iter();
        let of_machine = listeners.filter(|(_, listener)| listener.watch.machine == machine);
        of_machine.map(|(key, _)| key).collect()
    }

    /// Removes the listener `key`, and returns the listener, because its queue may still hold connections.
    pub(super) fn close(&mut self, world: &mut World, key: Key) -> Option<Listener> {
        let listener = self.listeners.remove(key)?;
        world.machines.get_mut(listener.watch.machine).sockets -= 1;
        if let Some(others) = self.bound.get_mut(&listener.address) {
            others.retain(|&other| other != key);
            if others.is_empty() {
                self.bound.remove(&listener.address);
            }
        }
        Some(listener)
    }
}
