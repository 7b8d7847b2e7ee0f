//! What a program holds of the simulated kernel: descriptors of connections and of listening sockets.

use std::io::{self, IoSlice};
use std::net::SocketAddr;

use mio::event::Source;
use mio::{Interest, Registry, Token};

use crate::readiness::Readiness;
use crate::slots::Key;
use crate::system::options::{Binding, KeepAliveTimes};

use super::kernel::endpoint::{Endpoint, Phase};
use super::options::Flavour;
use super::selector::{Host, Shared};
use crate::system::faults::errno::Errno;

/// One end of a simulated connection. Dropping it closes it.
#[derive(Debug)]
pub(crate) struct Stream {
    network: Shared,
    key: Key,
}

impl Stream {
    pub(crate) fn connect(
        host: &Host,
        remote: SocketAddr,
        local: Option<SocketAddr>,
    ) -> io::Result<Self> {
        let mut network = host.network.borrow_mut();
        let key = network
            .connect(host.machine, remote, local)
            .map_err(Errno::to_io)?;
        Ok(Self {
            network: Shared::clone(&host.network),
            key,
        })
    }

    pub(crate) fn finish_connecting(&self) -> io::Result<bool> {
        if let Some(error) = self.take_error() {
            return Err(error);
        }
        Ok(self.ask(|endpoint| endpoint.phase) == Some(Phase::Connected))
    }

    pub(crate) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.network.borrow_mut().read(self.key, buffer);
        read.map_err(Errno::to_io)
    }

    pub(crate) fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let written = self.network.borrow_mut().write(self.key, slices);
        written.map_err(Errno::to_io)
    }

    pub(crate) fn shutdown_write(&self) -> io::Result<()> {
        let done = self.network.borrow_mut().shutdown_write(self.key);
        done.map_err(Errno::to_io)
    }

    pub(crate) fn take_error(&self) -> Option<io::Error> {
        let mut network = self.network.borrow_mut();
        let endpoint = network.endpoints.get_mut(self.key)?;
        endpoint.error.take().map(Errno::to_io)
    }

    pub(crate) fn reset_on_close(&self) {
        if let Some(endpoint) = self.network.borrow_mut().endpoints.get_mut(self.key) {
            endpoint.resets_on_close = true;
        }
    }

    pub(crate) fn set_no_delay(&self) -> io::Result<()> {
        self.refuse_option()
    }

    pub(crate) fn set_keep_alive(&self, times: Option<KeepAliveTimes>) -> io::Result<()> {
        self.refuse_option()?;
        self.network.borrow_mut().keep_alive(self.key, times);
        Ok(())
    }

    fn refuse_option(&self) -> io::Result<()> {
        match self.network.borrow_mut().refuses_option() {
            true => Err(Errno::InvalidArgument.to_io()),
            false => Ok(()),
        }
    }

    pub(crate) fn local_address(&self) -> Option<SocketAddr> {
        self.ask(|endpoint| endpoint.local)
    }

    /// The peer's address, as long as the connection is there.
    pub(crate) fn peer_address(&self) -> io::Result<SocketAddr> {
        match self.ask(|endpoint| (endpoint.phase, endpoint.remote)) {
            Some((Phase::Connected, remote)) => Ok(remote),
            _ => Err(Errno::NotConnected.to_io()),
        }
    }

    /// Whether a short read or write proves that there is no more for now.
    pub(crate) fn short_transfer_drains(&self) -> bool {
        self.network.borrow().options().flavour != Flavour::Afd
    }

    fn ask<R>(&self, question: impl FnOnce(&Endpoint) -> R) -> Option<R> {
        self.network.borrow().endpoints.get(self.key).map(question)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.network.borrow_mut().close(self.key);
    }
}

impl Source for Stream {
    /// Its machine watches it. mio's registry is that of the real kernel, which knows nothing of it.
    fn register(&mut self, _: &Registry, token: Token, directions: Interest) -> io::Result<()> {
        let mut network = self.network.borrow_mut();
        if let Some(endpoint) = network.endpoints.get_mut(self.key) {
            endpoint.watch.register(token.0, directions);
        }
        network.tell(self.key, Readiness::all());
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
        if let Some(endpoint) = self.network.borrow_mut().endpoints.get_mut(self.key) {
            endpoint.watch.deregister();
        }
        Ok(())
    }
}

/// A simulated socket that listens. Dropping it closes it.
#[derive(Debug)]
pub(crate) struct Acceptor {
    network: Shared,
    key: Key,
}

impl Acceptor {
    pub(crate) fn bind(host: &Host, address: SocketAddr, binding: &Binding) -> io::Result<Self> {
        let mut network = host.network.borrow_mut();
        let key = network
            .bind(host.machine, address, binding)
            .map_err(Errno::to_io)?;
        Ok(Self {
            network: Shared::clone(&host.network),
            key,
        })
    }

    pub(crate) fn accept(&self) -> io::Result<(Stream, SocketAddr)> {
        let accepted = self.network.borrow_mut().accept(self.key);
        let (key, peer) = accepted.map_err(Errno::to_io)?;
        let stream = Stream {
            network: Shared::clone(&self.network),
            key,
        };
        Ok((stream, peer))
    }

    pub(crate) fn local_address(&self) -> Option<SocketAddr> {
        let network = self.network.borrow();
        network.listeners.get(self.key).map(|it| it.address)
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
        if let Some(listening) = network.listeners.get_mut(self.key) {
            listening.watch.register(token.0, directions);
        }
        network.tell_listener(self.key);
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
        if let Some(listening) = self.network.borrow_mut().listeners.get_mut(self.key) {
            listening.watch.deregister();
        }
        Ok(())
    }
}
