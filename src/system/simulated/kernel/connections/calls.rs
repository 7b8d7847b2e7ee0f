//! The calls of a program on a connected socket, with the faults that they meet.

use std::io::IoSlice;

use crate::readiness::Readiness;
use crate::slots::Key;
use crate::system::faults::errno::Errno;
use crate::system::simulated::flavour::Flavour;

use super::super::call_counts::CallCounts;
use super::super::endpoint::Phase;
use super::super::machine::Watched;
use super::super::trace::Note;
use super::super::wire::Packet;
use super::super::world::World;
use super::Connections;

impl Connections {
    pub(in super::super) fn read(
        &mut self,
        world: &mut World,
        key: Key,
        buffer: &mut [u8],
    ) -> Result<usize, Errno> {
        let result = self.read_uncounted(world, key, buffer);
        self.count(world, key, result, |calls| &mut calls.reads);
        note(world, Note::Read, key, result);
        result
    }

    fn read_uncounted(
        &mut self,
        world: &mut World,
        key: Key,
        buffer: &mut [u8],
    ) -> Result<usize, Errno> {
        self.inject(world, key)?;
        let endpoint = self.endpoints.get_mut(key).ok_or(Errno::NotConnected)?;
        let machine = endpoint.watch.machine;
        let available = endpoint.inbox.readable().min(buffer.len());
        let mut most = available;
        if available > 1 && world.strikes(|faults| faults.short_transfers) {
            most = 1 + world.random.index(available - 1);
        }
        let read = endpoint.read(buffer, most);
        match read {
            Ok(count) if count > 0 => {
                self.send_to_peer(world, key, Packet::Window(count));
                if most < available {
                    self.renotify_later(world, key, machine);
                }
            }
            Err(Errno::WouldBlock) => self.on_blocked(world, key),
            _ => {}
        }
        read
    }

    pub(in super::super) fn write(
        &mut self,
        world: &mut World,
        key: Key,
        slices: &[IoSlice<'_>],
    ) -> Result<usize, Errno> {
        let result = self.write_uncounted(world, key, slices);
        self.count(world, key, result, |calls| &mut calls.writes);
        note(world, Note::Write, key, result);
        result
    }

    fn write_uncounted(
        &mut self,
        world: &mut World,
        key: Key,
        slices: &[IoSlice<'_>],
    ) -> Result<usize, Errno> {
        self.inject(world, key)?;
        if world.strikes(|faults| faults.missing_buffers) {
            return Err(Errno::NoBuffers);
        }
        let offered = slices.iter().map(|slice| slice.len()).sum();
        let endpoint = self.endpoints.get_mut(key).ok_or(Errno::NotConnected)?;
        let machine = endpoint.watch.machine;
        let writable = match endpoint.writable(offered) {
            Ok(writable) => writable,
            Err(error) => {
                if error == Errno::WouldBlock {
                    self.on_blocked(world, key);
                }
                return Err(error);
            }
        };
        let mut count = writable;
        if writable > 1 && world.strikes(|faults| faults.short_transfers) {
            count = 1 + world.random.index(writable - 1);
            self.renotify_later(world, key, machine);
        }
        let endpoint = self.endpoints.get_mut(key).ok_or(Errno::NotConnected)?;
        endpoint.window.take(count, offered);
        let peer = endpoint.peer.ok_or(Errno::NotConnected)?;
        if let Some(receiver) = self.endpoints.get_mut(peer) {
            // A connection that is dead at the receiver takes nothing any more, though this side does not know it yet.
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
        self.send_to_peer(world, key, Packet::Bytes(count));
        Ok(count)
    }

    /// Draws the faults that reading and writing have in common.
    fn inject(&mut self, world: &mut World, key: Key) -> Result<(), Errno> {
        if world.strikes(|faults| faults.interruptions) {
            return Err(Errno::Interrupted);
        }
        if world.strikes(|faults| faults.spurious_blocks) {
            if let Some(endpoint) = self.endpoints.get(key) {
                let machine = endpoint.watch.machine;
                self.renotify_later(world, key, machine);
                self.on_blocked(world, key);
            }
            return Err(Errno::WouldBlock);
        }
        if world.strikes(|faults| faults.resets) {
            self.reset_both_ends(world, key);
        }
        Ok(())
    }

    /// Resets a connection at both ends, as a middlebox does that has lost its state.
    fn reset_both_ends(&mut self, world: &mut World, key: Key) {
        let Some(endpoint) = self.endpoints.get_mut(key) else {
            return;
        };
        if endpoint.phase != Phase::Connected {
            return;
        }
        endpoint.reset();
        self.notify(world, key, Readiness::all());
        self.send_to_peer(world, key, Packet::Reset);
    }

    /// Notes that a call has blocked, which makes AFD report again.
    fn on_blocked(&mut self, world: &mut World, key: Key) {
        if world.options.flavour != Flavour::Afd {
            return;
        }
        if let Some(endpoint) = self.endpoints.get_mut(key) {
            if endpoint.watch.rearm() {
                world.enqueue(endpoint.watch.machine, Watched::Endpoint(key));
            }
        }
    }

    /// Sends the FIN.
    pub(in super::super) fn shutdown_write(
        &mut self,
        world: &mut World,
        key: Key,
    ) -> Result<(), Errno> {
        let endpoint = self.endpoints.get_mut(key).ok_or(Errno::NotConnected)?;
        if endpoint.phase != Phase::Connected {
            return Err(Errno::NotConnected);
        }
        if std::mem::replace(&mut endpoint.has_ended, true) {
            return Ok(());
        }
        self.send_to_peer(world, key, Packet::Fin);
        self.notify(world, key, Readiness::all());
        Ok(())
    }

    /// Closes a socket: with a FIN behind the sent bytes, or with a reset.
    pub(in super::super) fn close(&mut self, world: &mut World, key: Key) {
        let Some(endpoint) = self.endpoints.get(key) else {
            return;
        };
        let resets = endpoint.resets_on_close();
        world.machines.get_mut(endpoint.watch.machine).sockets -= 1;
        self.remove(world, key, resets);
    }

    /// Resets a connection that no program has a descriptor of.
    pub(in super::super) fn abandon(&mut self, world: &mut World, key: Key) {
        self.remove(world, key, true);
    }

    fn remove(&mut self, world: &mut World, key: Key, resets: bool) {
        let token = key.to_token() as u64;
        world.trace.note(Note::Close, token, u64::from(resets));
        match self.endpoints.get(key) {
            Some(endpoint) if endpoint.phase == Phase::Connected => {
                if resets {
                    self.send_to_peer(world, key, Packet::Reset);
                } else if !endpoint.has_ended {
                    self.send_to_peer(world, key, Packet::Fin);
                }
            }
            _ => {}
        }
        self.endpoints.remove(key);
    }

    fn count(
        &self,
        world: &mut World,
        key: Key,
        result: Result<usize, Errno>,
        kind: impl FnOnce(&mut CallCounts) -> &mut u64,
    ) {
        let endpoint = self.endpoints.get(key);
        if let Some(endpoint) = endpoint.filter(|_| result != Err(Errno::Interrupted)) {
            let machine = world.machines.get_mut(endpoint.watch.machine);
            *kind(&mut machine.calls) += 1;
        }
    }
}

fn note(world: &mut World, note: Note, key: Key, result: Result<usize, Errno>) {
    let result = match result {
        Ok(count) => {
            world.progress += 1;
            count as u64
        }
        Err(error) => u64::MAX - error as u64,
    };
    world.trace.note(note, key.to_token() as u64, result);
}
