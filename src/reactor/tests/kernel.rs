//! The reactor with real sockets. The tests rest on these facts, which were measured through mio on Linux:
//!
//! | | fact |
//! |---|---|
//! | F1, F2, F3 | data left unread, unaccepted or unreceived gives no second event |
//! | F5 | data left behind does not make the selector's own descriptor readable again |
//! | F6 | the event for an arrived byte reports the socket as writable, too |
//! | F7 | an end that arrived with the data gives no event of its own |
//! | F8 | before a reset the data can still be read |
//! | F10 | a refused datagram is an error without being readable |
//! | F14 | a closed descriptor delivers events as long as a duplicate of it is open |

mod edges;
mod registering;

use std::cell::Cell;
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream as Peer;
use std::rc::Rc;
use std::time::{Duration, Instant};

use mio::event::Source;
use mio::net::{TcpStream, UnixStream};
use mio::{Registry, Token};

use crate::reactor::{Handler, Interest, Phase, Reactor, Registration};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tellings {
    register: u32,
    reregister: u32,
    deregister: u32,
}

/// A source that counts its registrations, and can refuse them.
struct Counted<S> {
    source: S,
    tellings: Rc<Cell<Tellings>>,
    refusal: Option<ErrorKind>,
}

impl<S> Counted<S> {
    fn count(&self, count: impl FnOnce(&mut Tellings)) -> io::Result<()> {
        let mut tellings = self.tellings.get();
        count(&mut tellings);
        self.tellings.set(tellings);
        self.refusal.map_or(Ok(()), |kind| Err(kind.into()))
    }
}

impl<S: Source> Source for Counted<S> {
    fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        interests: mio::Interest,
    ) -> io::Result<()> {
        self.count(|tellings| tellings.register += 1)?;
        self.source.register(registry, token, interests)
    }

    fn reregister(
        &mut self,
        registry: &Registry,
        token: Token,
        interests: mio::Interest,
    ) -> io::Result<()> {
        self.count(|tellings| tellings.reregister += 1)?;
        self.source.reregister(registry, token, interests)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        self.count(|tellings| tellings.deregister += 1)?;
        self.source.deregister(registry)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Report {
    Bytes(usize),
    End,
    Failed(ErrorKind),
    Space,
    Closed,
}

/// A real source that makes one call each time it is served for reading.
struct Wire<S> {
    kernel: Counted<S>,
    receive: fn(&mut S, &mut [u8]) -> io::Result<usize>,
    chunk_bytes: usize,
    reads: u32,
    /// Whether the wire calls [`Registration::rearm`] instead of reading until a read would block.
    rearms: bool,
    /// Whether [`Handler::source`] returns `None`, which prevents the reactor from deregistering the socket.
    is_hidden: bool,
}

impl<S> Wire<S> {
    fn new(source: S, receive: fn(&mut S, &mut [u8]) -> io::Result<usize>) -> Self {
        Self {
            kernel: Counted {
                source,
                tellings: Rc::default(),
                refusal: None,
            },
            receive,
            chunk_bytes: 64,
            reads: 0,
            rearms: false,
            is_hidden: false,
        }
    }

    fn reading(self, chunk_bytes: usize) -> Self {
        Self {
            chunk_bytes,
            ..self
        }
    }
}

impl<S: Source> Handler for Wire<S> {
    type Event = Report;
    type Resources<'a> = ();

    fn source(&mut self) -> Option<&mut dyn Source> {
        (!self.is_hidden).then_some(&mut self.kernel as &mut dyn Source)
    }

    fn on_readable(&mut self, registration: &mut Registration<'_>, _: &mut ()) -> Option<Report> {
        self.reads += 1;
        match (self.receive)(&mut self.kernel.source, &mut [0; 64][..self.chunk_bytes]) {
            Ok(0) => {
                registration.unwant(Interest::READABLE);
                Some(Report::End)
            }
            Ok(length) => {
                if self.rearms {
                    registration.rearm();
                } else if length < self.chunk_bytes {
                    registration.fell_short(Interest::READABLE);
                }
                Some(Report::Bytes(length))
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                registration.would_block(Interest::READABLE);
                None
            }
            Err(error) => {
                registration.unwant(Interest::READABLE);
                Some(Report::Failed(error.kind()))
            }
        }
    }

    fn on_writable(&mut self, registration: &mut Registration<'_>, _: &mut ()) -> Option<Report> {
        registration.unwant(Interest::WRITABLE);
        Some(Report::Space)
    }

    fn on_error(&mut self, _: &mut Registration<'_>, _: &mut ()) -> Option<Report> {
        Some(Report::Closed)
    }
}

fn stream_pair() -> (Wire<UnixStream>, Peer) {
    let (here, there) = Peer::pair().unwrap();
    (Wire::new(unblocked(here), read), there)
}

fn unblocked(stream: Peer) -> UnixStream {
    stream.set_nonblocking(true).unwrap();
    UnixStream::from_std(stream)
}

fn read<S: Read>(stream: &mut S, buffer: &mut [u8]) -> io::Result<usize> {
    stream.read(buffer)
}

fn reset_connection(data: &[u8]) -> Wire<TcpStream> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let here = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (mut there, _) = listener.accept().unwrap();
    here.set_nonblocking(true).unwrap();
    there.write_all(data).unwrap();
    let linger = socket2::SockRef::from(&there).set_linger(Some(Duration::ZERO));
    linger.unwrap();
    Wire::new(TcpStream::from_std(here), read)
}

fn poll<T: Handler>(reactor: &mut Reactor<T>) -> u64 {
    let before = reactor.events();
    reactor.poll(Some(Duration::ZERO)).unwrap();
    reactor.events() - before
}

fn serve<S: Source>(reactor: &mut Reactor<Wire<S>>) -> Vec<Report> {
    reactor.begin(Phase::Serve);
    std::iter::from_fn(|| reactor.next(&mut ()))
        .map(|(_, heard)| heard)
        .collect()
}

/// Polls and serves until the wires have given `count` events: the kernel may take a moment to report.
fn await_reports<S: Source>(reactor: &mut Reactor<Wire<S>>, count: usize) -> Vec<Report> {
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut heard = Vec::new();
    while heard.len() < count {
        let left = deadline.saturating_duration_since(Instant::now());
        assert!(!left.is_zero(), "only {heard:?} in a minute");
        reactor.poll(Some(left)).unwrap();
        heard.extend(serve(reactor));
    }
    heard
}
