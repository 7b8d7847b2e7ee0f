//! Faults in front of the real kernel: its sockets, with calls that fail, block or come short as a seed has it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::rc::Rc;

use mio::event::Source;
use mio::{Interest, Registry, Token};

use crate::readiness::Readiness;
use crate::system::{Acceptor, ConnectStep, KeepAliveTimes, Stream};

use super::errno::Fault;
use super::random::Random;
use crate::system::simulated::Faults;

/// What is announced again to who was kept from reading. A blocked read makes the loop forget what it was told of the
/// end, which the kernel would tell again: whether there is one is not known here, and reading finds out.
const INWARD: Readiness = Readiness::READABLE.union(Readiness::READ_CLOSED);

/// What the sockets of one disturbed loop share.
#[derive(Clone, Debug)]
pub(crate) struct Disturbance(Rc<RefCell<State>>);

#[derive(Debug)]
struct State {
    random: Random,
    faults: Faults,
    /// Events that a fault has taken away or made up, to be told by the next poll.
    owed: Vec<(usize, Readiness)>,
    /// What is registered. Ordered, so that no run depends on a hash.
    tokens: BTreeSet<usize>,
}

impl Disturbance {
    pub(crate) fn new(seed: u64, faults: Faults) -> Self {
        Self(Rc::new(RefCell::new(State {
            random: Random::new(seed),
            faults,
            owed: Vec::new(),
            tokens: BTreeSet::new(),
        })))
    }

    fn strikes(&self, rate: impl FnOnce(&Faults) -> u16) -> bool {
        let mut state = self.0.borrow_mut();
        let rate = rate(&state.faults);
        state.random.chance(rate)
    }

    /// A part of `length`, which is at least 1.
    fn part(&self, length: usize) -> usize {
        1 + self.0.borrow_mut().random.index(length)
    }

    /// What a call on `token` said was not all: it is announced again.
    fn owe(&self, token: Option<usize>, readiness: Readiness) {
        if let Some(token) = token {
            self.0.borrow_mut().owed.push((token, readiness));
        }
    }

    pub(crate) fn owes(&self) -> bool {
        !self.0.borrow().owed.is_empty()
    }

    /// Whether the next poll ends early, with nothing.
    pub(crate) fn cuts_poll_short(&self) -> bool {
        self.strikes(|faults| faults.empty_polls)
    }

    /// Some socket may be told of next as ready for what it need not be ready for.
    pub(crate) fn may_tell_falsely(&self) {
        if !self.strikes(|faults| faults.false_events) {
            return;
        }
        let mut state = self.0.borrow_mut();
        let State {
            random,
            owed,
            tokens,
            ..
        } = &mut *state;
        let token = tokens.iter().nth(random.index(tokens.len())).copied();
        let readiness = match random.chance(500) {
            true => Readiness::READABLE,
            false => Readiness::WRITABLE,
        };
        owed.extend(token.map(|token| (token, readiness)));
    }

    fn register(&self, token: usize) {
        self.0.borrow_mut().tokens.insert(token);
    }

    fn deregister(&self, token: Option<usize>) {
        if let Some(token) = token {
            self.0.borrow_mut().tokens.remove(&token);
        }
    }

    pub(crate) fn take_owed(&self, batch: &mut Vec<(usize, Readiness)>) {
        batch.append(&mut self.0.borrow_mut().owed);
    }
}

/// A real connection with faults.
#[derive(Debug)]
pub(crate) struct DisturbedStream {
    pub(in crate::system) inner: Box<Stream>,
    disturbance: Disturbance,
    token: Option<usize>,
    /// A fault has reset it: its error was told, and nothing comes or goes any more. The kernel's own socket is reset
    /// when it is closed, which is what a program does with one that has failed.
    is_reset: Cell<bool>,
}

impl DisturbedStream {
    pub(crate) fn new(inner: Stream, disturbance: &Disturbance) -> Self {
        Self {
            inner: Box::new(inner),
            disturbance: disturbance.clone(),
            token: None,
            is_reset: Cell::new(false),
        }
    }

    /// As [`Stream::connect`]. By a fault, a connect to a port of this machine on which nobody listens meets itself:
    /// it comes from that very port.
    pub(crate) fn connect(
        address: SocketAddr,
        local: Option<SocketAddr>,
        disturbance: &Disturbance,
    ) -> Result<Self, (ConnectStep, io::Error)> {
        let may_meet_itself = local.is_none()
            && address.ip().is_loopback()
            && disturbance.strikes(|faults| faults.self_connects);
        let from_there = match may_meet_itself {
            // It cannot be had where somebody listens.
            true => Stream::connect(address, Some(address)).ok(),
            false => None,
        };
        let stream = match from_there {
            Some(stream) => stream,
            None => Stream::connect(address, local)?,
        };
        Ok(Self::new(stream, disturbance))
    }

    /// The faults that reading and writing have in common.
    fn disturb(&self, readiness: Readiness) -> io::Result<()> {
        if self.disturbance.strikes(|faults| faults.resets) && self.inner.reset_on_close().is_ok() {
            self.is_reset.set(true);
            return Err(Fault::Reset.to_io());
        }
        if self.disturbance.strikes(|faults| faults.interruptions) {
            return Err(Fault::Interrupted.to_io());
        }
        if self.disturbance.strikes(|faults| faults.false_blocks) {
            self.disturbance.owe(self.token, readiness);
            return Err(Fault::WouldBlock.to_io());
        }
        Ok(())
    }

    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.is_reset.get() {
            return Ok(0);
        }
        self.disturb(INWARD)?;
        let mut most = buffer.len();
        if self.disturbance.strikes(|faults| faults.short_transfers) {
            most = self.disturbance.part(most.min(1000));
            self.disturbance.owe(self.token, INWARD);
        }
        self.inner.read(&mut buffer[..most])
    }

    pub(crate) fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        if self.is_reset.get() {
            return Err(Fault::BrokenPipe.to_io());
        }
        self.disturb(Readiness::WRITABLE)?;
        if self.disturbance.strikes(|faults| faults.missing_buffers) {
            return Err(Fault::NoBuffers.to_io());
        }
        if self.disturbance.strikes(|faults| faults.short_transfers) {
            if let Some(first) = slices.first() {
                let count = self.disturbance.part(first.len());
                self.disturbance.owe(self.token, Readiness::WRITABLE);
                return self.inner.write(&[IoSlice::new(&first[..count])]);
            }
        }
        self.inner.write(slices)
    }

    pub(crate) fn shutdown_write(&self) -> io::Result<()> {
        if self.is_reset.get() {
            return Err(Fault::NotConnected.to_io());
        }
        self.inner.shutdown_write()
    }

    pub(crate) fn set_no_delay(&self, on: bool) -> io::Result<()> {
        self.refuse_option()?;
        self.inner.set_no_delay(on)
    }

    pub(crate) fn set_keep_alive(&self, times: Option<KeepAliveTimes>) -> io::Result<()> {
        self.refuse_option()?;
        self.inner.set_keep_alive(times)
    }

    fn refuse_option(&self) -> io::Result<()> {
        match self.disturbance.strikes(|faults| faults.refused_options) {
            true => Err(Fault::InvalidArgument.to_io()),
            false => Ok(()),
        }
    }
}

impl Source for DisturbedStream {
    fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        directions: Interest,
    ) -> io::Result<()> {
        self.token = Some(token.0);
        self.disturbance.register(token.0);
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
        self.disturbance.deregister(self.token.take());
        self.inner.deregister(registry)
    }
}

/// A real listening socket with faults.
#[derive(Debug)]
pub(crate) struct DisturbedAcceptor {
    pub(in crate::system) inner: Box<Acceptor>,
    disturbance: Disturbance,
    token: Option<usize>,
}

impl DisturbedAcceptor {
    pub(crate) fn new(inner: Acceptor, disturbance: &Disturbance) -> Self {
        Self {
            inner: Box::new(inner),
            disturbance: disturbance.clone(),
            token: None,
        }
    }

    pub(crate) fn accept(&self) -> io::Result<(DisturbedStream, SocketAddr)> {
        if self.disturbance.strikes(|faults| faults.interruptions) {
            return Err(Fault::Interrupted.to_io());
        }
        if self.disturbance.strikes(|faults| faults.exhausted_accepts) {
            return Err(Fault::TooManyFiles.to_io());
        }
        if self.disturbance.strikes(|faults| faults.false_blocks) {
            self.disturbance.owe(self.token, Readiness::READABLE);
            return Err(Fault::WouldBlock.to_io());
        }
        let (stream, peer) = self.inner.accept()?;
        if self.disturbance.strikes(|faults| faults.aborted_accepts) {
            return Err(Fault::Aborted.to_io());
        }
        let peer = peer.ok_or_else(|| Fault::NotConnected.to_io())?;
        Ok((DisturbedStream::new(stream, &self.disturbance), peer))
    }

    /// Refuses one connection in truth, as the descriptors are not really exhausted.
    pub(crate) fn refuse_one(&self) -> bool {
        match self.inner.accept() {
            Ok((stream, _)) => stream.reset_on_close().is_ok(),
            Err(_) => false,
        }
    }
}

impl Source for DisturbedAcceptor {
    fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        directions: Interest,
    ) -> io::Result<()> {
        self.token = Some(token.0);
        self.disturbance.register(token.0);
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
        self.disturbance.deregister(self.token.take());
        self.inner.deregister(registry)
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::io::{ErrorKind, Read};
    use std::net::TcpListener;

    use super::*;

    fn disturbance(faults: Faults) -> Disturbance {
        Disturbance::new(1, faults)
    }

    #[test]
    fn a_reset_is_told_once_and_reaches_the_peer_with_the_close() {
        let faults = Faults {
            resets: 1000,
            ..Faults::NONE
        };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stream = DisturbedStream::connect(address, None, &disturbance(faults));
        let mut stream = stream.map_err(|(_, error)| error).unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        let mut buffer = [0; 8];
        let reset = stream.read(&mut buffer).unwrap_err();
        assert_eq!(reset.kind(), ErrorKind::ConnectionReset);
        assert_eq!(stream.read(&mut buffer).unwrap(), 0);
        let broken = stream.write(&[IoSlice::new(b"a")]).unwrap_err();
        assert_eq!(broken.kind(), ErrorKind::BrokenPipe);
        drop(stream);
        let reset = peer.read(&mut buffer).unwrap_err();
        assert_eq!(reset.kind(), ErrorKind::ConnectionReset);
    }

    #[test]
    fn a_connect_meets_itself_only_where_nobody_listens() {
        let faults = Faults {
            self_connects: 1000,
            ..Faults::NONE
        };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let connect = || DisturbedStream::connect(address, None, &disturbance(faults));
        let with_somebody = connect().map_err(|(_, error)| error).unwrap();
        assert_ne!(
            with_somebody.inner.local_address().unwrap(),
            Some(address),
            "somebody listens"
        );
        drop((with_somebody, listener));
        let with_nobody = connect().map_err(|(_, error)| error).unwrap();
        assert_eq!(with_nobody.inner.peer_address().unwrap(), Some(address));
        assert_eq!(with_nobody.inner.local_address().unwrap(), Some(address));
    }

    #[test]
    fn what_is_told_falsely_is_told_of_a_socket_that_is_registered() {
        let faults = Faults {
            false_events: 1000,
            ..Faults::NONE
        };
        let disturbance = disturbance(faults);
        disturbance.may_tell_falsely();
        assert!(!disturbance.owes(), "there is nobody to tell of");
        disturbance.register(3);
        disturbance.register(4);
        disturbance.deregister(Some(4));
        disturbance.may_tell_falsely();
        let mut batch = Vec::new();
        disturbance.take_owed(&mut batch);
        assert!(matches!(batch[..], [(3, _)]), "{batch:?}");
    }
}
