//! How sockets come about: ports, connects, listening sockets and what they accept.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::slots::Key;
use crate::system::options::Binding;

use super::endpoint::Endpoint;
use super::listener::Listening;
use super::network::Network;
use super::route::Reach;
use super::trace::Note;
use super::watch::{Watch, Watched};
use super::wire::Packet;
use crate::system::faults::errno::Errno;

/// The ports that sockets get which ask for none, as on Linux.
pub(in crate::system) const FIRST_PORT: u16 = 32_768;
const LAST_PORT: u16 = 60_999;

impl Network {
    /// Starts to connect from `machine` to `remote`.
    pub(crate) fn connect(
        &mut self,
        machine: usize,
        remote: SocketAddr,
        local: Option<SocketAddr>,
    ) -> Result<Key, Errno> {
        self.machines[machine].calls.connects += 1;
        let is_short = self.random.chance(self.options.faults.exhausted_connects);
        if is_short || !self.has_descriptor(machine) {
            return Err(self.shortage());
        }
        let reach = self.reaches.get(&remote.ip()).copied();
        if reach == Some(Reach::Unreachable) {
            return Err(Errno::Unreachable);
        }
        let ip = match local.map(|local| local.ip()) {
            Some(ip) if !ip.is_unspecified() => ip,
            _ => source_address(machine, remote.ip()),
        };
        let port = match local.map_or(0, |local| local.port()) {
            0 => self.free_port(remote),
            port => port,
        };
        let local = SocketAddr::new(ip, port);
        if self.bound.contains_key(&local) {
            return Err(Errno::AddressInUse);
        }
        self.open_descriptor(machine)?;
        let watch = Watch::new(machine);
        let endpoint = Endpoint::new(watch, local, remote, self.options.capacity);
        let key = self.endpoints.insert(endpoint);
        let there = match self.listener_at(remote) {
            Some(listener) => self.listeners.get(listener).map(|it| it.watch.machine),
            None => None,
        };
        self.trace.note(
            Note::Connect,
            key.to_token() as u64,
            u64::from(local.port()),
        );
        let route = (machine, there.unwrap_or(machine));
        match reach {
            Some(Reach::Silent | Reach::Unreachable) => {}
            Some(Reach::Slow(delay)) => self.send_late(delay, key, key, route, Packet::Syn(0)),
            Some(Reach::Normal) | None => self.send(key, key, route, Packet::Syn(0)),
        }
        self.arm_give_up(key, machine);
        Ok(key)
    }

    /// Listens on `address`.
    pub(crate) fn bind(
        &mut self,
        machine: usize,
        address: SocketAddr,
        binding: &Binding,
    ) -> Result<Key, Errno> {
        let address = match address.port() {
            0 => SocketAddr::new(address.ip(), self.next_port()),
            _ => address,
        };
        let others = self.bound.get(&address).into_iter().flatten();
        let is_shared = |other: &Key| {
            let listening = self.listeners.get(*other);
            binding.reuse_port && listening.is_some_and(|listening| listening.shares_port)
        };
        if !others.into_iter().all(is_shared) {
            return Err(Errno::AddressInUse);
        }
        self.open_descriptor(machine)?;
        let key = self.listeners.insert(Listening {
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

    /// Who listens where a SYN to `address` arrives: on the address itself, or on all of the machine.
    pub(in crate::system) fn listener_at(&mut self, address: SocketAddr) -> Option<Key> {
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
            let key = keys[self.random.index(keys.len())];
            let is_foreign = place.is_ipv6() && address.is_ipv4();
            match self.listeners.get(key) {
                Some(listening) if is_foreign && listening.is_v6_only => {}
                _ => return Some(key),
            }
        }
        None
    }

    /// Takes the next connection that waits.
    pub(crate) fn accept(&mut self, listener: Key) -> Result<(Key, SocketAddr), Errno> {
        let faults = self.options.faults;
        let listening = self.listeners.get(listener).ok_or(Errno::NotConnected)?;
        let machine = listening.watch.machine;
        self.machines[machine].calls.accepts += 1;
        // Linux takes a descriptor before it looks whether anybody waits.
        if !self.has_descriptor(machine) {
            self.machines[machine].calls.exhausted_accepts += 1;
            return Err(self.shortage());
        }
        let listening = self
            .listeners
            .get_mut(listener)
            .ok_or(Errno::NotConnected)?;
        let Some(&key) = listening.queue.front() else {
            if listening.watch.rearm() {
                self.machines[machine]
                    .list
                    .push_back(Watched::Listener(listener));
            }
            return Err(Errno::WouldBlock);
        };
        if self.random.chance(faults.interruptions) {
            self.machines[machine].calls.accepts -= 1;
            return Err(Errno::Interrupted);
        }
        if self.random.chance(faults.exhausted_accepts) {
            self.machines[machine].calls.exhausted_accepts += 1;
            return Err(self.shortage());
        }
        if let Some(listening) = self.listeners.get_mut(listener) {
            listening.queue.pop_front();
        }
        if self.random.chance(faults.aborted_accepts) {
            self.abandon(key);
            return Err(Errno::Aborted);
        }
        self.open_descriptor(machine)?;
        let remote = self.endpoints.get(key).map(|endpoint| endpoint.remote);
        let remote = remote.ok_or(Errno::Aborted)?;
        self.trace.note(
            Note::Accept,
            key.to_token() as u64,
            u64::from(remote.port()),
        );
        Ok((key, remote))
    }

    /// Stops listening. Who waits to be accepted is reset.
    pub(crate) fn close_listener(&mut self, key: Key) {
        let Some(listening) = self.listeners.remove(key) else {
            return;
        };
        self.machines[listening.watch.machine].open -= 1;
        if let Some(others) = self.bound.get_mut(&listening.address) {
            others.retain(|&other| other != key);
            if others.is_empty() {
                self.bound.remove(&listening.address);
            }
        }
        for waiting in listening.queue {
            self.abandon(waiting);
        }
    }

    fn has_descriptor(&self, machine: usize) -> bool {
        self.options
            .descriptors
            .is_none_or(|most| self.machines[machine].descriptors() < most)
    }

    /// A descriptor that is for nothing yet.
    pub(in crate::system) fn take_spare(&mut self, machine: usize) -> bool {
        let is_there = self.has_descriptor(machine);
        self.machines[machine].spares += usize::from(is_there);
        is_there
    }

    /// Why there is no descriptor: the process has none left, or the whole system.
    fn shortage(&mut self) -> Errno {
        self.random.choose(&[Errno::TooManyFiles, Errno::TableFull])
    }

    fn open_descriptor(&mut self, machine: usize) -> Result<(), Errno> {
        if !self.has_descriptor(machine) {
            return Err(self.shortage());
        }
        self.machines[machine].open += 1;
        Ok(())
    }

    /// A port for a socket that connects to `remote`: by a fault, that very one.
    fn free_port(&mut self, remote: SocketAddr) -> u16 {
        let may_meet_itself = remote.ip().is_loopback()
            && self.listener_at(remote).is_none()
            && self.random.chance(self.options.faults.self_connects);
        if may_meet_itself {
            return remote.port();
        }
        self.next_port()
    }

    fn next_port(&mut self) -> u16 {
        let port = self.next_port;
        self.next_port = if port >= LAST_PORT {
            FIRST_PORT
        } else {
            port + 1
        };
        port
    }
}

/// The address that a machine speaks from: loopback to loopback, and its own to all others.
fn source_address(machine: usize, remote: IpAddr) -> IpAddr {
    let number = u16::try_from(machine + 1).unwrap_or(u16::MAX);
    let [high, low] = number.to_be_bytes();
    match remote {
        IpAddr::V4(remote) if remote.is_loopback() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(remote) if remote.is_loopback() => Ipv6Addr::LOCALHOST.into(),
        IpAddr::V4(_) => Ipv4Addr::new(10, 0, high, low).into(),
        IpAddr::V6(_) => Ipv6Addr::new(0xFD00, 0, 0, 0, 0, 0, 0, number).into(),
    }
}
