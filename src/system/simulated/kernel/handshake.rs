//! The establishment of a connection: connect, SYN and accept.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use crate::slots::Key;
use crate::system::faults::call_error::CallError;
use crate::system::simulated::flavour::Flavour;

use super::connections::Connections;
use super::machine::{MachineId, Watched};
use super::ports::Ports;
use super::route::Route;
use super::tcp_socket::TcpState;
use super::trace::Note;
use super::wire::Link;
use super::world::World;

#[derive(Debug)]
pub(super) struct Handshake<'a> {
    pub(super) world: &'a mut World,
    pub(super) connections: &'a mut Connections,
    pub(super) ports: &'a mut Ports,
}

impl Handshake<'_> {
    /// Opens a socket on `machine` and sends its SYN to `remote`. `route` decides the fate of the SYN.
    pub(super) fn connect(
        self,
        machine: MachineId,
        remote: SocketAddr,
        local: Option<SocketAddr>,
        route: Route,
    ) -> Result<Key, CallError> {
        self.world.machines.get_mut(machine).calls.connects += 1;
        let is_short = self.world.strikes(|faults| faults.exhausted_connects);
        if is_short || !self.world.has_descriptor(machine) {
            return Err(self.world.shortage());
        }
        if route == Route::Unreachable {
            return Err(CallError::Unreachable);
        }
        let ip = match local.map(|local| local.ip()) {
            Some(ip) if !ip.is_unspecified() => ip,
            _ => source_address(machine, remote.ip()),
        };
        let port = match local.map_or(0, |local| local.port()) {
            0 => self.ports.port_to(self.world, remote),
            port => port,
        };
        let local = SocketAddr::new(ip, port);
        if self.ports.is_bound(local) {
            return Err(CallError::AddressInUse);
        }
        self.world.open_socket(machine)?;
        let key = self.connections.open(self.world, machine, local, remote);
        let listener = self.ports.listener_at(remote, &mut self.world.random);
        let listener = listener.and_then(|listener| self.ports.get(listener));
        let owner = || self.world.machines.owner_of(remote.ip()).unwrap_or(machine);
        let link = Link {
            from: machine,
            to: listener.map_or_else(owner, |listener| listener.watch.machine),
        };
        let addresses = Some((local, remote));
        self.world
            .record(machine, addresses, || "connects".to_owned());
        let token = key.to_token() as u64;
        self.world.trace.note(Note::Connect, token, u64::from(port));
        match route {
            Route::Blackhole | Route::Unreachable => {}
            Route::Delayed(delay) => self.connections.send_syn(self.world, key, link, delay),
            Route::Normal => {
                self.connections
                    .send_syn(self.world, key, link, Duration::ZERO);
            }
        }
        self.connections
            .arm_connect_timeout(self.world, key, machine);
        Ok(key)
    }

    /// Handles a SYN of `client` that has arrived at its remote address. `tries` is the number of SYNs sent before.
    pub(super) fn on_syn(self, client: Key, tries: u32) {
        let Some(socket) = self.connections.get(client) else {
            return;
        };
        if socket.state != TcpState::Connecting {
            return;
        }
        let (local, remote, machine) = (socket.local, socket.remote, socket.watch.machine);
        let owner = self.world.machines.owner_of(remote.ip()).unwrap_or(machine);
        let (world, connections) = (self.world, self.connections);
        if local == remote {
            return connections.connect_to_itself(world, client);
        }
        let Some(key) = self.ports.listener_at(remote, &mut world.random) else {
            let link = Link {
                from: owner,
                to: machine,
            };
            return connections.refuse(world, client, link);
        };
        let Some(listener) = self.ports.get_mut(key) else {
            return;
        };
        let there = listener.watch.machine;
        if listener.is_full() {
            let link = Link {
                from: machine,
                to: there,
            };
            return connections.retry_syn(world, client, link, tries);
        }
        let accepted = connections.establish(world, client, there);
        listener.queue.extend(accepted);
        self.ports.notify(world, key);
    }

    pub(super) fn accept(self, key: Key) -> Result<(Key, SocketAddr), CallError> {
        let listener = self.ports.get_mut(key).ok_or(CallError::NotConnected)?;
        let machine = listener.watch.machine;
        self.world.machines.get_mut(machine).calls.accepts += 1;
        // Linux checks for a free descriptor before it checks whether a connection waits.
        if !self.world.has_descriptor(machine) {
            return Err(self.world.accept_shortage(machine));
        }
        let Some(&accepted) = listener.queue.front() else {
            // A kernel of the AFD flavour reports all readiness again after a call that would have blocked.
            if self.world.options.flavour == Flavour::Afd && listener.watch.rearm() {
                self.world.enqueue(machine, Watched::Listener(key));
            }
            return Err(CallError::WouldBlock);
        };
        if self.world.strikes(|faults| faults.interruptions) {
            self.world.machines.get_mut(machine).calls.accepts -= 1;
            return Err(CallError::Interrupted);
        }
        if self.world.strikes(|faults| faults.exhausted_accepts) {
            return Err(self.world.accept_shortage(machine));
        }
        listener.queue.pop_front();
        if self.world.strikes(|faults| faults.aborted_accepts) {
            self.connections.abandon(self.world, accepted);
            return Err(CallError::Aborted);
        }
        self.world.open_socket(machine)?;
        let socket = self.connections.get(accepted).ok_or(CallError::Aborted)?;
        let remote = socket.remote;
        let token = accepted.to_token() as u64;
        let port = u64::from(remote.port());
        self.world.trace.note(Note::Accept, token, port);
        let addresses = Some((socket.local, remote));
        self.world
            .record(machine, addresses, || "accepts".to_owned());
        Ok((accepted, remote))
    }

    /// Closes the listener `key`, and resets the connections that wait to be accepted.
    pub(super) fn close_listener(self, key: Key) {
        let Some(listener) = self.ports.close(self.world, key) else {
            return;
        };
        for waiting in listener.queue {
            self.connections.abandon(self.world, waiting);
        }
    }
}

/// Returns the address that a machine connects from: its own, but loopback for a loopback `remote`.
pub(super) fn source_address(machine: MachineId, remote: IpAddr) -> IpAddr {
    let number = u16::try_from(machine + 1).unwrap_or(u16::MAX);
    let [high, low] = number.to_be_bytes();
    match remote {
        IpAddr::V4(remote) if remote.is_loopback() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(remote) if remote.is_loopback() => Ipv6Addr::LOCALHOST.into(),
        IpAddr::V4(_) => Ipv4Addr::new(10, 0, high, low).into(),
        IpAddr::V6(_) => Ipv6Addr::new(0xFD00, 0, 0, 0, 0, 0, 0, number).into(),
    }
}
