//! Which system a loop runs on, and how sockets are opened there.

use std::io;
use std::net::SocketAddr;

use super::acceptor::{Acceptor, Binding};
#[cfg(feature = "simulation")]
use super::faults;
use super::lookup::Lookups;
use super::selector::{Selector, Waker};
#[cfg(feature = "simulation")]
use super::simulated;
use super::stream::{ConnectStep, Stream};

/// Where a loop's selector and sockets come from. It has one value in production, and costs nothing there.
#[derive(Clone, Debug)]
pub(crate) enum System {
    /// The operating system.
    Kernel,
    /// A machine of a simulated network.
    #[cfg(feature = "simulation")]
    Simulated(simulated::Host),
    /// The operating system, with faults in front of it.
    #[cfg(feature = "simulation")]
    Disturbed(faults::Disturbance),
}

impl System {
    /// Opens a selector that fetches at most `capacity` events in one call; a simulation has a number of its own.
    pub(crate) fn selector(&self, capacity: usize) -> io::Result<Selector> {
        match self {
            Self::Kernel => Selector::new(capacity),
            #[cfg(feature = "simulation")]
            Self::Simulated(host) => {
                let selector = simulated::VirtualSelector::new(host.clone());
                let selector = simulated::Selector::Virtual(selector);
                Ok(Selector::Simulated(selector))
            }
            #[cfg(feature = "simulation")]
            Self::Disturbed(disturbance) => {
                let selector = Selector::new(capacity)?;
                let selector = simulated::Selector::disturbed(selector, disturbance);
                Ok(Selector::Simulated(selector))
            }
        }
    }

    /// Where names are looked up; `waker` wakes the loop when there is an answer.
    pub(crate) fn lookups(&self, waker: Waker) -> Lookups {
        match self {
            #[cfg(feature = "simulation")]
            Self::Simulated(host) => Lookups::simulated(waker, host.clerk()),
            _ => Lookups::new(waker),
        }
    }

    /// As [`Stream::connect`].
    pub(crate) fn connect(
        &self,
        address: SocketAddr,
        local: Option<SocketAddr>,
    ) -> Result<Stream, (ConnectStep, io::Error)> {
        match self {
            Self::Kernel => Stream::connect(address, local),
            #[cfg(feature = "simulation")]
            Self::Simulated(host) => simulated::VirtualStream::connect(host, address, local)
                .map(|stream| Stream::Simulated(simulated::Stream::Virtual(stream)))
                .map_err(|error| (ConnectStep::Connect, error)),
            #[cfg(feature = "simulation")]
            Self::Disturbed(disturbance) => {
                let stream = faults::DisturbedStream::connect(address, local, disturbance)?;
                Ok(Stream::Simulated(simulated::Stream::Disturbed(stream)))
            }
        }
    }

    /// As [`Stream::connect_path`].
    #[cfg(unix)]
    pub(crate) fn connect_path(&self, path: &std::path::Path) -> io::Result<Stream> {
        match self {
            #[cfg(feature = "simulation")]
            Self::Simulated(_) => Err(io::ErrorKind::Unsupported.into()),
            _ => Stream::connect_path(path),
        }
    }

    /// As [`Acceptor::bind`].
    pub(crate) fn bind(&self, address: SocketAddr, binding: &Binding) -> io::Result<Acceptor> {
        match self {
            Self::Kernel => Acceptor::bind(address, binding),
            #[cfg(feature = "simulation")]
            Self::Simulated(host) => {
                let terms = simulated::Terms {
                    backlog: usize::try_from(binding.backlog).unwrap_or(usize::MAX),
                    is_v6_only: binding.ipv6_only,
                    shares_port: binding.reuse_port,
                };
                let acceptor = simulated::VirtualAcceptor::bind(host, address, terms)?;
                let acceptor = simulated::Acceptor::Virtual(acceptor);
                Ok(Acceptor::Simulated(acceptor))
            }
            #[cfg(feature = "simulation")]
            Self::Disturbed(disturbance) => {
                let acceptor = Acceptor::bind(address, binding)?;
                let acceptor = faults::DisturbedAcceptor::new(acceptor, disturbance);
                let acceptor = simulated::Acceptor::Disturbed(acceptor);
                Ok(Acceptor::Simulated(acceptor))
            }
        }
    }

    /// As [`Acceptor::bind_path`].
    #[cfg(unix)]
    pub(crate) fn bind_path(
        &self,
        path: &std::path::Path,
        binding: &Binding,
    ) -> io::Result<Acceptor> {
        match self {
            #[cfg(feature = "simulation")]
            Self::Simulated(_) => Err(io::ErrorKind::Unsupported.into()),
            _ => Acceptor::bind_path(path, binding),
        }
    }
}
