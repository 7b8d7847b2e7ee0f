//! The descriptor of a simulated listening socket.

use std::io;
use std::net::SocketAddr;

use mio::event::Source;
use mio::{Interest, Registry, Token};

use crate::slots::Key;
use crate::system::faults::call_error::CallError;
use crate::system::options::Binding;

use super::kernel::Shared;
use super::machine_handle::MachineHandle;
use super::stream::Stream;

#[derive(Debug)]
pub(crate) struct Acceptor {
    network: Shared,
    key: Key,
}

impl Acceptor {
    pub(crate) fn bind(
        machine: &MachineHandle,
        address: SocketAddr,
        binding: &Binding,
    ) -> io::Result<Self> {
        let bound = machine
            .network()
            .borrow_mut()
            .bind(machine.id(), address, binding);
        Ok(Self {
            network: Shared::clone(machine.network()),
            key: bound.map_err(CallError::to_io)?,
        })
    }

    pub(crate) fn accept(&self) -> io::Result<(Stream, SocketAddr)> {
        let accepted = self.network.borrow_mut().accept(self.key);
        let (key, peer) = accepted.map_err(CallError::to_io)?;
        Ok((Stream::new(Shared::clone(&self.network), key), peer))
    }

    pub(crate) fn local_address(&self) -> Option<SocketAddr> {
        self.network.borrow().listener_address(self.key)
    }
}

impl Drop for Acceptor {
    fn drop(&mut self) {
        self.network.borrow_mut().close_listener(self.key);
    }
}

impl Source for Acceptor {
    fn register(&mut self, _: &Registry, token: Token, directions: Interest) -> io::Result<()> {
        let mut network = self.network.borrow_mut();
        network.register_listener(self.key, token.0, directions);
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
        self.network.borrow_mut().deregister_listener(self.key);
        Ok(())
    }
}
