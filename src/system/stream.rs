//! One end of a byte stream. This file is long because each call has a branch for every kind of stream.

use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr};

use mio::event::Source;
use mio::net::TcpStream;
#[cfg(unix)]
use mio::net::UnixStream;
use mio::{Interest, Registry, Token};

use super::errno::retry_interrupted;
#[cfg(feature = "simulation")]
use super::faults;
use super::native::tcp::{self, ConnectStep};
use super::native::{Adopted, Shared};
#[cfg(unix)]
use super::native::{Input, unix};
use super::platform::{
    BLOCK_DISARMS, BROKEN_PIPE_PROVES_END, CLOSE_DEREGISTERS, SHORT_READ_EXHAUSTS,
    SHORT_WRITE_EXHAUSTS,
};
#[cfg(feature = "simulation")]
use super::simulated;

#[derive(Debug)]
pub(crate) enum Stream {
    /// A TCP socket that the loop has opened or accepted, and whose descriptor has no duplicate.
    Tcp(TcpStream),
    /// A TCP socket whose descriptor may have duplicates, or whose protocol is not plain TCP (MPTCP, SCTP).
    SharedTcp(Shared<TcpStream>),
    /// As `Tcp`, but off the fast paths, because the bytes pass filters above the stream.
    FilteredTcp(TcpStream),
    /// A Unix domain stream socket that the loop has opened or accepted, and whose descriptor has no duplicate.
    #[cfg(unix)]
    Unix(UnixStream),
    #[cfg(unix)]
    SharedUnix(Shared<UnixStream>),
    /// A descriptor that can only be read, such as standard input.
    #[cfg(unix)]
    Input(Input),
    #[cfg(feature = "simulation")]
    Simulated(simulated::Stream),
    #[cfg(feature = "simulation")]
    Faulty(faults::FaultyStream),
    #[cfg(feature = "simulation")]
    FilteredSimulated(simulated::Stream),
    #[cfg(feature = "simulation")]
    FilteredFaulty(faults::FaultyStream),
}

impl Stream {
    /// Opens a stream for [`connect`](Self::connect) to `address`, and binds it to `local` if that is given. No packet
    /// is sent. An error comes with the step that failed.
    pub(crate) fn open(
        address: SocketAddr,
        local: Option<SocketAddr>,
    ) -> Result<Self, (ConnectStep, io::Error)> {
        tcp::open(address, local).map(Self::Tcp)
    }

    /// Starts to connect a stream that is [open](Self::open) for `address` and `local`. A stream of another kind is
    /// connected or connecting already, and is returned unchanged. The connection exists once the socket is writable
    /// and [`finish_connecting`](Self::finish_connecting) returns `true`.
    pub(crate) fn connect(
        self,
        address: SocketAddr,
        local: Option<SocketAddr>,
    ) -> io::Result<Self> {
        match self {
            Self::Tcp(stream) => tcp::connect(stream, address, local).map(Self::Tcp),
            // The descriptor is lent to the user, so no new socket may replace this one.
            Self::SharedTcp(shared) => {
                shared.forbid_blocking()?;
                tcp::start_connecting(shared.get(), address)?;
                Ok(Self::SharedTcp(shared))
            }
            #[cfg(feature = "simulation")]
            Self::Faulty(stream) => stream.connect(address, local).map(Self::Faulty),
            connected @ Self::FilteredTcp(_) => Ok(connected),
            #[cfg(feature = "simulation")]
            connected @ (Self::Simulated(_)
            | Self::FilteredSimulated(_)
            | Self::FilteredFaulty(_)) => Ok(connected),
            #[cfg(unix)]
            connected @ (Self::Unix(_) | Self::SharedUnix(_) | Self::Input(_)) => Ok(connected),
        }
    }

    /// Starts to connect to `path`. A leading NUL makes it a name in Linux's abstract namespace.
    #[cfg(unix)]
    pub(crate) fn connect_path(path: &std::path::Path) -> io::Result<Self> {
        unix::connect(path).map(Self::Unix)
    }

    /// Takes over a socket of the standard library that is or was connected.
    pub(crate) fn adopt_tcp(stream: std::net::TcpStream) -> io::Result<Adopted<Self>> {
        Ok(tcp::adopt(Shared::new(stream))?.map(Self::SharedTcp))
    }

    #[cfg(unix)]
    pub(crate) fn adopt_unix(stream: std::os::unix::net::UnixStream) -> io::Result<Adopted<Self>> {
        Ok(unix::adopt(Shared::new(stream))?.map(Self::SharedUnix))
    }

    /// Makes a stream that reads from `descriptor`: a duplicate, or the same pipe or terminal opened anew.
    #[cfg(unix)]
    pub(crate) fn adopt_input(descriptor: std::os::fd::BorrowedFd<'_>) -> io::Result<Self> {
        Input::adopt(descriptor).map(Self::Input)
    }

    /// Asks the kernel for the result of a connect, after an event for writing; `false` if the event was spurious.
    pub(crate) fn finish_connecting(&self) -> io::Result<bool> {
        match self {
            Self::Tcp(stream) | Self::FilteredTcp(stream) => tcp::finish_connecting(stream),
            Self::SharedTcp(shared) => tcp::finish_connecting(shared.get()),
            #[cfg(unix)]
            Self::Unix(stream) => unix::finish_connecting(stream),
            #[cfg(unix)]
            Self::SharedUnix(shared) => unix::finish_connecting(shared.get()),
            #[cfg(unix)]
            Self::Input(_) => Ok(true),
            #[cfg(feature = "simulation")]
            Self::Simulated(stream) | Self::FilteredSimulated(stream) => stream.finish_connecting(),
            #[cfg(feature = "simulation")]
            Self::Faulty(stream) | Self::FilteredFaulty(stream) => stream.finish_connecting(),
        }
    }

    /// Reads into `buffer`, which must not be empty: a read of 0 bytes means the end. After EINTR the caller leaves the
    /// readiness as it is, and reads again.
    // Always inlined, as `with_fast_paths` and `write_piece` are. After `with_fast_paths` (without the feature
    // `simulation`) the compiler knows that the stream is TCP. Then one call is left, and the compiler returns its
    // result without a copy.
    #[inline(always)]
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        debug_assert!(!buffer.is_empty(), "a read of 0 must mean the end");
        match self {
            Self::Tcp(stream) | Self::FilteredTcp(stream) => stream.read(buffer),
            Self::SharedTcp(shared) => {
                shared.forbid_blocking()?;
                shared.get_mut().read(buffer)
            }
            #[cfg(unix)]
            Self::Unix(stream) => stream.read(buffer),
            #[cfg(unix)]
            Self::SharedUnix(shared) => {
                shared.forbid_blocking()?;
                shared.get_mut().read(buffer)
            }
            #[cfg(unix)]
            Self::Input(input) => input.read(buffer),
            #[cfg(feature = "simulation")]
            Self::Simulated(stream) | Self::FilteredSimulated(stream) => stream.read(buffer),
            #[cfg(feature = "simulation")]
            Self::Faulty(stream) | Self::FilteredFaulty(stream) => stream.read(buffer),
        }
    }

    /// Returns the stream if its kind has fast paths: TCP without duplicates and filters, also simulated or faulty.
    #[inline(always)]
    pub(crate) fn with_fast_paths(stream: &mut Option<Self>) -> Option<&mut Self> {
        match stream {
            Some(fast @ Self::Tcp(_)) => Some(fast),
            #[cfg(feature = "simulation")]
            Some(fast @ (Self::Simulated(_) | Self::Faulty(_))) => Some(fast),
            _ => None,
        }
    }

    pub(crate) fn into_filtered(self) -> Self {
        match self {
            Self::Tcp(stream) => Self::FilteredTcp(stream),
            #[cfg(feature = "simulation")]
            Self::Simulated(stream) => Self::FilteredSimulated(stream),
            #[cfg(feature = "simulation")]
            Self::Faulty(stream) => Self::FilteredFaulty(stream),
            other => other,
        }
    }

    pub(crate) fn into_unfiltered(self) -> Self {
        match self {
            Self::FilteredTcp(stream) => Self::Tcp(stream),
            #[cfg(feature = "simulation")]
            Self::FilteredSimulated(stream) => Self::Simulated(stream),
            #[cfg(feature = "simulation")]
            Self::FilteredFaulty(stream) => Self::Faulty(stream),
            other => other,
        }
    }

    /// Writes `bytes`, which must not be empty, as [`write`](Self::write) does. For [`Stream::Tcp`] this is a call of
    /// the standard library: it does not raise SIGPIPE either, and returns EINTR if a signal interrupts it.
    #[inline(always)]
    pub(crate) fn write_piece(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            other => other.write(&[IoSlice::new(bytes)]),
        }
    }

    /// Returns whether received bytes wait in the kernel (MSG_PEEK): 1 if they do, 0 if the end is next, WouldBlock if
    /// nothing has arrived. Returns an error of the socket that no byte precedes; the kernel then forgets it. An input
    /// can only be read, and returns Unsupported.
    pub(crate) fn peek(&self) -> io::Result<usize> {
        retry_interrupted(|| match self {
            Self::Tcp(stream) | Self::FilteredTcp(stream) => tcp::peek(stream),
            Self::SharedTcp(shared) => {
                shared.forbid_blocking()?;
                tcp::peek(shared.get())
            }
            #[cfg(unix)]
            Self::Unix(stream) => unix::peek(stream),
            #[cfg(unix)]
            Self::SharedUnix(shared) => {
                shared.forbid_blocking()?;
                unix::peek(shared.get())
            }
            #[cfg(unix)]
            Self::Input(_) => Err(io::ErrorKind::Unsupported.into()),
            #[cfg(feature = "simulation")]
            Self::Simulated(stream) | Self::FilteredSimulated(stream) => stream.peek(),
            #[cfg(feature = "simulation")]
            Self::Faulty(stream) | Self::FilteredFaulty(stream) => stream.peek(),
        })
    }

    /// Writes `slices` in one call, without raising SIGPIPE. There must be at least one slice, and none may be empty.
    #[inline]
    pub(crate) fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        retry_interrupted(|| match self {
            Self::Tcp(stream) | Self::FilteredTcp(stream) => tcp::send(stream, slices),
            Self::SharedTcp(shared) => tcp::send(shared.get(), slices),
            #[cfg(unix)]
            Self::Unix(stream) => unix::send(stream, slices),
            #[cfg(unix)]
            Self::SharedUnix(shared) => unix::send(shared.get(), slices),
            #[cfg(unix)]
            Self::Input(_) => Err(io::ErrorKind::BrokenPipe.into()),
            #[cfg(feature = "simulation")]
            Self::Simulated(stream) | Self::FilteredSimulated(stream) => stream.write(slices),
            #[cfg(feature = "simulation")]
            Self::Faulty(stream) | Self::FilteredFaulty(stream) => stream.write(slices),
        })
    }

    /// Ends writing: a TCP socket sends a FIN after all written bytes. Succeeds also if the peer has gone.
    pub(crate) fn shutdown_write(&self) -> io::Result<()> {
        let done = retry_interrupted(|| match self {
            Self::Tcp(stream) | Self::FilteredTcp(stream) => stream.shutdown(Shutdown::Write),
            Self::SharedTcp(shared) => shared.get().shutdown(Shutdown::Write),
            #[cfg(unix)]
            Self::Unix(stream) => stream.shutdown(Shutdown::Write),
            #[cfg(unix)]
            Self::SharedUnix(shared) => shared.get().shutdown(Shutdown::Write),
            #[cfg(unix)]
            Self::Input(_) => Ok(()),
            #[cfg(feature = "simulation")]
            Self::Simulated(stream) | Self::FilteredSimulated(stream) => stream.shutdown_write(),
            #[cfg(feature = "simulation")]
            Self::Faulty(stream) | Self::FilteredFaulty(stream) => stream.shutdown_write(),
        });
        match done {
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            done => done,
        }
    }

    /// Takes the error that the kernel keeps for this socket (SO_ERROR). If the question fails, returns its error.
    pub(crate) fn take_error(&self) -> Option<io::Error> {
        let error = match self {
            Self::Tcp(stream) | Self::FilteredTcp(stream) => stream.take_error(),
            Self::SharedTcp(shared) => shared.get().take_error(),
            #[cfg(unix)]
            Self::Unix(stream) => stream.take_error(),
            #[cfg(unix)]
            Self::SharedUnix(shared) => shared.get().take_error(),
            #[cfg(unix)]
            Self::Input(_) => Ok(None),
            #[cfg(feature = "simulation")]
            Self::Simulated(stream) | Self::FilteredSimulated(stream) => Ok(stream.take_error()),
            #[cfg(feature = "simulation")]
            Self::Faulty(stream) | Self::FilteredFaulty(stream) => stream.take_error(),
        };
        error.unwrap_or_else(Some)
    }

    /// Whether `error`, the stream's first, proves that the peer's end had arrived before it
    /// ([`BROKEN_PIPE_PROVES_END`]).
    pub(crate) fn proves_end(&self, error: &io::Error) -> bool {
        let is_proof = match self {
            // The simulated kernel gives the errors of Linux.
            #[cfg(feature = "simulation")]
            Self::Simulated(_) | Self::FilteredSimulated(_) => true,
            _ => BROKEN_PIPE_PROVES_END,
        };
        is_proof && error.kind() == io::ErrorKind::BrokenPipe
    }

    pub(crate) fn local_address(&self) -> io::Result<Option<SocketAddr>> {
        match self {
            Self::Tcp(stream) | Self::FilteredTcp(stream) => stream.local_addr().map(Some),
            Self::SharedTcp(shared) => shared.get().local_addr().map(Some),
            #[cfg(unix)]
            Self::Unix(_) | Self::SharedUnix(_) | Self::Input(_) => Ok(None),
            #[cfg(feature = "simulation")]
            Self::Simulated(stream) | Self::FilteredSimulated(stream) => Ok(stream.local_address()),
            #[cfg(feature = "simulation")]
            Self::Faulty(stream) | Self::FilteredFaulty(stream) => stream.local_address().map(Some),
        }
    }

    pub(crate) fn peer_address(&self) -> io::Result<Option<SocketAddr>> {
        match self {
            Self::Tcp(stream) | Self::FilteredTcp(stream) => stream.peer_addr().map(Some),
            Self::SharedTcp(shared) => shared.get().peer_addr().map(Some),
            #[cfg(unix)]
            Self::Unix(_) | Self::SharedUnix(_) | Self::Input(_) => Ok(None),
            #[cfg(feature = "simulation")]
            Self::Simulated(stream) | Self::FilteredSimulated(stream) => {
                stream.peer_address().map(Some)
            }
            #[cfg(feature = "simulation")]
            Self::Faulty(stream) | Self::FilteredFaulty(stream) => stream.peer_address().map(Some),
        }
    }

    /// Whether this stream can become a stream of the standard library.
    pub(crate) fn is_standard(&self) -> bool {
        match self {
            Self::Tcp(_) | Self::SharedTcp(_) | Self::FilteredTcp(_) => true,
            #[cfg(unix)]
            Self::Unix(_) | Self::SharedUnix(_) => true,
            #[cfg(unix)]
            Self::Input(_) => false,
            #[cfg(feature = "simulation")]
            Self::Simulated(_)
            | Self::Faulty(_)
            | Self::FilteredSimulated(_)
            | Self::FilteredFaulty(_) => false,
        }
    }

    /// Turns a TCP stream, which the caller has deregistered, into one of the standard library; `Err` for any other.
    pub(crate) fn into_tcp(self) -> Result<std::net::TcpStream, Self> {
        match self {
            Self::Tcp(stream) | Self::FilteredTcp(stream) => Ok(stream.into()),
            Self::SharedTcp(shared) => Ok(shared.into_inner().into()),
            #[cfg(any(unix, feature = "simulation"))]
            other => Err(other),
        }
    }

    /// Turns a Unix stream, which the caller has deregistered, into one of the standard library; `Err` for any other.
    #[cfg(unix)]
    pub(crate) fn into_unix(self) -> Result<std::os::unix::net::UnixStream, Self> {
        match self {
            Self::Unix(stream) => Ok(stream.into()),
            Self::SharedUnix(shared) => Ok(shared.into_inner().into()),
            other => Err(other),
        }
    }

    /// Whether a short read proves that the kernel has no more bytes for now ([`SHORT_READ_EXHAUSTS`]). It proves
    /// nothing after a report of an end, an error or priority. False for a Unix socket, whose reads end after a message
    /// with descriptors or credentials. False for protocols other than plain TCP, of which some keep the boundaries of
    /// messages (SCTP).
    #[inline]
    pub(crate) fn short_read_exhausts(&self) -> bool {
        match self {
            Self::Tcp(_) | Self::FilteredTcp(_) => SHORT_READ_EXHAUSTS,
            Self::SharedTcp(shared) => SHORT_READ_EXHAUSTS && shared.is_plain_tcp(),
            #[cfg(unix)]
            Self::Unix(_) | Self::SharedUnix(_) | Self::Input(_) => false,
            #[cfg(feature = "simulation")]
            Self::Simulated(stream) | Self::FilteredSimulated(stream) => {
                stream.short_transfer_exhausts()
            }
            #[cfg(feature = "simulation")]
            Self::Faulty(_) | Self::FilteredFaulty(_) => SHORT_READ_EXHAUSTS,
        }
    }

    /// Whether a short write proves that the kernel has no more space for now ([`SHORT_WRITE_EXHAUSTS`]). False for a
    /// Unix socket: a lack of memory also ends a write early, and no event reports that memory is free again.
    #[inline]
    pub(crate) fn short_write_exhausts(&self) -> bool {
        match self {
            Self::Tcp(_) | Self::FilteredTcp(_) => SHORT_WRITE_EXHAUSTS,
            Self::SharedTcp(shared) => SHORT_WRITE_EXHAUSTS && shared.is_plain_tcp(),
            #[cfg(unix)]
            Self::Unix(_) | Self::SharedUnix(_) | Self::Input(_) => false,
            #[cfg(feature = "simulation")]
            Self::Simulated(stream) | Self::FilteredSimulated(stream) => {
                stream.short_transfer_exhausts()
            }
            #[cfg(feature = "simulation")]
            Self::Faulty(_) | Self::FilteredFaulty(_) => SHORT_WRITE_EXHAUSTS,
        }
    }

    /// Whether the descriptor may have duplicates, which keep the connection open after the close of this one.
    pub(crate) fn is_shared(&self) -> bool {
        match self {
            Self::SharedTcp(_) => true,
            #[cfg(unix)]
            Self::SharedUnix(_) | Self::Input(_) => true,
            _ => false,
        }
    }

    /// Returns the stream as one whose descriptor may have duplicates, because the caller lends it to the user.
    #[cfg(unix)]
    pub(crate) fn into_shared(self) -> Self {
        match self {
            Self::Tcp(stream) | Self::FilteredTcp(stream) => Self::SharedTcp(Shared::new(stream)),
            Self::Unix(stream) => Self::SharedUnix(Shared::new(stream)),
            // An input may have duplicates already. A simulated or faulty stream has no descriptor to lend.
            other => other,
        }
    }

    /// Whether the kernel deregisters the stream at its close ([`CLOSE_DEREGISTERS`]). False if a duplicate may exist.
    pub(crate) fn close_deregisters(&self) -> bool {
        match self {
            Self::Tcp(_) | Self::FilteredTcp(_) => CLOSE_DEREGISTERS,
            Self::SharedTcp(_) => false,
            #[cfg(unix)]
            Self::Unix(_) => CLOSE_DEREGISTERS,
            #[cfg(unix)]
            Self::SharedUnix(_) | Self::Input(_) => false,
            #[cfg(feature = "simulation")]
            Self::Simulated(stream) | Self::FilteredSimulated(stream) => stream.close_deregisters(),
            #[cfg(feature = "simulation")]
            Self::Faulty(_) | Self::FilteredFaulty(_) => CLOSE_DEREGISTERS,
        }
    }

    /// Whether the loop must register the stream again after a read that would block. See [`BLOCK_DISARMS`].
    pub(crate) fn is_disarmed_by_block(&self) -> bool {
        BLOCK_DISARMS && self.is_input()
    }

    /// Whether the loop reads the stream only once after each report of the kernel. A second read may block the thread,
    /// or return 0 although the stream has not ended.
    pub(crate) fn is_read_once_a_report(&self) -> bool {
        #[cfg(unix)]
        if let Self::Input(input) = self {
            return input.is_read_once_a_report();
        }
        false
    }

    pub(crate) fn is_input(&self) -> bool {
        #[cfg(unix)]
        return matches!(self, Self::Input(_));
        #[cfg(not(unix))]
        false
    }

    /// Whether the stream is ready for reading without a report. True for a file that the kernel cannot poll, and for a
    /// named pipe whose writers had gone before the loop opened it.
    pub(crate) fn is_ready_at_first(&self) -> bool {
        #[cfg(unix)]
        if let Self::Input(input) = self {
            return input.is_ready_at_first();
        }
        false
    }

    fn source(&mut self) -> &mut dyn Source {
        match self {
            Self::Tcp(stream) | Self::FilteredTcp(stream) => stream,
            Self::SharedTcp(shared) => shared.get_mut(),
            #[cfg(unix)]
            Self::Unix(stream) => stream,
            #[cfg(unix)]
            Self::SharedUnix(shared) => shared.get_mut(),
            #[cfg(unix)]
            Self::Input(input) => input,
            #[cfg(feature = "simulation")]
            Self::Simulated(stream) | Self::FilteredSimulated(stream) => stream,
            #[cfg(feature = "simulation")]
            Self::Faulty(stream) | Self::FilteredFaulty(stream) => stream,
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
