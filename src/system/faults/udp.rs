//! A UDP socket whose calls meet faults.

use std::io;
use std::net::SocketAddr;

use mio::event::Source;
use mio::net::UdpSocket;
use mio::{Interest, Registry, Token};
use socket2::SockRef;

use crate::readiness::Readiness;
use crate::system::native::udp;
use crate::system::options::{UdpBinding, UdpOption};

use super::call_error::CallError;
use super::injector::Injector;
use super::registered_token::RegisteredToken;

#[derive(Debug)]
pub(crate) struct FaultyUdp {
    inner: UdpSocket,
    injector: Injector,
    token: RegisteredToken,
}

impl FaultyUdp {
    pub(crate) fn bind(
        address: SocketAddr,
        binding: &UdpBinding,
        injector: &Injector,
    ) -> io::Result<Self> {
        Ok(Self {
            inner: udp::bind(address, binding)?,
            injector: injector.clone(),
            token: RegisteredToken::none(injector),
        })
    }

    pub(crate) fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.inject(Readiness::READABLE)?;
        udp::receive(&self.inner, buffer)
    }

    pub(crate) fn send(&self, bytes: &[u8], to: Option<SocketAddr>) -> io::Result<usize> {
        self.inject(Readiness::WRITABLE)?;
        match to {
            Some(to) => self.inner.send_to(bytes, to),
            None => self.inner.send(bytes),
        }
    }

    fn inject(&self, readiness: Readiness) -> io::Result<()> {
        if self.injector.strikes(|faults| faults.interruptions) {
            return Err(CallError::Interrupted.to_io());
        }
        if self.injector.strikes(|faults| faults.spurious_blocks) {
            self.token.owe(readiness);
            return Err(CallError::WouldBlock.to_io());
        }
        match self.injector.strikes(|faults| faults.missing_buffers) {
            true => Err(CallError::NoBuffers.to_io()),
            false => Ok(()),
        }
    }

    pub(crate) fn connect(&self, peer: SocketAddr) -> io::Result<()> {
        self.inner.connect(peer)
    }

    pub(crate) fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.inner.take_error()
    }

    pub(crate) fn local_address(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    pub(crate) fn peer_address(&self) -> io::Result<SocketAddr> {
        self.inner.peer_addr()
    }

    pub(crate) fn set(&self, option: UdpOption, is_ipv6: bool) -> io::Result<()> {
        match self.injector.strikes(|faults| faults.refused_options) {
            true => Err(CallError::InvalidArgument.to_io()),
            false => udp::set(&SockRef::from(&self.inner), is_ipv6, option),
        }
    }
}

impl Source for FaultyUdp {
    fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        directions: Interest,
    ) -> io::Result<()> {
        self.token.set(token);
        self.inner.register(registry, token, directions)
    }

    fn reregister(
        &mut self,
        registry: &Registry,
        token: Token,
        directions: Interest,
    ) -> io::Result<()> {
        self.inner.reregister(registry, token, directions)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        self.token.clear();
        self.inner.deregister(registry)
    }
}
