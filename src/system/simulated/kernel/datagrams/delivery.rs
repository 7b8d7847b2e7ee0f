//! The arrival of datagrams and refusals.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::readiness::Readiness;
use crate::slots::Key;
use crate::system::faults::call_error::CallError;

use super::super::machine::MachineId;
use super::super::trace::Note;
use super::super::world::World;
use super::Datagrams;
use super::flight::{Flight, Passage};

impl Datagrams {
    /// Returns the next time of arrival. Drops refusals and timers of closed sockets before it: no loop waits for them.
    pub(in super::super) fn next_arrival(&mut self) -> Option<u64> {
        while let Some(flight) = self.flights.peek() {
            let is_moot = match flight.passage {
                Passage::Datagram { .. } => false,
                Passage::Refusal { sender, .. } | Passage::Departure { sender, .. } => {
                    self.sockets.get(sender).is_none()
                }
                Passage::Renotify(key) => self.sockets.get(key).is_none(),
            };
            if !is_moot {
                return Some(flight.at);
            }
            self.flights.pop();
        }
        None
    }

    pub(in super::super) fn deliver(&mut self, world: &mut World) {
        let now = world.clock.nanoseconds();
        while self.flights.peek().is_some_and(|flight| flight.at <= now) {
            let Some(flight) = self.flights.pop() else {
                return;
            };
            let link = flight.link;
            // A partition and a machine that is down lose datagrams, and the sender gets no error.
            if flight.passage.travels() && !world.machines.reaches(link.from, link.to) {
                continue;
            }
            world.trace.note(Note::Arrival, flight.sequence, flight.at);
            world.progress += 1;
            self.arrive(world, flight);
        }
    }

    fn arrive(&mut self, world: &mut World, flight: Flight) {
        let Flight { link, passage, .. } = flight;
        match passage {
            Passage::Datagram {
                sender,
                from,
                to,
                bytes,
            } => {
                let receivers = self.receivers(world, link.to, from, to);
                let is_single = !is_shared(to.ip());
                if receivers.is_empty() && is_single {
                    let back = link.reversed();
                    let at = world.arrival(back);
                    self.send_at(at, back, Passage::Refusal { sender, peer: to });
                }
                let capacity = world.options.capacity;
                for key in receivers {
                    let Some(socket) = self.sockets.get_mut(key) else {
                        continue;
                    };
                    let is_taken = socket.take_in(from, bytes.clone(), capacity);
                    self.record(world, key, || match is_taken {
                        true => format!("gets a datagram of {} bytes from {from}", bytes.len()),
                        false => format!("has no space for a datagram from {from}"),
                    });
                    if is_taken {
                        self.notify(world, key, Readiness::READABLE);
                    }
                }
            }
            Passage::Refusal { sender, peer } => {
                // The kernel reports a refusal only to a socket that is connected to the refused address.
                let socket = self.sockets.get_mut(sender);
                if let Some(socket) = socket.filter(|socket| socket.peer == Some(peer)) {
                    socket.error = Some(CallError::Refused);
                    self.record(world, sender, || {
                        format!("hears that {peer} is unreachable")
                    });
                    self.notify(world, sender, Readiness::all());
                }
            }
            Passage::Departure { sender, bytes } => {
                if let Some(socket) = self.sockets.get_mut(sender) {
                    socket.outgoing -= bytes;
                    self.notify(world, sender, Readiness::WRITABLE);
                }
            }
            Passage::Renotify(key) => self.notify(world, key, Readiness::all()),
        }
    }

    fn receivers(
        &self,
        world: &mut World,
        machine: MachineId,
        from: SocketAddr,
        to: SocketAddr,
    ) -> Vec<Key> {
        let sockets = self.sockets.iter();
        if is_shared(to.ip()) {
            let is_broadcast = !to.ip().is_multicast();
            let hearing = sockets.filter(|(_, socket)| {
                socket.watch.machine == machine
                    && match is_broadcast {
                        true => socket.is_any_for(to),
                        false => socket.hears_group(from, to),
                    }
            });
            return hearing.map(|(key, _)| key).collect();
        }
        let fitting = sockets.filter_map(|(key, it)| Some((it.fit(machine, from, to)?, key)));
        let fitting: Vec<(u8, Key)> = fitting.collect();
        let Some(best) = fitting.iter().map(|(fit, _)| *fit).max() else {
            return Vec::new();
        };
        let best: Vec<Key> = fitting
            .into_iter()
            .filter_map(|(fit, key)| (fit == best).then_some(key))
            .collect();
        match best.len() {
            1 => best,
            // Several sockets share the port, and the kernel chooses one.
            several => vec![best[world.random.index(several)]],
        }
    }
}

/// Whether `ip` is of multicast or broadcast, so that several sockets may receive a datagram to it.
fn is_shared(ip: IpAddr) -> bool {
    ip.is_multicast() || ip == IpAddr::V4(Ipv4Addr::BROADCAST)
}
