//! The system calls on UDP sockets.

use std::net::SocketAddr;

use mio::Interest;

use crate::slots::Key;
use crate::system::faults::call_error::CallError;
use crate::system::options::{UdpBinding, UdpOption};

use super::super::machine::MachineId;
use super::Network;

impl Network {
    pub(crate) fn bind_udp(
        &mut self,
        machine: MachineId,
        address: SocketAddr,
        binding: &UdpBinding,
    ) -> Result<Key, CallError> {
        self.datagrams
            .bind(&mut self.world, machine, address, binding)
    }

    pub(crate) fn receive_datagram(
        &mut self,
        key: Key,
        buffer: &mut [u8],
    ) -> Result<(usize, SocketAddr), CallError> {
        self.deliver();
        self.datagrams.receive(&mut self.world, key, buffer)
    }

    pub(crate) fn send_datagram(
        &mut self,
        key: Key,
        bytes: &[u8],
        to: Option<SocketAddr>,
    ) -> Result<usize, CallError> {
        self.deliver();
        let routes = &self.routes;
        let route = |ip| routes.get(&ip).copied().unwrap_or_default();
        self.datagrams.send(&mut self.world, key, bytes, to, route)
    }

    pub(crate) fn connect_udp(&mut self, key: Key, peer: SocketAddr) -> Result<(), CallError> {
        let route = self.routes.get(&peer.ip()).copied().unwrap_or_default();
        self.datagrams.connect(key, peer, route)
    }

    pub(crate) fn take_udp_error(&mut self, key: Key) -> Option<CallError> {
        self.deliver();
        self.datagrams.get_mut(key)?.take_error()
    }

    /// Returns the address of the socket, and the address that it is connected to.
    pub(crate) fn udp_addresses(&self, key: Key) -> (Option<SocketAddr>, Option<SocketAddr>) {
        match self.datagrams.get(key) {
            Some(socket) => (Some(socket.local()), socket.peer()),
            None => (None, None),
        }
    }

    pub(crate) fn set_udp_option(&mut self, key: Key, option: UdpOption) -> Result<(), CallError> {
        self.set_option()?;
        self.datagrams.set(key, option)
    }

    pub(crate) fn register_udp(&mut self, key: Key, token: usize, directions: Interest) {
        self.datagrams
            .register(&mut self.world, key, token, directions);
    }

    pub(crate) fn deregister_udp(&mut self, key: Key) {
        if let Some(socket) = self.datagrams.get_mut(key) {
            socket.watch.deregister();
        }
    }

    pub(crate) fn close_udp(&mut self, key: Key) {
        self.deliver();
        self.datagrams.close(&mut self.world, key);
    }
}
