//! Random traffic over real sockets, with the kernel as the model. A second selector registers duplicates of the
//! sources anew before it polls: epoll then checks their readiness, so that selector shows the kernel's present levels.
//! The reactor must have kept the same levels from its edges.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream as Peer;
use std::time::Duration;

use mio::event::Source;
use mio::net::UnixStream;
use mio::{Events, Poll, Token};

use crate::reactor::{Handler, Interest, Key, Phase, Reactor, Readiness, Registration};

use super::{Call, Whereabouts, closing};

const SEEDS: u64 = 16;
const STEPS: u32 = 4_000;
const WIRES: usize = 6;
/// The size of each send buffer: small, to fill the buffer often.
const SEND_BUFFER_BYTES: usize = 4 << 10;

/// A source that moves a random number of bytes in each call, and reports short transfers.
struct Wire {
    stream: UnixStream,
    random: fastrand::Rng,
    outgoing: usize,
    received: u64,
}

impl Handler for Wire {
    type Event = ();
    type Resources<'a> = Vec<(Key, Call)>;

    fn source(&mut self) -> Option<&mut dyn Source> {
        Some(&mut self.stream)
    }

    fn on_readable(
        &mut self,
        registration: &mut Registration<'_>,
        calls: &mut Vec<(Key, Call)>,
    ) -> Option<()> {
        calls.push((registration.key(), Call::Readable));
        let wanted = self.random.usize(1..3_000);
        match self.stream.read(&mut [0; 3_000][..wanted]) {
            Ok(0) => registration.unwant(Interest::READABLE),
            Ok(length) => {
                self.received += length as u64;
                if length < wanted {
                    registration.fell_short(Interest::READABLE);
                }
                return Some(());
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                registration.would_block(Interest::READABLE);
            }
            Err(_) => registration.close(),
        }
        None
    }

    fn on_writable(
        &mut self,
        registration: &mut Registration<'_>,
        calls: &mut Vec<(Key, Call)>,
    ) -> Option<()> {
        calls.push((registration.key(), Call::Writable));
        let offered = self.random.usize(1..=self.outgoing);
        match self.stream.write(&vec![7; offered]) {
            Ok(length) => {
                self.outgoing -= length;
                if self.outgoing == 0 {
                    registration.unwant(Interest::WRITABLE);
                }
                if length < offered {
                    registration.fell_short(Interest::WRITABLE);
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                registration.would_block(Interest::WRITABLE);
            }
            Err(_) => registration.close(),
        }
        None
    }

    fn on_error(
        &mut self,
        registration: &mut Registration<'_>,
        calls: &mut Vec<(Key, Call)>,
    ) -> Option<()> {
        calls.push((registration.key(), Call::Closed));
        registration.close();
        None
    }

    fn burst(&self) -> u32 {
        3
    }
}

/// The peer of a wire, and the duplicate of the wire's socket.
struct Other {
    /// `None` once the peer is closed.
    peer: Option<Peer>,
    sent: u64,
    level: UnixStream,
}

struct World {
    reactor: Reactor<Wire>,
    levels: Poll,
    random: fastrand::Rng,
    others: BTreeMap<Key, Other>,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut world = Self {
            // A batch has fewer events than there are sources, so that some polls have to fetch a second batch.
            reactor: Reactor::new(WIRES - 2).unwrap(),
            levels: Poll::new().unwrap(),
            random: fastrand::Rng::with_seed(seed),
            others: BTreeMap::new(),
        };
        for _ in 0..WIRES {
            world.insert();
        }
        world
    }

    fn insert(&mut self) {
        let (here, there) = Peer::pair().unwrap();
        for end in [&here, &there] {
            end.set_nonblocking(true).unwrap();
            let socket = socket2::SockRef::from(end);
            socket.set_send_buffer_size(SEND_BUFFER_BYTES).unwrap();
        }
        let mut level = UnixStream::from_std(here.try_clone().unwrap());
        let registry = self.levels.registry();
        registry.register(&mut level, Token(0), both()).unwrap();
        let wire = Wire {
            stream: UnixStream::from_std(here),
            random: self.random.fork(),
            outgoing: 0,
            received: 0,
        };
        let interest = Interest::from_bits(self.random.u8(0..2));
        let known = match self.random.bool() {
            true => Readiness::WRITABLE,
            false => Readiness::empty(),
        };
        let inserted = self.reactor.insert_ready(wire, interest, known);
        let key = inserted.map_err(|(error, _)| error).unwrap();
        let other = Other {
            peer: Some(there),
            sent: 0,
            level,
        };
        self.others.insert(key, other);
    }

    fn remove(&mut self, key: Key) {
        let mut other = self.others.remove(&key).unwrap();
        self.levels.registry().deregister(&mut other.level).unwrap();
        self.reactor.remove(key).unwrap();
        self.insert();
    }

    fn step(&mut self) {
        let index = self.random.usize(0..self.others.len());
        let (&key, other) = self.others.iter_mut().nth(index).unwrap();
        let length = self.random.usize(1..6_000);
        let peer = &mut other.peer;
        match (self.random.u8(0..40), peer.as_mut()) {
            (0..=7, Some(peer)) => {
                other.sent += peer.write(&vec![7; length]).unwrap_or(0) as u64;
            }
            (8..=15, Some(peer)) => drop(peer.read(&mut vec![0; length])),
            (16, Some(peer)) => drop(peer.shutdown(Shutdown::Write)),
            (17, _) => *peer = None,
            (18, _) => self.remove(key),
            (19..=21, _) => self.pause(key),
            (22..=25, _) => self.resume(key),
            (26..=30, _) => self.queue(key, length),
            (31..=33, _) => self.serve_some(),
            _ => self.check(),
        }
    }

    fn pause(&mut self, key: Key) {
        self.reactor.visit(key, |_, registration| {
            registration.unwant(Interest::READABLE)
        });
    }

    fn resume(&mut self, key: Key) {
        self.reactor
            .visit(key, |_, registration| registration.want(Interest::READABLE));
    }

    fn queue(&mut self, key: Key, length: usize) {
        self.reactor.visit(key, |wire, registration| {
            wire.outgoing += length;
            registration.want(Interest::WRITABLE);
        });
    }

    /// Polls or not, at random, and then serves a part of a serve phase.
    fn serve_some(&mut self) {
        if self.random.bool() {
            self.reactor.poll(Some(Duration::ZERO)).unwrap();
        }
        self.reactor.begin(Phase::Serve);
        for _ in 0..self.random.u8(1..4) {
            self.reactor.next(&mut Vec::new());
        }
        self.replace_closed();
    }

    fn replace_closed(&mut self) {
        for key in closing(&mut self.reactor) {
            self.remove(key);
        }
    }

    /// Checks that every source that level-triggered polling would report is served within one phase.
    fn check(&mut self) {
        while {
            let before = self.reactor.events();
            self.reactor.poll(Some(Duration::ZERO)).unwrap();
            self.reactor.events() > before
        } {}
        let expected = self.called_for();
        let mut calls = Vec::new();
        self.reactor.begin(Phase::Serve);
        while self.reactor.next(&mut calls).is_some() {}
        let closed = closing(&mut self.reactor);
        for (key, call) in expected {
            assert!(
                calls.contains(&(key, call)) || closed.contains(&key),
                "I7: {key:?} was not asked for {call:?}"
            );
        }
        for key in closed {
            self.remove(key);
        }
    }

    /// Returns the sources that are ready by level-triggered polling, each with the call that it needs.
    fn called_for(&mut self) -> Vec<(Key, Call)> {
        let keys: Vec<_> = self.others.keys().copied().collect();
        for (token, other) in self.others.values_mut().enumerate() {
            let registry = self.levels.registry();
            let registered = registry.reregister(&mut other.level, Token(token), both());
            registered.unwrap();
        }
        let mut events = Events::with_capacity(2 * WIRES);
        self.levels.poll(&mut events, Some(Duration::ZERO)).unwrap();
        let mut called_for = Vec::new();
        for event in &events {
            let key = keys[event.token().0];
            let interest = self
                .reactor
                .visit(key, |_, registration| registration.interest());
            let wants = |direction| interest.unwrap().contains(direction);
            if event.is_readable() && wants(Interest::READABLE) {
                called_for.push((key, Call::Readable));
            }
            if event.is_writable() && wants(Interest::WRITABLE) {
                called_for.push((key, Call::Writable));
            }
        }
        called_for
    }

    fn settle(&mut self) {
        for key in self.others.keys().copied().collect::<Vec<_>>() {
            self.resume(key);
        }
        for _ in 0..1_000 {
            for other in self.others.values_mut() {
                if let Some(peer) = &mut other.peer {
                    drop(peer.read(&mut [0; 64 << 10]));
                }
            }
            self.reactor.poll(Some(Duration::ZERO)).unwrap();
            self.reactor.begin(Phase::Serve);
            while self.reactor.next(&mut Vec::new()).is_some() {}
            self.replace_closed();
        }
        for (&key, other) in &self.others {
            let wire = self.reactor.get(key).unwrap();
            assert_eq!(
                wire.received, other.sent,
                "{key:?} was left with bytes unread"
            );
            assert_eq!(wire.outgoing, 0, "{key:?} was left with bytes unsent");
        }
        assert!(self.reactor.is_idle());
    }
}

fn both() -> mio::Interest {
    mio::Interest::READABLE | mio::Interest::WRITABLE
}

#[test]
fn every_source_that_level_triggering_would_report_is_served() {
    for seed in 0..SEEDS {
        let mut whereabouts = Whereabouts { seed, step: 0 };
        let mut world = World::new(seed);
        for step in 0..STEPS {
            whereabouts.step = step;
            world.step();
        }
        world.settle();
    }
}
