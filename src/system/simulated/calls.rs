//! The calls of the simulated kernel: what a program asks of its sockets, with the faults that stand in between.

use std::io::IoSlice;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::readiness::Readiness;
use crate::slots::Key;

use super::endpoint::{Endpoint, Phase};
use super::errno::Fault;
use super::listening::Listening;
use super::network::{FIRST_PORT, LAST_PORT, Network};
use super::trace::Note;
use super::watch::{Watch, Watched};
use super::wire::Packet;

/// What is asked of a listening socket before it listens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) backlog: usize,
    pub(crate) is_v6_only: bool,
    pub(crate) shares_port: bool,
}

impl Network {
    /// Starts to connect from `machine` to `remote`.
    pub(crate) fn connect(
        &mut self,
        machine: usize,
        remote: SocketAddr,
        local: Option<SocketAddr>,
    ) -> Result<Key, Fault> {
        self.open_descriptor(machine)?;
        let local = match local {
            Some(local) if local.port() != 0 => local,
            local => {
                let ip = local.map_or_else(|| source_address(machine, remote.ip()), |local| local.ip());
                SocketAddr::new(ip, self.free_port(remote))
            }
        };
        let watch = Watch::new(machine);
        let endpoint = Endpoint::new(watch, local, remote, self.options.capacity);
        let key = self.endpoints.insert(endpoint);
        let there = match self.listener_at(remote) {
            Some(listener) => self.listeners.get(listener).map(|it| it.watch.machine),
            None => None,
        };
        self.trace
            .note(Note::Connect, key.to_token() as u64, u64::from(local.port()));
        let route = (machine, there.unwrap_or(machine));
        self.send(key, key, route, Packet::Syn(0));
        self.arm_give_up(key, machine);
        Ok(key)
    }

    /// Listens on `address`.
    pub(crate) fn bind(
        &mut self,
        machine: usize,
        address: SocketAddr,
        terms: Terms,
    ) -> Result<Key, Fault> {
        let address = match address.port() {
            0 => SocketAddr::new(address.ip(), self.next_port()),
            _ => address,
        };
        if let Some(others) = self.bound.get(&address) {
            let shared = others.iter().all(|&other| {
                self.listeners
                    .get(other)
                    .is_some_and(|listening| listening.shares_port)
            });
            if !others.is_empty() && !(shared && terms.shares_port) {
                return Err(Fault::AddressInUse);
            }
        }
        self.open_descriptor(machine)?;
        let key = self.listeners.insert(Listening {
            watch: Watch::new(machine),
            address,
            is_v6_only: terms.is_v6_only,
            shares_port: terms.shares_port,
            backlog: terms.backlog,
            queue: std::collections::VecDeque::new(),
        });
        self.bound.entry(address).or_default().push(key);
        Ok(key)
    }

    /// Who listens where a SYN to `address` arrives: on the address itself, or on all of the machine.
    pub(super) fn listener_at(&mut self, address: SocketAddr) -> Option<Key> {
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
    pub(crate) fn accept(&mut self, listener: Key) -> Result<(Key, SocketAddr), Fault> {
        let faults = self.options.faults;
        let listening = self.listeners.get_mut(listener).ok_or(Fault::NotConnected)?;
        let machine = listening.watch.machine;
        let Some(&key) = listening.queue.front() else {
            if listening.watch.rearm() {
                self.machines[machine].list.push_back(Watched::Listener(listener));
            }
            return Err(Fault::WouldBlock);
        };
        if self.random.chance(faults.interruptions) {
            return Err(Fault::Interrupted);
        }
        if self.random.chance(faults.exhausted_accepts) {
            return Err(Fault::TooManyFiles);
        }
        if !self.has_descriptor(machine) {
            return Err(Fault::TooManyFiles);
        }
        if let Some(listening) = self.listeners.get_mut(listener) {
            listening.queue.pop_front();
        }
        if self.random.chance(faults.aborted_accepts) {
            self.abandon(key);
            return Err(Fault::Aborted);
        }
        self.open_descriptor(machine)?;
        let remote = self.endpoints.get(key).map(|endpoint| endpoint.remote);
        let remote = remote.ok_or(Fault::Aborted)?;
        self.trace.note(Note::Accept, key.to_token() as u64, u64::from(remote.port()));
        Ok((key, remote))
    }

    /// Resets the next connection that waits, with the descriptor that was kept for it.
    pub(crate) fn refuse_one(&mut self, listener: Key) -> bool {
        let waiting = self
            .listeners
            .get_mut(listener)
            .and_then(|listening| listening.queue.pop_front());
        match waiting {
            Some(key) => {
                self.abandon(key);
                true
            }
            None => false,
        }
    }

    pub(crate) fn read(&mut self, key: Key, buffer: &mut [u8]) -> Result<usize, Fault> {
        let result = self.read_or_fail(key, buffer);
        self.note(Note::Read, key, result);
        result
    }

    fn read_or_fail(&mut self, key: Key, buffer: &mut [u8]) -> Result<usize, Fault> {
        self.disturb(key)?;
        let faults = self.options.faults;
        let endpoint = self.endpoints.get_mut(key).ok_or(Fault::NotConnected)?;
        let (machine, peer) = (endpoint.watch.machine, endpoint.peer);
        let available = endpoint.inbox.readable().min(buffer.len());
        let mut most = available;
        if available > 1 && self.random.chance(faults.short_transfers) {
            most = 1 + self.random.index(available - 1);
        }
        let read = endpoint.read(buffer, most);
        match read {
            Ok(count) if count > 0 => {
                if let Some(peer) = peer {
                    let there = self.endpoints.get(peer).map_or(machine, |it| it.watch.machine);
                    self.send(key, peer, (machine, there), Packet::Window(count));
                }
                if most < available {
                    self.owe_news(key, machine);
                }
            }
            Err(Fault::WouldBlock) => self.rearm(key),
            _ => {}
        }
        read
    }

    pub(crate) fn write(&mut self, key: Key, slices: &[IoSlice<'_>]) -> Result<usize, Fault> {
        let result = self.write_or_fail(key, slices);
        self.note(Note::Write, key, result);
        result
    }

    fn write_or_fail(&mut self, key: Key, slices: &[IoSlice<'_>]) -> Result<usize, Fault> {
        self.disturb(key)?;
        let faults = self.options.faults;
        if self.random.chance(faults.missing_buffers) {
            return Err(Fault::NoBuffers);
        }
        let offered = slices.iter().map(|slice| slice.len()).sum();
        let endpoint = self.endpoints.get_mut(key).ok_or(Fault::NotConnected)?;
        let machine = endpoint.watch.machine;
        let room = match endpoint.may_write(offered) {
            Ok(room) => room,
            Err(fault) => {
                if fault == Fault::WouldBlock {
                    self.rearm(key);
                }
                return Err(fault);
            }
        };
        let mut count = room;
        if room > 1 && self.random.chance(faults.short_transfers) {
            count = 1 + self.random.index(room - 1);
            self.owe_news(key, machine);
        }
        let Some(endpoint) = self.endpoints.get_mut(key) else {
            return Err(Fault::NotConnected);
        };
        endpoint.outlet.took(count, offered);
        let peer = endpoint.peer.ok_or(Fault::NotConnected)?;
        let mut there = machine;
        if let Some(receiver) = self.endpoints.get_mut(peer) {
            there = receiver.watch.machine;
            let mut left = count;
            for slice in slices {
                let part = &slice[..slice.len().min(left)];
                receiver.inbox.send(part);
                left -= part.len();
            }
        }
        self.send(key, peer, (machine, there), Packet::Bytes(count));
        Ok(count)
    }

    /// What may come between a program and its socket, whatever is called.
    fn disturb(&mut self, key: Key) -> Result<(), Fault> {
        let faults = self.options.faults;
        if self.random.chance(faults.interruptions) {
            return Err(Fault::Interrupted);
        }
        if self.random.chance(faults.false_blocks) {
            let machine = self.endpoints.get(key).map(|it| it.watch.machine);
            if let Some(machine) = machine {
                self.owe_news(key, machine);
                self.rearm(key);
            }
            return Err(Fault::WouldBlock);
        }
        if self.random.chance(faults.resets) {
            self.break_connection(key);
        }
        Ok(())
    }

    /// Resets a connection at both ends, as a middle box does that has forgotten it.
    fn break_connection(&mut self, key: Key) {
        let Some(endpoint) = self.endpoints.get_mut(key) else {
            return;
        };
        if endpoint.phase != Phase::Connected {
            return;
        }
        endpoint.reset();
        let (peer, machine) = (endpoint.peer, endpoint.watch.machine);
        self.tell(key, Readiness::all());
        if let Some(peer) = peer {
            let there = self.endpoints.get(peer).map_or(machine, |it| it.watch.machine);
            self.send(key, peer, (machine, there), Packet::Reset);
        }
    }

    /// A call on it has blocked.
    fn rearm(&mut self, key: Key) {
        if self.options.flavour != super::options::Flavour::Afd {
            return;
        }
        if let Some(endpoint) = self.endpoints.get_mut(key) {
            if endpoint.watch.rearm() {
                let machine = endpoint.watch.machine;
                self.machines[machine].list.push_back(Watched::Endpoint(key));
            }
        }
    }

    /// Sends the FIN.
    pub(crate) fn shutdown_write(&mut self, key: Key) -> Result<(), Fault> {
        let endpoint = self.endpoints.get_mut(key).ok_or(Fault::NotConnected)?;
        if endpoint.phase != Phase::Connected {
            return Err(Fault::NotConnected);
        }
        if std::mem::replace(&mut endpoint.has_ended, true) {
            return Ok(());
        }
        self.send_last(key, Packet::Fin);
        self.tell(key, Readiness::all());
        Ok(())
    }

    fn send_last(&mut self, key: Key, packet: Packet) {
        let Some(endpoint) = self.endpoints.get(key) else {
            return;
        };
        let machine = endpoint.watch.machine;
        if let Some(peer) = endpoint.peer {
            let there = self.endpoints.get(peer).map_or(machine, |it| it.watch.machine);
            self.send(key, peer, (machine, there), packet);
        }
    }

    /// Closes a socket: with a FIN behind what was sent, or with a reset.
    pub(crate) fn close(&mut self, key: Key) {
        let Some(endpoint) = self.endpoints.get(key) else {
            return;
        };
        self.machines[endpoint.watch.machine].open -= 1;
        self.abandon_with(key, endpoint.resets());
    }

    /// Resets a connection that no program has a descriptor of.
    fn abandon(&mut self, key: Key) {
        self.abandon_with(key, true);
    }

    fn abandon_with(&mut self, key: Key, resets: bool) {
        self.trace.note(Note::Close, key.to_token() as u64, u64::from(resets));
        match self.endpoints.get(key) {
            Some(endpoint) if endpoint.phase == Phase::Connected => {
                if resets {
                    self.send_last(key, Packet::Reset);
                } else if !endpoint.has_ended {
                    self.send_last(key, Packet::Fin);
                }
            }
            _ => {}
        }
        self.endpoints.remove(key);
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
            .is_none_or(|most| self.machines[machine].open < most)
    }

    fn open_descriptor(&mut self, machine: usize) -> Result<(), Fault> {
        if !self.has_descriptor(machine) {
            return Err(Fault::TooManyFiles);
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
        self.next_port = if port >= LAST_PORT { FIRST_PORT } else { port + 1 };
        port
    }

    fn note(&mut self, note: Note, key: Key, result: Result<usize, Fault>) {
        let result = match result {
            Ok(count) => {
                self.moved += 1;
                count as u64
            }
            Err(fault) => u64::MAX - fault as u64,
        };
        self.trace.note(note, key.to_token() as u64, result);
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
