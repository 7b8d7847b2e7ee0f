//! Faults in front of the real kernel: its sockets, with calls that fail, block or come short as a seed has it.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::rc::Rc;

use mio::event::Source;
use mio::{Interest, Registry, Token};

use crate::readiness::Readiness;
use crate::system::{Acceptor, Stream};

use super::errno::Fault;
use super::options::Faults;
use super::random::Random;

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
    /// Events that a fault has taken away, to be told by the next poll.
    owed: Vec<(usize, Readiness)>,
}

impl Disturbance {
    pub(crate) fn new(seed: u64, faults: Faults) -> Self {
        Self(Rc::new(RefCell::new(State {
            random: Random::new(seed),
            faults,
            owed: Vec::new(),
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

    pub(crate) fn take_owed(&self, batch: &mut Vec<(usize, Readiness)>) {
        batch.append(&mut self.0.borrow_mut().owed);
    }
}

/// A real connection with faults.
#[derive(Debug)]
pub(crate) struct DisturbedStream {
    pub(super) inner: Box<Stream>,
    disturbance: Disturbance,
    token: Option<usize>,
}

impl DisturbedStream {
    pub(crate) fn new(inner: Stream, disturbance: &Disturbance) -> Self {
        Self {
            inner: Box::new(inner),
            disturbance: disturbance.clone(),
            token: None,
        }
    }

    /// The faults that reading and writing have in common.
    fn disturb(&self, readiness: Readiness) -> io::Result<()> {
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
        self.disturb(INWARD)?;
        let mut most = buffer.len();
        if self.disturbance.strikes(|faults| faults.short_transfers) {
            most = self.disturbance.part(most.min(1000));
            self.disturbance.owe(self.token, INWARD);
        }
        self.inner.read(&mut buffer[..most])
    }

    pub(crate) fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
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
}

impl Source for DisturbedStream {
    fn register(&mut self, registry: &Registry, token: Token, both: Interest) -> io::Result<()> {
        self.token = Some(token.0);
        self.inner.register(registry, token, both)
    }

    fn reregister(&mut self, registry: &Registry, token: Token, both: Interest) -> io::Result<()> {
        self.inner.reregister(registry, token, both)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        self.token = None;
        self.inner.deregister(registry)
    }
}

/// A real listening socket with faults.
#[derive(Debug)]
pub(crate) struct DisturbedAcceptor {
    pub(super) inner: Box<Acceptor>,
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

    pub(crate) fn accept(&self) -> io::Result<(DisturbedStream, std::net::SocketAddr)> {
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
    fn register(&mut self, registry: &Registry, token: Token, both: Interest) -> io::Result<()> {
        self.token = Some(token.0);
        self.inner.register(registry, token, both)
    }

    fn reregister(&mut self, registry: &Registry, token: Token, both: Interest) -> io::Result<()> {
        self.inner.reregister(registry, token, both)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        self.token = None;
        self.inner.deregister(registry)
    }
}
