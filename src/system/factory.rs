//! The system that a loop runs on, and how sockets are opened there.

use std::io;
use std::net::SocketAddr;

use super::acceptor::Acceptor;
#[cfg(feature = "simulation")]
use super::faults;
use super::lookups::Lookups;
use super::native::LookupThreads;
use super::native::tcp::ConnectStep;
use super::options::Binding;
use super::selector::Selector;
#[cfg(feature = "simulation")]
use super::simulated;
use super::stream::Stream;
use super::waker::Waker;

/// The factory of a loop's selector and sockets. It has one value in production, and costs nothing there.
#[derive(Clone, Debug)]
pub(crate) enum System {
    /// The operating system.
    Kernel,
    /// A machine of a simulated network.
    #[cfg(feature = "simulation")]
    Simulated(simulated::MachineHandle),
    /// The operating system, with faults in front of it.
    #[cfg(feature = "simulation")]
    Faulty(faults::Injector),
}

impl System {
    /// Opens a selector whose wait fetches at most `capacity` events; a simulation has a number of its own.
    pub(crate) fn selector(&self, capacity: usize) -> io::Result<Selector> {
        match self {
            Self::Kernel => Selector::new(capacity),
            #[cfg(feature = "simulation")]
            Self::Simulated(machine) => {
                let selector = simulated::Selector::new(machine.clone());
                Ok(Selector::Simulated(selector))
            }
            #[cfg(feature = "simulation")]
            Self::Faulty(injector) => {
                faults::FaultySelector::new(capacity, injector).map(Selector::Faulty)
            }
        }
    }

    /// Makes the lookups of a loop, done by at most `threads` threads, which `waker` wakes when there is an answer.
    pub(crate) fn lookups(&self, waker: Waker, threads: usize) -> Lookups {
        match self {
            #[cfg(feature = "simulation")]
            Self::Simulated(machine) => Lookups::Simulated(machine.lookups()),
            _ => {
                let threads = LookupThreads::new(Box::new(move || waker.wake()), threads);
                Lookups::Threads(threads)
            }
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
            Self::Simulated(machine) => simulated::Stream::connect(machine, address, local)
                .map(Stream::Simulated)
                .map_err(|error| (ConnectStep::Connect, error)),
            #[cfg(feature = "simulation")]
            Self::Faulty(injector) => {
                faults::FaultyStream::connect(address, local, injector).map(Stream::Faulty)
            }
        }
    }

    /// As [`Stream::connect_path`]. Unix sockets have no faults, and do not exist in a simulation.
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
            Self::Simulated(machine) => {
                simulated::Acceptor::bind(machine, address, binding).map(Acceptor::Simulated)
            }
            #[cfg(feature = "simulation")]
            Self::Faulty(injector) => {
                faults::FaultyAcceptor::bind(address, binding, injector).map(Acceptor::Faulty)
            }
        }
    }

    /// As [`Acceptor::bind_path`]. Unix sockets have no faults, and do not exist in a simulation.
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
