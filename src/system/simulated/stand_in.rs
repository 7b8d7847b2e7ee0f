//! What stands in for the kernel's own sockets and selector: those of a simulated network, or the kernel's with
//! faults in front of them. It only passes on.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::event::Source;
use mio::{Interest, Registry, Token};

use crate::readiness::Readiness;
use crate::system::KeepAliveTimes;

use super::{selector, sockets};
use crate::system::faults::{Disturbance, DisturbedAcceptor, DisturbedStream};

/// A connection.
#[derive(Debug)]
pub(crate) enum Stream {
    /// In a simulated network.
    Virtual(sockets::Stream),
    /// Of the kernel, with faults.
    Disturbed(DisturbedStream),
}

impl Stream {
    pub(crate) fn finish_connecting(&self) -> io::Result<bool> {
        match self {
            Self::Virtual(stream) => stream.finish_connecting(),
            Self::Disturbed(stream) => stream.inner.finish_connecting(),
        }
    }

    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Virtual(stream) => stream.read(buffer),
            Self::Disturbed(stream) => stream.read(buffer),
        }
    }

    pub(crate) fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Virtual(stream) => stream.write(slices),
            Self::Disturbed(stream) => stream.write(slices),
        }
    }

    pub(crate) fn shutdown_write(&self) -> io::Result<()> {
        match self {
            Self::Virtual(stream) => stream.shutdown_write(),
            Self::Disturbed(stream) => stream.shutdown_write(),
        }
    }

    pub(crate) fn take_error(&self) -> Option<io::Error> {
        match self {
            Self::Virtual(stream) => stream.take_error(),
            Self::Disturbed(stream) => stream.inner.take_error(),
        }
    }

    pub(crate) fn reset_on_close(&self) -> io::Result<()> {
        match self {
            Self::Virtual(stream) => {
                stream.reset_on_close();
                Ok(())
            }
            Self::Disturbed(stream) => stream.inner.reset_on_close(),
        }
    }

    pub(crate) fn set_no_delay(&self, on: bool) -> io::Result<()> {
        match self {
            Self::Virtual(stream) => stream.set_no_delay(),
            Self::Disturbed(stream) => stream.set_no_delay(on),
        }
    }

    pub(crate) fn set_keep_alive(&self, times: Option<KeepAliveTimes>) -> io::Result<()> {
        match self {
            Self::Virtual(stream) => stream.set_keep_alive(times),
            Self::Disturbed(stream) => stream.set_keep_alive(times),
        }
    }

    pub(crate) fn local_address(&self) -> io::Result<Option<SocketAddr>> {
        match self {
            Self::Virtual(stream) => Ok(stream.local_address()),
            Self::Disturbed(stream) => stream.inner.local_address(),
        }
    }

    pub(crate) fn peer_address(&self) -> io::Result<Option<SocketAddr>> {
        match self {
            Self::Virtual(stream) => stream.peer_address().map(Some),
            Self::Disturbed(stream) => stream.inner.peer_address(),
        }
    }

    pub(crate) fn short_transfer_drains(&self) -> bool {
        match self {
            Self::Virtual(stream) => stream.short_transfer_drains(),
            Self::Disturbed(stream) => stream.inner.short_transfer_drains(),
        }
    }

    fn source(&mut self) -> &mut dyn Source {
        match self {
            Self::Virtual(stream) => stream,
            Self::Disturbed(stream) => stream,
        }
    }
}

impl Source for Stream {
    fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        directions: Interest,
    ) -> io::Result<()> {
        self.source().register(registry, token, directions)
    }

    fn reregister(
        &mut self,
        registry: &Registry,
        token: Token,
        directions: Interest,
    ) -> io::Result<()> {
        self.source().reregister(registry, token, directions)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        self.source().deregister(registry)
    }
}

/// A listening socket.
#[derive(Debug)]
pub(crate) enum Acceptor {
    /// In a simulated network.
    Virtual(sockets::Acceptor),
    /// Of the kernel, with faults.
    Disturbed(DisturbedAcceptor),
}

impl Acceptor {
    pub(crate) fn accept(&self) -> io::Result<(Stream, SocketAddr)> {
        match self {
            Self::Virtual(acceptor) => acceptor
                .accept()
                .map(|(stream, peer)| (Stream::Virtual(stream), peer)),
            Self::Disturbed(acceptor) => acceptor
                .accept()
                .map(|(stream, peer)| (Stream::Disturbed(stream), peer)),
        }
    }

    /// Refuses the next connection that waits, if that takes no descriptor; `None` if it does.
    pub(crate) fn refuse_one(&self) -> Option<bool> {
        match self {
            Self::Virtual(_) => None,
            Self::Disturbed(acceptor) => Some(acceptor.refuse_one()),
        }
    }

    pub(crate) fn local_address(&self) -> io::Result<Option<SocketAddr>> {
        match self {
            Self::Virtual(acceptor) => Ok(acceptor.local_address()),
            Self::Disturbed(acceptor) => acceptor.inner.local_address(),
        }
    }

    fn source(&mut self) -> &mut dyn Source {
        match self {
            Self::Virtual(acceptor) => acceptor,
            Self::Disturbed(acceptor) => acceptor,
        }
    }
}

impl Source for Acceptor {
    fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        directions: Interest,
    ) -> io::Result<()> {
        self.source().register(registry, token, directions)
    }

    fn reregister(
        &mut self,
        registry: &Registry,
        token: Token,
        directions: Interest,
    ) -> io::Result<()> {
        self.source().reregister(registry, token, directions)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        self.source().deregister(registry)
    }
}

/// A loop's selector.
#[derive(Debug)]
pub(crate) enum Selector {
    /// Of a machine in a simulated network.
    Virtual(selector::Selector),
    /// The kernel's, with faults.
    Disturbed {
        /// The kernel's.
        inner: Box<crate::system::Selector>,
        /// What owes events.
        disturbance: Disturbance,
        /// The kernel's events, and those that were owed.
        batch: Vec<(usize, Readiness)>,
    },
}

impl Selector {
    pub(crate) fn disturbed(inner: crate::system::Selector, disturbance: &Disturbance) -> Self {
        Self::Disturbed {
            inner: Box::new(inner),
            disturbance: disturbance.clone(),
            batch: Vec::new(),
        }
    }

    pub(crate) fn capacity(&self) -> usize {
        match self {
            Self::Virtual(selector) => selector.capacity(),
            Self::Disturbed { inner, .. } => inner.capacity(),
        }
    }

    pub(crate) fn now(&self) -> Instant {
        match self {
            Self::Virtual(selector) => selector.now(),
            Self::Disturbed { inner, .. } => inner.now(),
        }
    }

    pub(crate) fn waker(&self) -> io::Result<crate::system::Waker> {
        match self {
            Self::Virtual(selector) => Ok(crate::system::Waker::Simulated(selector.waker())),
            Self::Disturbed { inner, .. } => inner.waker(),
        }
    }

    pub(crate) fn registry(&self) -> &Registry {
        match self {
            Self::Virtual(selector) => selector.registry(),
            Self::Disturbed { inner, .. } => inner.registry(),
        }
    }

    pub(crate) fn poll(&mut self, timeout: Option<Duration>, asked_at: Instant) -> io::Result<()> {
        match self {
            Self::Virtual(selector) => selector.poll(timeout),
            Self::Disturbed {
                inner,
                disturbance,
                batch,
            } => {
                batch.clear();
                if disturbance.cuts_poll_short() {
                    return Ok(());
                }
                disturbance.may_tell_falsely();
                let timeout = match disturbance.owes() {
                    true => Some(Duration::ZERO),
                    false => timeout,
                };
                inner.poll(timeout, asked_at)?;
                inner.for_each(|token, readiness| batch.push((token, readiness)));
                disturbance.take_owed(batch);
                Ok(())
            }
        }
    }

    pub(crate) fn batch(&self) -> &[(usize, Readiness)] {
        match self {
            Self::Virtual(selector) => selector.batch(),
            Self::Disturbed { batch, .. } => batch,
        }
    }

    #[cfg(all(unix, not(mio_unsupported_force_poll_poll)))]
    pub(crate) fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        match self {
            Self::Virtual(selector) => selector.as_fd(),
            Self::Disturbed { inner, .. } => inner.as_fd(),
        }
    }
}
