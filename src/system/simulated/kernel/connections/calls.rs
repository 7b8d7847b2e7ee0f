//! The system calls of a program on a connected socket, with the faults that they meet.

use std::io::IoSlice;

use crate::readiness::Readiness;
use crate::slots::Key;
use crate::system::faults::call_error::CallError;
use crate::system::simulated::flavour::Flavour;

use super::super::call_counts::CallCounts;
use super::super::machine::Watched;
use super::super::tcp_socket::TcpState;
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
    ) -> Result<usize, CallError> {
        let result = self.read_uncounted(world, key, buffer);
        self.count(world, key, result, |calls| &mut calls.reads);
        self.record(world, key, || match result {
            Ok(0) if !buffer.is_empty() => "reads the end".to_owned(),
            Ok(count) => format!("reads {count} bytes"),
            Err(error) => format!("reads nothing: {error:?}"),
        });
        note(world, Note::Read, key, result);
        result
    }

    fn read_uncounted(
        &mut self,
        world: &mut World,
        key: Key,
        buffer: &mut [u8],
    ) -> Result<usize, CallError> {
        self.inject(world, key)?;
        if world.strikes(|faults| faults.missing_buffers) {
            return Err(CallError::NoBuffers);
        }
        let socket = self.sockets.get_mut(key).ok_or(CallError::NotConnected)?;
        let machine = socket.watch.machine;
        let available = socket.inbox.readable().min(buffer.len());
        let mut most = available;
        if available > 1 && world.strikes(|faults| faults.short_transfers) {
            most = 1 + world.random.index(available - 1);
        }
        let read = socket.read(buffer, most);
        match read {
            Ok(count) if count > 0 => {
                self.send_to_peer(world, key, Packet::Window(count));
                if most < available {
                    self.renotify_later(world, key, machine);
                }
            }
            Err(CallError::WouldBlock) => self.on_blocked(world, key),
            _ => {}
        }
        read
    }

    pub(in super::super) fn peek(
        &mut self,
        world: &mut World,
        key: Key,
    ) -> Result<usize, CallError> {
        let socket = self.sockets.get_mut(key).ok_or(CallError::NotConnected)?;
        let peeked = socket.peek();
        if peeked == Err(CallError::WouldBlock) {
            self.on_blocked(world, key);
        }
        peeked
    }

    pub(in super::super) fn write(
        &mut self,
        world: &mut World,
        key: Key,
        slices: &[IoSlice<'_>],
    ) -> Result<usize, CallError> {
        let result = self.write_uncounted(world, key, slices);
        self.count(world, key, result, |calls| &mut calls.writes);
        self.record(world, key, || match result {
            Ok(count) => format!("sends {count} bytes"),
            Err(error) => format!("sends nothing: {error:?}"),
        });
        note(world, Note::Write, key, result);
        result
    }

    fn write_uncounted(
        &mut self,
        world: &mut World,
        key: Key,
        slices: &[IoSlice<'_>],
    ) -> Result<usize, CallError> {
        self.inject(world, key)?;
        if world.strikes(|faults| faults.missing_buffers) {
            return Err(CallError::NoBuffers);
        }
        let offered = slices.iter().map(|slice| slice.len()).sum();
        let socket = self.sockets.get_mut(key).ok_or(CallError::NotConnected)?;
        let machine = socket.watch.machine;
        let writable = match socket.writable(offered) {
            Ok(writable) => writable,
            Err(error) => {
                if error == CallError::WouldBlock {
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
        let socket = self.sockets.get_mut(key).ok_or(CallError::NotConnected)?;
        socket.window.take(count, offered);
        let peer = socket.peer.ok_or(CallError::NotConnected)?;
        if let Some(receiver) = self.sockets.get_mut(peer) {
            // A dead receiver takes no bytes. The write still succeeds, because the news of the death is under way.
            let mut left = match receiver.state {
                TcpState::Dead => 0,
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

    fn inject(&mut self, world: &mut World, key: Key) -> Result<(), CallError> {
        if world.strikes(|faults| faults.interruptions) {
            return Err(CallError::Interrupted);
        }
        if world.strikes(|faults| faults.spurious_blocks) {
            if let Some(socket) = self.sockets.get(key) {
                let machine = socket.watch.machine;
                self.renotify_later(world, key, machine);
                self.on_blocked(world, key);
            }
            return Err(CallError::WouldBlock);
        }
        if world.strikes(|faults| faults.resets) {
            self.reset_both_ends(world, key);
        }
        Ok(())
    }

    /// Resets a connection at both ends, as a middlebox that has lost its state does.
    fn reset_both_ends(&mut self, world: &mut World, key: Key) {
        let Some(socket) = self.sockets.get_mut(key) else {
            return;
        };
        if socket.state != TcpState::Connected {
            return;
        }
        socket.reset();
        self.notify(world, key, Readiness::all());
        self.send_to_peer(world, key, Packet::Reset);
    }

    /// A kernel of the AFD flavour (Windows) reports all readiness again after a call that would have blocked.
    fn on_blocked(&mut self, world: &mut World, key: Key) {
        if world.options.flavour != Flavour::Afd {
            return;
        }
        if let Some(socket) = self.sockets.get_mut(key) {
            if socket.watch.rearm() {
                world.enqueue(socket.watch.machine, Watched::TcpSocket(key));
            }
        }
    }

    pub(in super::super) fn shutdown_write(
        &mut self,
        world: &mut World,
        key: Key,
    ) -> Result<(), CallError> {
        let socket = self.sockets.get_mut(key).ok_or(CallError::NotConnected)?;
        if socket.state != TcpState::Connected {
            return Err(CallError::NotConnected);
        }
        if std::mem::replace(&mut socket.has_ended, true) {
            return Ok(());
        }
        self.send_to_peer(world, key, Packet::Fin);
        self.record(world, key, || "sends the end".to_owned());
        self.notify(world, key, Readiness::all());
        Ok(())
    }

    pub(in super::super) fn close(&mut self, world: &mut World, key: Key) {
        let Some(socket) = self.sockets.get(key) else {
            return;
        };
        let resets = socket.resets_on_close();
        world.machines.get_mut(socket.watch.machine).sockets -= 1;
        self.remove(world, key, resets);
    }

    /// Resets a connection that no program has accepted. It has no descriptor, so the machine's count of sockets stays.
    pub(in super::super) fn abandon(&mut self, world: &mut World, key: Key) {
        self.remove(world, key, true);
    }

    fn remove(&mut self, world: &mut World, key: Key, resets: bool) {
        let token = key.to_token() as u64;
        world.trace.note(Note::Close, token, u64::from(resets));
        self.record(world, key, || match resets {
            true => "closes with a reset".to_owned(),
            false => "closes".to_owned(),
        });
        match self.sockets.get(key) {
            Some(socket) if socket.state == TcpState::Connected => {
                if resets {
                    self.send_to_peer(world, key, Packet::Reset);
                } else if !socket.has_ended {
                    self.send_to_peer(world, key, Packet::Fin);
                }
            }
            _ => {}
        }
        self.sockets.remove(key);
    }

    #[inline]
    fn record(&self, world: &mut World, key: Key, text: impl FnOnce() -> String) {
        if world.log.is_none() {
            return;
        }
        if let Some(socket) = self.sockets.get(key) {
            let addresses = (socket.local, socket.remote);
            world.record(socket.watch.machine, Some(addresses), text);
        }
    }

    fn count(
        &self,
        world: &mut World,
        key: Key,
        result: Result<usize, CallError>,
        kind: impl FnOnce(&mut CallCounts) -> &mut u64,
    ) {
        let socket = self.sockets.get(key);
        if let Some(socket) = socket.filter(|_| result != Err(CallError::Interrupted)) {
            let machine = world.machines.get_mut(socket.watch.machine);
            *kind(&mut machine.calls) += 1;
        }
    }
}

fn note(world: &mut World, note: Note, key: Key, result: Result<usize, CallError>) {
    let result = match result {
        Ok(count) => {
            world.progress += 1;
            count as u64
        }
        Err(error) => u64::MAX - error as u64,
    };
    world.trace.note(note, key.to_token() as u64, result);
}
