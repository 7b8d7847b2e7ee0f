//! The system that a loop runs on, which opens the loop's selector and sockets.

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
use super::waker::WakeHandle;

/// The system on which a loop opens its selector and sockets. Without the feature `simulation` this enum has one
/// variant, and takes no memory.
#[derive(Clone, Debug)]
pub(crate) enum System {
    /// The operating system.
    Kernel,
    /// A machine of a simulated network.
    #[cfg(feature = "simulation")]
    Simulated(simulated::MachineHandle),
    /// The operating system, behind faults.
    #[cfg(feature = "simulation")]
    Faulty(faults::Injector),
}

impl System {
    /// Opens a selector whose wait fetches at most `capacity` events. A simulation ignores `capacity`, because the
    /// simulation's options limit the batch.
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

    /// Makes the [`Lookups`] of a loop. At most `threads` threads run its lookups, and `waker` wakes the loop for each
    /// answer. A simulation uses neither.
    pub(crate) fn lookups(&self, waker: WakeHandle, threads: usize) -> Lookups {
        match self {
            #[cfg(feature = "simulation")]
            Self::Simulated(machine) => Lookups::Simulated(machine.lookups()),
            _ => {
                let threads = LookupThreads::new(Box::new(move || waker.wake()), threads);
                Lookups::Threads(threads)
            }
        }
    }

    /// Connects as [`Stream::connect`] does.
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

    /// Connects as [`Stream::connect_path`] does. Unix sockets have no faults, and do not exist in a simulation.
    #[cfg(unix)]
    pub(crate) fn connect_path(&self, path: &std::path::Path) -> io::Result<Stream> {
        match self {
            #[cfg(feature = "simulation")]
            Self::Simulated(_) => Err(io::ErrorKind::Unsupported.into()),
            _ => Stream::connect_path(path),
        }
    }

    /// Listens as [`Acceptor::bind`] does.
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

    /// Listens as [`Acceptor::bind_path`] does. Unix sockets have no faults, and do not exist in a simulation.
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
