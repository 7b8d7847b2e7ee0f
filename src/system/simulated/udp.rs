//! The descriptor of a simulated UDP socket.

use std::io;
use std::net::SocketAddr;

use mio::event::Source;
use mio::{Interest, Registry, Token};

use crate::slots::Key;
use crate::system::faults::call_error::CallError;
use crate::system::options::{UdpBinding, UdpOption};

use super::kernel::Shared;
use super::machine_handle::MachineHandle;

#[derive(Debug)]
pub(crate) struct Udp {
    network: Shared,
    key: Key,
}

impl Udp {
    pub(crate) fn bind(
        machine: &MachineHandle,
        address: SocketAddr,
        binding: &UdpBinding,
    ) -> io::Result<Self> {
        let bound = machine
            .network()
            .borrow_mut()
            .bind_udp(machine.id(), address, binding);
        Ok(Self {
            network: Shared::clone(machine.network()),
            key: bound.map_err(CallError::to_io)?,
        })
    }

    pub(crate) fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let received = self.network.borrow_mut().receive_datagram(self.key, buffer);
        received.map_err(CallError::to_io)
    }

    pub(crate) fn send(&self, bytes: &[u8], to: Option<SocketAddr>) -> io::Result<usize> {
        let sent = self.network.borrow_mut().send_datagram(self.key, bytes, to);
        sent.map_err(CallError::to_io)
    }

    pub(crate) fn connect(&self, peer: SocketAddr) -> io::Result<()> {
        let connected = self.network.borrow_mut().connect_udp(self.key, peer);
        connected.map_err(CallError::to_io)
    }

    pub(crate) fn take_error(&self) -> Option<io::Error> {
        let error = self.network.borrow_mut().take_udp_error(self.key);
        error.map(CallError::to_io)
    }

    pub(crate) fn local_address(&self) -> io::Result<SocketAddr> {
        let (local, _) = self.network.borrow().udp_addresses(self.key);
        local.ok_or_else(|| CallError::NotConnected.to_io())
    }

    pub(crate) fn peer_address(&self) -> io::Result<SocketAddr> {
        let (_, peer) = self.network.borrow().udp_addresses(self.key);
        peer.ok_or_else(|| CallError::NotConnected.to_io())
    }

    pub(crate) fn set(&self, option: UdpOption) -> io::Result<()> {
        let set = self.network.borrow_mut().set_udp_option(self.key, option);
        set.map_err(CallError::to_io)
    }
}

impl Drop for Udp {
    fn drop(&mut self) {
        self.network.borrow_mut().close_udp(self.key);
    }
}

impl Source for Udp {
    fn register(&mut self, _: &Registry, token: Token, directions: Interest) -> io::Result<()> {
        let mut network = self.network.borrow_mut();
        network.register_udp(self.key, token.0, directions);
        Ok(())
    }

    fn reregister(
        &mut self,
        registry: &Registry,
        token: Token,
        directions: Interest,
    ) -> io::Result<()> {
        self.register(registry, token, directions)
    }

    fn deregister(&mut self, _: &Registry) -> io::Result<()> {
        self.network.borrow_mut().deregister_udp(self.key);
        Ok(())
    }
}
