//! The descriptor of a simulated connection.

use std::io::{self, IoSlice};
use std::net::SocketAddr;

use mio::event::Source;
use mio::{Interest, Registry, Token};

use crate::slots::Key;
use crate::system::faults::call_error::CallError;
use crate::system::options::KeepAliveTimes;

use super::kernel::{Shared, TcpState};
use super::machine_handle::MachineHandle;

#[derive(Debug)]
pub(crate) struct Stream {
    network: Shared,
    key: Key,
}

impl Stream {
    pub(crate) fn connect(
        machine: &MachineHandle,
        remote: SocketAddr,
        local: Option<SocketAddr>,
    ) -> io::Result<Self> {
        let connecting = machine
            .network()
            .borrow_mut()
            .connect(machine.id(), remote, local);
        let key = connecting.map_err(CallError::to_io)?;
        Ok(Self::new(Shared::clone(machine.network()), key))
    }

    pub(super) fn new(network: Shared, key: Key) -> Self {
        Self { network, key }
    }

    pub(crate) fn finish_connecting(&self) -> io::Result<bool> {
        if let Some(error) = self.take_error() {
            return Err(error);
        }
        Ok(self.network.borrow().state(self.key) == Some(TcpState::Connected))
    }

    pub(crate) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.network.borrow_mut().read(self.key, buffer);
        read.map_err(CallError::to_io)
    }

    pub(crate) fn peek(&self) -> io::Result<usize> {
        let peeked = self.network.borrow_mut().peek(self.key);
        peeked.map_err(CallError::to_io)
    }

    pub(crate) fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let written = self.network.borrow_mut().write(self.key, slices);
        written.map_err(CallError::to_io)
    }

    pub(crate) fn shutdown_write(&self) -> io::Result<()> {
        let done = self.network.borrow_mut().shutdown_write(self.key);
        done.map_err(CallError::to_io)
    }

    pub(crate) fn take_error(&self) -> Option<io::Error> {
        let error = self.network.borrow_mut().take_error(self.key);
        error.map(CallError::to_io)
    }

    pub(crate) fn reset_on_close(&self) {
        self.network.borrow_mut().reset_on_close(self.key);
    }

    pub(crate) fn set_no_delay(&self) -> io::Result<()> {
        let set = self.network.borrow_mut().set_option();
        set.map_err(CallError::to_io)
    }

    pub(crate) fn set_keep_alive(&self, times: Option<KeepAliveTimes>) -> io::Result<()> {
        let mut network = self.network.borrow_mut();
        network.set_option().map_err(CallError::to_io)?;
        network.set_keep_alive(self.key, times);
        Ok(())
    }

    pub(crate) fn local_address(&self) -> Option<SocketAddr> {
        self.network.borrow().local_address(self.key)
    }

    pub(crate) fn peer_address(&self) -> io::Result<SocketAddr> {
        let address = self.network.borrow().peer_address(self.key);
        address.map_err(CallError::to_io)
    }

    pub(crate) fn close_deregisters(&self) -> bool {
        self.network.borrow().close_deregisters()
    }

    pub(crate) fn short_transfer_exhausts(&self) -> bool {
        self.network.borrow().short_transfer_exhausts()
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.network.borrow_mut().close(self.key);
    }
}

impl Source for Stream {
    /// Registers the socket with its simulated machine. The `Registry` belongs to the real kernel, and is ignored.
    fn register(&mut self, _: &Registry, token: Token, directions: Interest) -> io::Result<()> {
        let mut network = self.network.borrow_mut();
        network.register(self.key, token.0, directions);
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
        self.network.borrow_mut().deregister(self.key);
        Ok(())
    }
}
