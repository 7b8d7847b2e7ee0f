//! A TCP connection whose calls meet faults.

use std::cell::Cell;
use std::io::{self, IoSlice, Read};
use std::net::{Shutdown, SocketAddr};

use mio::event::Source;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

use crate::readiness::Readiness;
use crate::system::native::tcp::{self, ConnectStep};
use crate::system::options::KeepAliveTimes;

use super::call_error::CallError;
use super::injector::Injector;
use super::registered_token::RegisteredToken;

/// The readiness that a later poll reports again after a fault in a read. After a read that would block, the loop also
/// forgets a reported end. This code does not know whether one was reported, so a later poll always reports an end.
const INWARD: Readiness = Readiness::READABLE.union(Readiness::READ_CLOSED);

#[derive(Debug)]
pub(crate) struct FaultyStream {
    inner: TcpStream,
    injector: Injector,
    token: RegisteredToken,
    /// Whether a fault has reset the connection: the error was returned once, and no bytes move any more. The kernel's
    /// socket sends its reset when the program closes the socket.
    is_reset: Cell<bool>,
}

impl FaultyStream {
    pub(super) fn new(inner: TcpStream, injector: &Injector) -> Self {
        Self {
            inner,
            injector: injector.clone(),
            token: RegisteredToken::none(injector),
            is_reset: Cell::new(false),
        }
    }

    /// Opens a stream. A fault may bind it to `address`: if no listener has that port, the socket connects to itself.
    pub(crate) fn open(
        address: SocketAddr,
        local: Option<SocketAddr>,
        injector: &Injector,
    ) -> Result<Self, (ConnectStep, io::Error)> {
        let is_self_connect = local.is_none()
            && address.ip().is_loopback()
            && injector.strikes(|faults| faults.self_connects);
        let to_itself = match is_self_connect {
            // The bind fails if a listener has the port. The socket below is then ordinary.
            true => tcp::open(address, Some(address)).ok(),
            false => None,
        };
        let stream = match to_itself {
            Some(stream) => stream,
            None => tcp::open(address, local)?,
        };
        Ok(Self::new(stream, injector))
    }

    pub(crate) fn connect(
        mut self,
        address: SocketAddr,
        local: Option<SocketAddr>,
    ) -> io::Result<Self> {
        self.inner = tcp::connect(self.inner, address, local)?;
        Ok(self)
    }

    pub(crate) fn finish_connecting(&self) -> io::Result<bool> {
        tcp::finish_connecting(&self.inner)
    }

    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.is_reset.get() {
            return Ok(0);
        }
        self.inject(INWARD)?;
        if self.injector.strikes(|faults| faults.missing_buffers) {
            return Err(CallError::NoBuffers.to_io());
        }
        let mut most = buffer.len();
        if self.injector.strikes(|faults| faults.short_transfers) {
            most = self.injector.part(most.min(1000));
            self.token.owe(INWARD);
        }
        self.inner.read(&mut buffer[..most])
    }

    /// Looks at the first byte. No fault pretends a block here: the caller would conclude that nothing has arrived.
    pub(crate) fn peek(&self) -> io::Result<usize> {
        if self.is_reset.get() {
            return Ok(0);
        }
        if self.injector.strikes(|faults| faults.interruptions) {
            return Err(CallError::Interrupted.to_io());
        }
        tcp::peek(&self.inner)
    }

    pub(crate) fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        if self.is_reset.get() {
            return Err(CallError::BrokenPipe.to_io());
        }
        self.inject(Readiness::WRITABLE)?;
        if self.injector.strikes(|faults| faults.missing_buffers) {
            return Err(CallError::NoBuffers.to_io());
        }
        if self.injector.strikes(|faults| faults.short_transfers) {
            if let Some(first) = slices.first() {
                let count = self.injector.part(first.len());
                self.token.owe(Readiness::WRITABLE);
                return tcp::send(&self.inner, &[IoSlice::new(&first[..count])]);
            }
        }
        tcp::send(&self.inner, slices)
    }

    fn inject(&self, readiness: Readiness) -> io::Result<()> {
        if self.injector.strikes(|faults| faults.resets) && tcp::reset_on_close(&self.inner).is_ok()
        {
            self.is_reset.set(true);
            return Err(CallError::Reset.to_io());
        }
        if self.injector.strikes(|faults| faults.interruptions) {
            return Err(CallError::Interrupted.to_io());
        }
        if self.injector.strikes(|faults| faults.spurious_blocks) {
            self.token.owe(readiness);
            return Err(CallError::WouldBlock.to_io());
        }
        Ok(())
    }

    pub(crate) fn shutdown_write(&self) -> io::Result<()> {
        if self.is_reset.get() {
            return Err(CallError::NotConnected.to_io());
        }
        self.inner.shutdown(Shutdown::Write)
    }

    pub(crate) fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.inner.take_error()
    }

    pub(crate) fn reset_on_close(&self) -> io::Result<()> {
        self.maybe_refuse_option()?;
        tcp::reset_on_close(&self.inner)
    }

    pub(crate) fn set_no_delay(&self, on: bool) -> io::Result<()> {
        self.maybe_refuse_option()?;
        self.inner.set_nodelay(on)
    }

    pub(crate) fn set_keep_alive(&self, times: Option<KeepAliveTimes>) -> io::Result<()> {
        self.maybe_refuse_option()?;
        tcp::set_keep_alive(&self.inner, times)
    }

    fn maybe_refuse_option(&self) -> io::Result<()> {
        match self.injector.strikes(|faults| faults.refused_options) {
            true => Err(CallError::InvalidArgument.to_io()),
            false => Ok(()),
        }
    }

    pub(crate) fn local_address(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    pub(crate) fn peer_address(&self) -> io::Result<SocketAddr> {
        self.inner.peer_addr()
    }
}

impl Source for FaultyStream {
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
