//! The other end: a plain socket of the standard library, or TLS over one, with which a test does what real peers do.
//!
//! It does not block, so that one thread can play both ends; [`Scene`](super::Scene) turns the loop between its steps.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Instant;

use super::wire::Wire;
use super::{PATIENCE, loopback};
use socket2::{Domain, SockRef, Socket, Type};

/// The most that a peer reads at a time.
const READ_BYTES: usize = 256 << 10;

/// A server of the standard library for the loop to connect to, and its address.
pub(crate) fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind(loopback()).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// The end of a connection, as a peer saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PeerEnd {
    /// A FIN: the read of 0.
    Fin,
    /// ECONNRESET.
    Reset,
}

/// All that a peer received until the end.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) bytes: Vec<u8>,
    pub(crate) end: PeerEnd,
}

/// A raw peer.
#[derive(Debug)]
pub(crate) struct Peer {
    wire: Wire,
}

impl Peer {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::from(TcpStream::connect(address).unwrap())
    }

    /// A peer whose kernel takes little for it while it does not read: some kilobytes.
    pub(crate) fn connect_with_small_window(address: SocketAddr) -> Self {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
        // Set before the connect, or else the window is agreed on already.
        socket.set_recv_buffer_size(4096).unwrap();
        socket.connect(&address.into()).unwrap();
        Self::from(TcpStream::from(socket))
    }

    /// Two connected ends, for a loop to adopt one of them. Both kernels buffer little, so that few bytes make the
    /// sender wait.
    pub(crate) fn pair() -> (TcpStream, Self) {
        let listener = TcpListener::bind(loopback()).unwrap();
        let peer = Self::connect_with_small_window(listener.local_addr().unwrap());
        let (ours, _) = listener.accept().unwrap();
        SockRef::from(&ours).set_send_buffer_size(4096).unwrap();
        (ours, peer)
    }

    /// Two connected ends, of which the first buffers little on its way out: it sees the other read in small steps.
    pub(crate) fn pair_with_small_sender() -> (TcpStream, Self) {
        let (ours, peer) = Self::roomy_pair();
        SockRef::from(&ours).set_send_buffer_size(32 << 10).unwrap();
        (ours, peer)
    }

    /// Two connected ends, of which the first has space for several reads of the loop (128 KiB each) in its kernel.
    pub(crate) fn roomy_pair() -> (TcpStream, Self) {
        let listener = TcpListener::bind(loopback()).unwrap();
        SockRef::from(&listener)
            .set_recv_buffer_size(1 << 20)
            .unwrap();
        let peer = Self::connect(listener.local_addr().unwrap());
        let (ours, _) = listener.accept().unwrap();
        (ours, peer)
    }

    /// Speaks TLS from here on, as a server.
    #[cfg(feature = "over_tls")]
    pub(crate) fn begin_tls(&mut self) {
        self.wire.begin_tls();
    }

    /// The next connection to `listener`, made elsewhere.
    pub(crate) fn accept(listener: &TcpListener) -> Self {
        let deadline = Instant::now() + PATIENCE;
        listener.set_nonblocking(true).unwrap();
        let accepted = loop {
            match listener.accept() {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    assert!(Instant::now() < deadline, "no connection came");
                    thread::yield_now();
                }
                accepted => break accepted.unwrap().0,
            }
        };
        listener.set_nonblocking(false).unwrap();
        Self::from(accepted)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.wire.socket().local_addr().unwrap()
    }

    pub(crate) fn peer_address(&self) -> SocketAddr {
        self.wire.socket().peer_addr().unwrap()
    }

    /// Sends all of it; it must fit into the kernel.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.wire.write_all(bytes).unwrap();
    }

    /// Sends what the kernel takes at once, and says how much.
    pub(crate) fn write_some(&mut self, bytes: &[u8]) -> usize {
        match self.wire.write(bytes) {
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(error) => panic!("the peer cannot write: {error}"),
        }
    }

    /// Reads what is there, at most `most`: `Ok(None)` if there is nothing.
    pub(crate) fn read_some(&mut self, most: usize) -> Result<Option<Vec<u8>>, PeerEnd> {
        let mut bytes = vec![0; most.min(READ_BYTES)];
        match self.wire.read(&mut bytes) {
            Ok(0) => Err(PeerEnd::Fin),
            Ok(length) => {
                bytes.truncate(length);
                Ok(Some(bytes))
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => Err(PeerEnd::Reset),
            Err(error) => panic!("the peer cannot read: {error}"),
        }
    }

    /// Whether a write still succeeds at the peer.
    pub(crate) fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.wire.write(bytes)
    }

    /// Sends a FIN and goes on reading: `nc -N`.
    pub(crate) fn half_close(&self) {
        self.half_close_if_open().unwrap();
    }

    /// The same of a connection that may be over already.
    pub(crate) fn half_close_if_open(&self) -> io::Result<()> {
        self.wire.half_close()
    }

    /// Goes away with a RST.
    pub(crate) fn reset(self) {
        self.wire.reset();
    }

    /// Goes away as a program does that ends: FIN if it has read everything, RST if not.
    pub(crate) fn close(self) {}

    /// The plain socket, which blocks again.
    pub(crate) fn into_stream(self) -> TcpStream {
        let stream = self.wire.into_stream();
        stream.set_nonblocking(false).unwrap();
        stream
    }
}

impl From<TcpStream> for Peer {
    fn from(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        stream.set_nonblocking(true).unwrap();
        Self {
            wire: Wire::new(stream),
        }
    }
}
