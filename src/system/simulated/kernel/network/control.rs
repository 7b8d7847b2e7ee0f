//! The methods through which a test changes and inspects the network.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::system::faults::Faults;
use crate::system::simulated::options::Options;

use super::super::call_counts::CallCounts;
use super::super::clock::nanoseconds;
use super::super::log::Log;
use super::super::machine::MachineId;
use super::super::route::Route;
use super::Network;

impl Network {
    pub(crate) fn options_mut(&mut self) -> &mut Options {
        &mut self.world.options
    }

    pub(crate) fn set_route(&mut self, address: IpAddr, route: Route) {
        self.routes.insert(address, route);
    }

    pub(crate) fn set_partitioned(&mut self, machine: MachineId, is_partitioned: bool) {
        self.deliver();
        self.world.machines.get_mut(machine).is_partitioned = is_partitioned;
        self.connections.on_partition_change(&self.world);
        self.world.record(machine, None, || match is_partitioned {
            true => "is cut off from all other machines".to_owned(),
            false => "is connected with the other machines again".to_owned(),
        });
    }

    pub(crate) fn set_blocked(&mut self, from: MachineId, to: MachineId, is_blocked: bool) {
        self.deliver();
        self.world.machines.set_blocked(from, to, is_blocked);
        self.connections.on_partition_change(&self.world);
        self.world.record(from, None, || {
            let verb = if is_blocked {
                "does not reach"
            } else {
                "reaches"
            };
            format!("{verb} machine {}", to + 1)
        });
    }

    pub(crate) fn set_latency(
        &mut self,
        one: MachineId,
        other: MachineId,
        latency: Option<Duration>,
    ) {
        let pair = (one.min(other), one.max(other));
        match latency {
            Some(latency) => self.world.latencies.insert(pair, nanoseconds(latency)),
            None => self.world.latencies.remove(&pair),
        };
    }

    /// Stops `machine` at once: its sockets and listeners are gone, and no packet tells their peers.
    pub(crate) fn crash(&mut self, machine: MachineId) {
        self.deliver();
        for listener in self.ports.of_machine(machine) {
            // The returned listener is dropped with its queue. The connections in it are sockets of this machine, and
            // `Connections::crash` removes them below.
            self.ports.close(&mut self.world, listener);
        }
        let crashed = self.world.machines.get_mut(machine);
        crashed.crash();
        crashed.sockets = 0;
        self.connections.crash(&self.world, machine);
        self.datagrams.crash(machine);
        self.world.record(machine, None, || "crashes".to_owned());
    }

    /// Starts `machine` again. Held packets of TCP arrive now, except each SYN, which is sent again after a backoff.
    pub(crate) fn restart(&mut self, machine: MachineId) {
        self.deliver();
        self.world.machines.get_mut(machine).is_down = false;
        self.connections.on_partition_change(&self.world);
        self.world
            .record(machine, None, || "starts again".to_owned());
    }

    pub(crate) fn end_faults(&mut self) {
        self.deliver();
        self.world.options.faults = Faults::NONE;
        self.world.machines.heal();
        self.connections.on_partition_change(&self.world);
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        if let Some(later) = self.world.clock.now().checked_add(time) {
            self.advance_to(later);
        }
    }

    pub(crate) fn keep_log(&mut self, most: usize) {
        self.world.log = Some(Log::new(most));
    }

    pub(crate) fn add_to_log(&mut self, text: &str) {
        let at = self.world.clock.elapsed();
        if let Some(log) = &mut self.world.log {
            log.add(at, None, None, text);
        }
    }

    pub(crate) fn log(&self) -> String {
        self.world.log.as_ref().map(Log::text).unwrap_or_default()
    }

    pub(crate) fn unread_bytes(&self, local: SocketAddr, peer: SocketAddr) -> usize {
        self.connections.unread_bytes(local, peer)
    }

    pub(crate) fn draw_index(&mut self, length: usize) -> usize {
        self.world.random.index(length)
    }

    pub(crate) fn progress(&self) -> u64 {
        self.world.progress
    }

    pub(crate) fn trace_hash(&self) -> u64 {
        self.world.trace.hash()
    }

    pub(crate) fn trace_entries(&self) -> u64 {
        self.world.trace.entries()
    }

    pub(crate) fn call_counts(&self, machine: MachineId) -> CallCounts {
        self.world.machines.get(machine).calls
    }

    pub(crate) fn held_bytes(&self) -> usize {
        self.connections.held_bytes() + self.datagrams.held_bytes()
    }

    pub(crate) fn packets(&self) -> usize {
        self.connections.packets() + self.datagrams.packets()
    }

    pub(crate) fn open_sockets(&self) -> usize {
        self.world.machines.open_sockets()
    }
}
