//! UDP sockets: bind, receive, send, and their options.

use std::io;
use std::net::SocketAddr;

use mio::event::Source;
use mio::net::UdpSocket;
use mio::{Interest, Registry, Token};
use socket2::SockRef;

use super::errno::retry_interrupted;
#[cfg(feature = "simulation")]
use super::faults;
#[cfg(feature = "udp-batch")]
use super::native::BatchedUdp;
use super::native::{Shared, udp};
use super::options::{UdpBinding, UdpOption};
#[cfg(feature = "simulation")]
use super::simulated;

#[derive(Debug)]
pub(crate) enum Udp {
    /// A socket that the loop has bound, and whose descriptor has no duplicate.
    Own(UdpSocket),
    Shared(Shared<UdpSocket>),
    #[cfg(feature = "udp-batch")]
    Batched(Box<BatchedUdp>),
    #[cfg(feature = "simulation")]
    Simulated(simulated::Udp),
    #[cfg(feature = "simulation")]
    Faulty(faults::FaultyUdp),
}

impl Udp {
    pub(crate) fn bind(address: SocketAddr, binding: &UdpBinding) -> io::Result<Self> {
        udp::bind(address, binding).map(Self::Own)
    }

    pub(crate) fn adopt(socket: std::net::UdpSocket) -> io::Result<Self> {
        Ok(Self::Shared(Shared::new(udp::adopt(socket)?)))
    }

    fn kernel(&self) -> Option<&UdpSocket> {
        match self {
            Self::Own(socket) => Some(socket),
            Self::Shared(shared) => Some(shared.get()),
            #[cfg(feature = "udp-batch")]
            Self::Batched(batched) => Some(&batched.socket),
            #[cfg(feature = "simulation")]
            Self::Simulated(_) | Self::Faulty(_) => None,
        }
    }

    /// Receives the next datagram into `buffer`, and cuts it if it is longer. After EINTR, which [`Own`](Self::Own)
    /// returns at once and the other kinds after several tries, the caller calls again.
    #[inline]
    pub(crate) fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        match self {
            Self::Own(socket) => udp::receive(socket, buffer),
            _ => self.receive_slow_path(buffer),
        }
    }

    #[inline(never)]
    fn receive_slow_path(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        retry_interrupted(|| match self {
            Self::Own(socket) => udp::receive(socket, buffer),
            Self::Shared(shared) => {
                shared.forbid_blocking()?;
                udp::receive(shared.get(), buffer)
            }
            // Datagrams that the kernel has coalesced look like one here, so the caller calls `receive_batch` instead.
            #[cfg(feature = "udp-batch")]
            Self::Batched(batched) => {
                batched.forbid_blocking()?;
                udp::receive(&batched.socket, buffer)
            }
            #[cfg(feature = "simulation")]
            Self::Simulated(socket) => socket.receive(buffer),
            #[cfg(feature = "simulation")]
            Self::Faulty(socket) => socket.receive(buffer),
        })
    }

    #[inline]
    pub(crate) fn send_to(&self, bytes: &[u8], to: SocketAddr) -> io::Result<usize> {
        // Fast path: the first call on a socket of the loop's own.
        if let Self::Own(socket) = self {
            match socket.send_to(bytes, to) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => return done,
            }
        }
        self.send(bytes, Some(to))
    }

    /// Sends one datagram: to `to`, or to the peer of a connected socket.
    #[inline(never)]
    pub(crate) fn send(&self, bytes: &[u8], to: Option<SocketAddr>) -> io::Result<usize> {
        retry_interrupted(|| match self {
            Self::Own(socket) => send(socket, bytes, to),
            Self::Shared(shared) => {
                shared.forbid_blocking()?;
                send(shared.get(), bytes, to)
            }
            #[cfg(feature = "udp-batch")]
            Self::Batched(batched) => {
                batched.forbid_blocking()?;
                send(&batched.socket, bytes, to)
            }
            #[cfg(feature = "simulation")]
            Self::Simulated(socket) => socket.send(bytes, to),
            #[cfg(feature = "simulation")]
            Self::Faulty(socket) => socket.send(bytes, to),
        })
    }

    /// Connects the socket to `peer`, whose datagrams alone are taken in from now on. Those that have arrived already
    /// stay.
    pub(crate) fn connect(&self, peer: SocketAddr) -> io::Result<()> {
        match self {
            #[cfg(feature = "simulation")]
            Self::Simulated(socket) => socket.connect(peer),
            #[cfg(feature = "simulation")]
            Self::Faulty(socket) => socket.connect(peer),
            Self::Own(socket) => socket.connect(peer),
            Self::Shared(shared) => shared.get().connect(peer),
            #[cfg(feature = "udp-batch")]
            Self::Batched(batched) => batched.socket.connect(peer),
        }
    }

    /// Takes the error that the kernel keeps for this socket (SO_ERROR). If the question fails, returns its error.
    pub(crate) fn take_error(&self) -> Option<io::Error> {
        let error = match self {
            Self::Own(socket) => socket.take_error(),
            Self::Shared(shared) => shared.get().take_error(),
            #[cfg(feature = "udp-batch")]
            Self::Batched(batched) => batched.socket.take_error(),
            #[cfg(feature = "simulation")]
            Self::Simulated(socket) => Ok(socket.take_error()),
            #[cfg(feature = "simulation")]
            Self::Faulty(socket) => socket.take_error(),
        };
        error.unwrap_or_else(Some)
    }

    pub(crate) fn local_address(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Own(socket) => socket.local_addr(),
            Self::Shared(shared) => shared.get().local_addr(),
            #[cfg(feature = "udp-batch")]
            Self::Batched(batched) => batched.socket.local_addr(),
            #[cfg(feature = "simulation")]
            Self::Simulated(socket) => socket.local_address(),
            #[cfg(feature = "simulation")]
            Self::Faulty(socket) => socket.local_address(),
        }
    }

    pub(crate) fn peer_address(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Own(socket) => socket.peer_addr(),
            Self::Shared(shared) => shared.get().peer_addr(),
            #[cfg(feature = "udp-batch")]
            Self::Batched(batched) => batched.socket.peer_addr(),
            #[cfg(feature = "simulation")]
            Self::Simulated(socket) => socket.peer_address(),
            #[cfg(feature = "simulation")]
            Self::Faulty(socket) => socket.peer_address(),
        }
    }

    pub(crate) fn set(&self, option: UdpOption, is_ipv6: bool) -> io::Result<()> {
        match self {
            Self::Own(socket) => udp::set(&SockRef::from(socket), is_ipv6, option),
            Self::Shared(shared) => udp::set(&SockRef::from(shared.get()), is_ipv6, option),
            #[cfg(feature = "udp-batch")]
            Self::Batched(batched) => udp::set(&SockRef::from(&batched.socket), is_ipv6, option),
            #[cfg(feature = "simulation")]
            Self::Simulated(socket) => socket.set(option),
            #[cfg(feature = "simulation")]
            Self::Faulty(socket) => socket.set(option, is_ipv6),
        }
    }

    pub(crate) fn receive_buffer(&self) -> io::Result<Option<usize>> {
        let size = self.kernel().map(|it| SockRef::from(it).recv_buffer_size());
        size.transpose()
    }

    pub(crate) fn send_buffer(&self) -> io::Result<Option<usize>> {
        let size = self.kernel().map(|it| SockRef::from(it).send_buffer_size());
        size.transpose()
    }

    #[cfg(unix)]
    pub(crate) fn descriptor(&self) -> Option<std::os::fd::BorrowedFd<'_>> {
        use std::os::fd::AsFd;
        self.kernel().map(AsFd::as_fd)
    }

    /// Returns the socket as one whose descriptor may have duplicates, because the caller lends it to the user.
    #[cfg(unix)]
    pub(crate) fn into_shared(self) -> Self {
        match self {
            Self::Own(socket) => Self::Shared(Shared::new(socket)),
            #[cfg(feature = "udp-batch")]
            Self::Batched(mut batched) => {
                batched.share();
                Self::Batched(batched)
            }
            other => other,
        }
    }

    /// Whether this socket can become a socket of the standard library.
    pub(crate) fn is_standard(&self) -> bool {
        matches!(self, Self::Own(_) | Self::Shared(_))
    }

    /// Turns this socket, which the caller has deregistered, into one of the standard library, if it can become one.
    pub(crate) fn into_standard(self) -> Option<std::net::UdpSocket> {
        match self {
            Self::Own(socket) => Some(socket.into()),
            Self::Shared(shared) => Some(shared.into_inner().into()),
            // The socket keeps the options for batches, so another owner could not tell coalesced datagrams apart.
            #[cfg(feature = "udp-batch")]
            Self::Batched(_) => None,
            #[cfg(feature = "simulation")]
            Self::Simulated(_) | Self::Faulty(_) => None,
        }
    }

    fn source(&mut self) -> &mut dyn Source {
        match self {
            Self::Own(socket) => socket,
            Self::Shared(shared) => shared.get_mut(),
            #[cfg(feature = "udp-batch")]
            Self::Batched(batched) => &mut batched.socket,
            #[cfg(feature = "simulation")]
            Self::Simulated(socket) => socket,
            #[cfg(feature = "simulation")]
            Self::Faulty(socket) => socket,
        }
    }
}

#[cfg(feature = "udp-batch")]
impl Udp {
    /// Turns a socket that has no duplicate into one that sends and receives in batches; any other stays as it is.
    pub(crate) fn into_batched(self) -> io::Result<Self> {
        match self {
            Self::Own(socket) => Ok(Self::Batched(Box::new(BatchedUdp::new(socket)?))),
            other => Ok(other),
        }
    }

    pub(crate) fn batched(&self) -> Option<&BatchedUdp> {
        match self {
            Self::Batched(batched) => Some(batched),
            _ => None,
        }
    }

    pub(crate) fn batched_mut(&mut self) -> Option<&mut BatchedUdp> {
        match self {
            Self::Batched(batched) => Some(batched),
            _ => None,
        }
    }
}

fn send(socket: &UdpSocket, bytes: &[u8], to: Option<SocketAddr>) -> io::Result<usize> {
    match to {
        Some(to) => socket.send_to(bytes, to),
        None => socket.send(bytes),
    }
}

impl Source for Udp {
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
