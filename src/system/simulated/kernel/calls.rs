//! The calls on a connection: what a program asks of its sockets, with the faults that stand in between.
//!
//! What is due has arrived before a call looks: without latency a packet is there by the time that the call which sent
//! it returns, as on loopback, and not only when somebody polls.

use std::io::IoSlice;

use crate::readiness::Readiness;
use crate::slots::Key;

use super::super::options::Flavour;
use super::call_counts::Calls;
use super::endpoint::Phase;
use super::network::Network;
use super::trace::Note;
use super::watch::Watched;
use super::wire::Packet;
use crate::system::faults::errno::Errno;

impl Network {
    pub(crate) fn read(&mut self, key: Key, buffer: &mut [u8]) -> Result<usize, Errno> {
        self.arrive();
        let result = self.read_or_fail(key, buffer);
        self.count(key, result, |calls| &mut calls.reads);
        self.note(Note::Read, key, result);
        result
    }

    fn read_or_fail(&mut self, key: Key, buffer: &mut [u8]) -> Result<usize, Errno> {
        self.disturb(key)?;
        let faults = self.options.faults;
        let endpoint = self.endpoints.get_mut(key).ok_or(Errno::NotConnected)?;
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
                    let there = self
                        .endpoints
                        .get(peer)
                        .map_or(machine, |it| it.watch.machine);
                    self.send(key, peer, (machine, there), Packet::Window(count));
                }
                if most < available {
                    self.owe_news(key, machine);
                }
            }
            Err(Errno::WouldBlock) => self.rearm(key),
            _ => {}
        }
        read
    }

    pub(crate) fn write(&mut self, key: Key, slices: &[IoSlice<'_>]) -> Result<usize, Errno> {
        self.arrive();
        let result = self.write_or_fail(key, slices);
        self.count(key, result, |calls| &mut calls.writes);
        self.note(Note::Write, key, result);
        result
    }

    fn write_or_fail(&mut self, key: Key, slices: &[IoSlice<'_>]) -> Result<usize, Errno> {
        self.disturb(key)?;
        let faults = self.options.faults;
        if self.random.chance(faults.missing_buffers) {
            return Err(Errno::NoBuffers);
        }
        let offered = slices.iter().map(|slice| slice.len()).sum();
        let endpoint = self.endpoints.get_mut(key).ok_or(Errno::NotConnected)?;
        let machine = endpoint.watch.machine;
        let room = match endpoint.may_write(offered) {
            Ok(room) => room,
            Err(fault) => {
                if fault == Errno::WouldBlock {
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
            return Err(Errno::NotConnected);
        };
        endpoint.outlet.took(count, offered);
        let peer = endpoint.peer.ok_or(Errno::NotConnected)?;
        let mut there = machine;
        if let Some(receiver) = self.endpoints.get_mut(peer) {
            there = receiver.watch.machine;
            // A connection that is dead there takes nothing any more, though this side does not know it yet.
            let mut left = match receiver.phase {
                Phase::Dead => 0,
                _ => count,
            };
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
    fn disturb(&mut self, key: Key) -> Result<(), Errno> {
        let faults = self.options.faults;
        if self.random.chance(faults.interruptions) {
            return Err(Errno::Interrupted);
        }
        if self.random.chance(faults.false_blocks) {
            let machine = self.endpoints.get(key).map(|it| it.watch.machine);
            if let Some(machine) = machine {
                self.owe_news(key, machine);
                self.rearm(key);
            }
            return Err(Errno::WouldBlock);
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
            let there = self
                .endpoints
                .get(peer)
                .map_or(machine, |it| it.watch.machine);
            self.send(key, peer, (machine, there), Packet::Reset);
        }
    }

    /// A call on it has blocked.
    fn rearm(&mut self, key: Key) {
        if self.options.flavour != Flavour::Afd {
            return;
        }
        if let Some(endpoint) = self.endpoints.get_mut(key) {
            if endpoint.watch.rearm() {
                let machine = endpoint.watch.machine;
                self.machines[machine]
                    .list
                    .push_back(Watched::Endpoint(key));
            }
        }
    }

    /// Sends the FIN.
    pub(crate) fn shutdown_write(&mut self, key: Key) -> Result<(), Errno> {
        self.arrive();
        let endpoint = self.endpoints.get_mut(key).ok_or(Errno::NotConnected)?;
        if endpoint.phase != Phase::Connected {
            return Err(Errno::NotConnected);
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
            let there = self
                .endpoints
                .get(peer)
                .map_or(machine, |it| it.watch.machine);
            self.send(key, peer, (machine, there), packet);
        }
    }

    /// Closes a socket: with a FIN behind what was sent, or with a reset.
    pub(crate) fn close(&mut self, key: Key) {
        self.arrive();
        let Some(endpoint) = self.endpoints.get(key) else {
            return;
        };
        self.machines[endpoint.watch.machine].open -= 1;
        self.abandon_with(key, endpoint.resets());
    }

    /// Resets a connection that no program has a descriptor of.
    pub(in crate::system) fn abandon(&mut self, key: Key) {
        self.abandon_with(key, true);
    }

    fn abandon_with(&mut self, key: Key, resets: bool) {
        self.trace
            .note(Note::Close, key.to_token() as u64, u64::from(resets));
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

    fn count(
        &mut self,
        key: Key,
        result: Result<usize, Errno>,
        kind: impl FnOnce(&mut Calls) -> &mut u64,
    ) {
        let endpoint = self.endpoints.get(key);
        if let Some(endpoint) = endpoint.filter(|_| result != Err(Errno::Interrupted)) {
            *kind(&mut self.machines[endpoint.watch.machine].calls) += 1;
        }
    }

    fn note(&mut self, note: Note, key: Key, result: Result<usize, Errno>) {
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
