//! What the selector is told of a source, and when.

use std::io::{ErrorKind, Write};
use std::os::unix::net::UnixStream as Peer;
use std::rc::Rc;

use mio::net::UnixStream;

use crate::reactor::tests::closing;
use crate::reactor::{Interest, Key, Reactor, Readiness};

use super::{Heard, Tellings, Wire, poll, read, serve, stream_pair, unblocked};

#[test]
fn flipping_interests_makes_no_system_call() {
    let (wire, mut peer) = stream_pair();
    let tellings = Rc::clone(&wire.kernel.tellings);
    let mut reactor = Reactor::new(16).unwrap();
    let key = reactor.insert(wire, Interest::empty()).unwrap();
    peer.write_all(b"abc").unwrap();
    assert_eq!(poll(&mut reactor), 1);
    for _ in 0..1_000 {
        for direction in [Interest::READABLE, Interest::WRITABLE] {
            reactor.visit(key, |_, registration| registration.want(direction));
            reactor.visit(key, |_, registration| registration.unwant(direction));
        }
    }
    assert_eq!(poll(&mut reactor), 0);
    let mut expected = Tellings {
        register: 1,
        ..Tellings::default()
    };
    assert_eq!(tellings.get(), expected);
    reactor.remove(key);
    expected.deregister = 1;
    assert_eq!(tellings.get(), expected);
}

#[test]
fn a_token_that_outlived_its_source_reaches_nobody() {
    let (here, mut peer) = Peer::pair().unwrap();
    let duplicate = here.try_clone().unwrap();
    let mut reactor = Reactor::new(16).unwrap();
    let wire = Wire::new(unblocked(here), read);
    let dead = reactor.insert(wire, Interest::READABLE).unwrap();
    // Closed without being deregistered, it stays in the selector as long as the duplicate is open (F14).
    reactor.visit(dead, |wire, _| wire.is_hidden = true);
    drop(reactor.remove(dead));
    let (wire, _peer_of_newcomer) = stream_pair();
    let newcomer = reactor.insert(wire, Interest::READABLE).unwrap();
    assert_eq!(newcomer.index(), dead.index(), "the slot is reused");
    poll(&mut reactor);

    peer.write_all(b"abc").unwrap();
    assert_eq!(poll(&mut reactor), 1, "the kernel still delivers");
    assert!(reactor.is_idle());
    assert_eq!(serve(&mut reactor), []);
    let readiness = reactor.visit(newcomer, |_, registration| registration.readiness());
    assert_eq!(readiness, Some(Readiness::WRITABLE), "its own only");
    drop(duplicate);
}

#[test]
fn a_source_is_out_of_the_kernels_sight_when_it_has_left() {
    type Leave = fn(&mut Reactor<Wire<UnixStream>>, Key);
    let leaves: [(&str, Leave); 3] = [
        ("removed", |reactor, key| drop(reactor.remove(key))),
        ("deregistered", |reactor, key| reactor.deregister(key)),
        ("closing", |reactor, key| {
            reactor.visit(key, |_, registration| registration.close());
            assert_eq!(closing(reactor), [key]);
        }),
    ];
    for (way, leave) in leaves {
        let (here, mut peer) = Peer::pair().unwrap();
        let duplicate = here.try_clone().unwrap();
        let mut reactor = Reactor::new(16).unwrap();
        let wire = Wire::new(unblocked(here), read);
        let key = reactor.insert(wire, Interest::READABLE).unwrap();
        poll(&mut reactor);
        leave(&mut reactor, key);
        peer.write_all(b"abc").unwrap();
        assert_eq!(poll(&mut reactor), 0, "{way}");
        drop(duplicate);
    }
}

#[test]
fn news_of_a_source_that_closes_already_does_not_queue_it() {
    let (wire, mut peer) = stream_pair();
    let mut reactor = Reactor::new(16).unwrap();
    let key = reactor.insert(wire, Interest::READABLE).unwrap();
    reactor.visit(key, |_, registration| registration.close());
    peer.write_all(b"abc").unwrap();
    assert_eq!(poll(&mut reactor), 1);
    assert_eq!(closing(&mut reactor), [key]);
    assert!(reactor.is_idle());
}

#[test]
fn a_source_that_may_not_be_drained_is_armed_again() {
    let (wire, mut peer) = stream_pair();
    let tellings = Rc::clone(&wire.kernel.tellings);
    let mut reactor = Reactor::new(16).unwrap();
    let wire = Wire {
        rearms: true,
        ..wire.reading(1)
    };
    let key = reactor.insert(wire, Interest::READABLE).unwrap();
    peer.write_all(b"abc").unwrap();
    for _ in 0..3 {
        assert_eq!(poll(&mut reactor), 1, "a fresh edge for what is left");
        assert_eq!(serve(&mut reactor), [Heard::Bytes(1)]);
        assert!(reactor.is_idle(), "it is not read again unasked");
    }
    assert_eq!(poll(&mut reactor), 1, "it is still writable");
    assert!(reactor.is_idle());
    reactor.visit(key, |_, _| ());
    assert_eq!(tellings.get().reregister, 3);
}

#[test]
fn a_source_that_cannot_be_armed_again_finds_out_by_reading() {
    let (wire, mut peer) = stream_pair();
    let mut reactor = Reactor::new(16).unwrap();
    let wire = Wire {
        rearms: true,
        ..wire.reading(1)
    };
    let key = reactor.insert(wire, Interest::READABLE).unwrap();
    peer.write_all(b"abc").unwrap();
    assert_eq!(poll(&mut reactor), 1);
    reactor.visit(key, |wire, _| wire.kernel.refuses = true);
    for _ in 0..3 {
        assert_eq!(serve(&mut reactor), [Heard::Bytes(1)]);
        assert!(!reactor.is_idle());
    }
}

#[test]
fn a_source_that_the_selector_refuses_is_given_back() {
    let (mut wire, _peer) = stream_pair();
    wire.kernel.refuses = true;
    let mut reactor = Reactor::new(16).unwrap();
    let refused = reactor.insert_ready(wire, Interest::READABLE, Readiness::READABLE);
    let (error, wire) = refused.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert_eq!((reactor.len(), reactor.held()), (0, 0));
    assert!(reactor.is_idle());

    let key = reactor.insert_unregistered(wire, Interest::READABLE);
    assert!(reactor.register(key).is_err());
    reactor.visit(key, |wire, _| wire.kernel.refuses = false);
    assert!(reactor.register(key).is_ok());
    assert_eq!(poll(&mut reactor), 1, "it is there now, and writable");
}

#[test]
fn what_was_said_of_the_former_source_is_forgotten_with_it() {
    let (wire, peer) = stream_pair();
    let mut reactor = Reactor::new(16).unwrap();
    let key = reactor.insert(wire, Interest::empty()).unwrap();
    drop(peer);
    poll(&mut reactor);
    let (next, _peer) = stream_pair();
    reactor.deregister(key);
    reactor.visit(key, |wire, _| *wire = next);
    reactor.register(key).unwrap();
    poll(&mut reactor);
    let readiness = reactor.visit(key, |_, registration| registration.readiness());
    assert_eq!(readiness, Some(Readiness::WRITABLE), "no end of the former");
}
