//! The system that a loop runs on, which opens the loop's selector and sockets.

use std::io;
use std::net::SocketAddr;

use super::acceptor::Acceptor;
#[cfg(feature = "simulation")]
use super::faults;
use super::lookup::LookupLimits;
use super::lookups::Lookups;
use super::native::LookupThreads;
use super::native::tcp::ConnectStep;
use super::options::{Binding, UdpBinding};
use super::selector::Selector;
#[cfg(feature = "simulation")]
use super::simulated;
use super::stream::Stream;
use super::udp::Udp;
use super::wake_listener::WakeListener;
use super::waker::WakeHandle;

/// Without the feature `simulation` this enum has one variant, and takes no memory.
#[derive(Clone, Debug)]
pub(crate) enum System {
    Kernel,
    #[cfg(feature = "simulation")]
    Simulated(simulated::MachineHandle),
    #[cfg(feature = "simulation")]
    Faulty(faults::Injector),
}

impl System {
    /// Opens a selector. A simulation ignores `capacity`, because the options of the simulation limit the batch.
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

    /// Whether the loop polls the kernel, and so can poll a source of the program.
    pub(crate) fn polls_kernel(&self) -> bool {
        match self {
            #[cfg(feature = "simulation")]
            Self::Simulated(_) => false,
            _ => true,
        }
    }

    /// Makes the [`Lookups`] of a loop. For each answer `waker` wakes the loop, and then `listener` tells the host.
    pub(crate) fn lookups(
        &self,
        waker: WakeHandle,
        listener: WakeListener,
        limits: LookupLimits,
    ) -> Lookups {
        match self {
            #[cfg(feature = "simulation")]
            Self::Simulated(machine) => Lookups::Simulated(machine.lookups(limits)),
            _ => {
                let wake = Box::new(move || waker.wake());
                let tell = Box::new(move || listener.tell());
                let threads = LookupThreads::new(wake, tell, limits);
                Lookups::Threads(threads)
            }
        }
    }

    /// Opens a stream as [`Stream::open`] does. `None` in a simulation, which opens a stream when it connects.
    pub(crate) fn open(
        &self,
        address: SocketAddr,
        local: Option<SocketAddr>,
    ) -> Result<Option<Stream>, (ConnectStep, io::Error)> {
        match self {
            Self::Kernel => Stream::open(address, local).map(Some),
            #[cfg(feature = "simulation")]
            Self::Simulated(_) => Ok(None),
            #[cfg(feature = "simulation")]
            Self::Faulty(injector) => {
                let opened = faults::FaultyStream::open(address, local, injector);
                opened.map(Stream::Faulty).map(Some)
            }
        }
    }

    /// Connects `opened`, or else a stream that is opened for the call, as [`Stream::connect`] does.
    pub(crate) fn connect(
        &self,
        opened: Option<Stream>,
        address: SocketAddr,
        local: Option<SocketAddr>,
    ) -> Result<Stream, (ConnectStep, io::Error)> {
        let opened = match self {
            #[cfg(feature = "simulation")]
            Self::Simulated(machine) => {
                return simulated::Stream::connect(machine, address, local)
                    .map(Stream::Simulated)
                    .map_err(|error| (ConnectStep::Connect, error));
            }
            #[cfg(feature = "simulation")]
            Self::Faulty(injector) => match opened {
                Some(opened) => opened,
                None => faults::FaultyStream::open(address, local, injector).map(Stream::Faulty)?,
            },
            Self::Kernel => match opened {
                Some(opened) => opened,
                None => Stream::open(address, local)?,
            },
        };
        let connecting = opened.connect(address, local);
        connecting.map_err(|error| (ConnectStep::Connect, error))
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

    pub(crate) fn bind_udp(&self, address: SocketAddr, binding: &UdpBinding) -> io::Result<Udp> {
        match self {
            Self::Kernel => Udp::bind(address, binding),
            #[cfg(feature = "simulation")]
            Self::Simulated(machine) => {
                simulated::Udp::bind(machine, address, binding).map(Udp::Simulated)
            }
            #[cfg(feature = "simulation")]
            Self::Faulty(injector) => {
                faults::FaultyUdp::bind(address, binding, injector).map(Udp::Faulty)
            }
        }
    }

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

#[cfg(all(test, feature = "simulation"))]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_stream_that_a_connect_opens_meets_faults_too() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let system = System::Faulty(faults::Injector::new(1, faults::Faults::NONE));
        let connected = system.connect(None, listener.local_addr().unwrap(), None);
        assert!(matches!(connected, Ok(Stream::Faulty(_))));
    }
}
