//! A listening TCP socket whose calls meet faults.

use std::io;
use std::net::SocketAddr;

use mio::event::Source;
use mio::net::TcpListener;
use mio::{Interest, Registry, Token};

use crate::readiness::Readiness;
use crate::system::native::{self, tcp};
use crate::system::options::Binding;

use super::call_error::CallError;
use super::injector::Injector;
use super::registered_token::RegisteredToken;
use super::stream::FaultyStream;

#[derive(Debug)]
pub(crate) struct FaultyAcceptor {
    inner: TcpListener,
    injector: Injector,
    token: RegisteredToken,
}

impl FaultyAcceptor {
    pub(crate) fn bind(
        address: SocketAddr,
        binding: &Binding,
        injector: &Injector,
    ) -> io::Result<Self> {
        Ok(Self {
            inner: native::listen_tcp(address, binding)?,
            injector: injector.clone(),
            token: RegisteredToken::none(injector),
        })
    }

    pub(crate) fn accept(&self) -> io::Result<(FaultyStream, SocketAddr)> {
        if self.injector.strikes(|faults| faults.interruptions) {
            return Err(CallError::Interrupted.to_io());
        }
        if self.injector.strikes(|faults| faults.exhausted_accepts) {
            return Err(CallError::TooManyFiles.to_io());
        }
        if self.injector.strikes(|faults| faults.spurious_blocks) {
            self.token.owe(Readiness::READABLE);
            return Err(CallError::WouldBlock.to_io());
        }
        let (stream, peer) = self.inner.accept()?;
        if self.injector.strikes(|faults| faults.aborted_accepts) {
            // The client is told of a reset, and not of an end, even if it has sent nothing.
            let _ = tcp::reset_on_close(&stream);
            return Err(CallError::Aborted.to_io());
        }
        Ok((FaultyStream::new(stream, &self.injector), peer))
    }

    /// Accepts one connection and resets it, without a fault. Returns whether it did.
    pub(crate) fn refuse_one(&self) -> bool {
        match self.inner.accept() {
            Ok((stream, _)) => tcp::reset_on_close(&stream).is_ok(),
            Err(_) => false,
        }
    }

    pub(crate) fn local_address(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }
}

impl Source for FaultyAcceptor {
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
