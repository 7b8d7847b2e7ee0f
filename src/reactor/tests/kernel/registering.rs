//! The moments at which the reactor registers a source with the selector, and the directions that it registers.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream as Peer;
use std::rc::Rc;
use std::time::Duration;

use mio::net::UnixStream;

use crate::reactor::tests::closing;
use crate::reactor::{Interest, Key, Reactor, Readiness, Registration};

use super::{Report, Tellings, Wire, poll, read, serve, stream_pair, unblocked};

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

// Not with poll(2), which forgets a closed descriptor in spite of a duplicate.
#[cfg(not(mio_unsupported_force_poll_poll))]
#[test]
fn a_token_that_outlived_its_source_reaches_no_source() {
    let (here, mut peer) = Peer::pair().unwrap();
    let duplicate = here.try_clone().unwrap();
    let mut reactor = Reactor::new(16).unwrap();
    let wire = Wire::new(unblocked(here), read);
    let dead = reactor.insert(wire, Interest::READABLE).unwrap();
    // The reactor cannot deregister a hidden wire, and the selector keeps its entry while the duplicate is open (F14).
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
        assert_eq!(serve(&mut reactor), [Report::Bytes(1)]);
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
    reactor.visit(key, |wire, _| {
        wire.kernel.refusal = Some(ErrorKind::PermissionDenied)
    });
    for _ in 0..3 {
        assert_eq!(serve(&mut reactor), [Report::Bytes(1)]);
        assert!(!reactor.is_idle());
    }
}

#[test]
fn a_source_that_cannot_be_armed_for_now_is_armed_later() {
    for kind in [ErrorKind::OutOfMemory, ErrorKind::StorageFull] {
        let (wire, mut peer) = stream_pair();
        let tellings = Rc::clone(&wire.kernel.tellings);
        let mut reactor = Reactor::new(16).unwrap();
        let key = insert_writable(&mut reactor, wire);
        let sent = reactor.visit(key, |wire, registration| {
            let stream = &mut wire.kernel.source;
            let sent: usize = std::iter::from_fn(|| stream.write(&[7; 1024]).ok()).sum();
            wire.kernel.refusal = Some(kind);
            registration.would_block(Interest::WRITABLE);
            registration.want(Interest::WRITABLE);
            sent
        });
        assert_eq!(tellings.get().reregister, 1);
        let mut now = reactor.now();
        for tries in 1..4 {
            assert_eq!(serve(&mut reactor), []);
            assert!(reactor.is_idle(), "it does not spin");
            let wait = reactor.poll_timeout().unwrap();
            assert!(wait >= Duration::from_millis(5), "{wait:?}");
            assert_eq!(tellings.get().reregister, tries);
            if tries == 3 {
                reactor.visit(key, |wire, _| wire.kernel.refusal = None);
            }
            now += wait + Duration::from_millis(1);
            reactor.set_now(now);
            reactor.advance();
            assert_eq!(reactor.next_elapsed(), None);
        }
        assert_eq!(tellings.get().reregister, 4);
        assert_eq!(serve(&mut reactor), []);
        assert_eq!(reactor.poll_timeout(), None);
        peer.read_exact(&mut vec![0; sent.unwrap()]).unwrap();
        assert_eq!(poll(&mut reactor), 1);
        assert_eq!(serve(&mut reactor), [Report::Space]);
    }
}

/// Inserts a source that is known to be writable, as an accepted socket is.
fn insert_writable(reactor: &mut Reactor<Wire<UnixStream>>, wire: Wire<UnixStream>) -> Key {
    let inserted = reactor.insert_ready(wire, Interest::READABLE, Readiness::WRITABLE);
    inserted.map_err(|(error, _)| error).unwrap()
}

#[test]
fn a_reading_peer_wakes_no_source_without_write_interest() {
    let (wire, mut peer) = stream_pair();
    let tellings = Rc::clone(&wire.kernel.tellings);
    let mut reactor = Reactor::new(16).unwrap();
    let key = insert_writable(&mut reactor, wire);
    assert_eq!(poll(&mut reactor), 0, "writability is known already");
    for _ in 0..3 {
        reactor.visit(key, |wire, _| wire.kernel.source.write_all(b"abc").unwrap());
        peer.read_exact(&mut [0; 3]).unwrap();
        assert_eq!(poll(&mut reactor), 0);
    }
    let readiness = reactor.visit(key, |_, registration| registration.readiness());
    assert_eq!(readiness, Some(Readiness::WRITABLE));
    assert_eq!(tellings.get().reregister, 0);
}

// With poll(2) a short write proves nothing.
#[cfg(not(mio_unsupported_force_poll_poll))]
#[test]
fn a_source_that_meets_a_full_buffer_hears_of_space_later() {
    let meetings: [fn(&mut Registration<'_>); 2] = [
        |registration| registration.would_block(Interest::WRITABLE),
        |registration| registration.fell_short(Interest::WRITABLE),
    ];
    for meet in meetings {
        let (wire, mut peer) = stream_pair();
        let tellings = Rc::clone(&wire.kernel.tellings);
        let mut reactor = Reactor::new(16).unwrap();
        let key = insert_writable(&mut reactor, wire);
        for _ in 0..3 {
            let sent = reactor.visit(key, |wire, registration| {
                let stream = &mut wire.kernel.source;
                let sent = std::iter::from_fn(|| stream.write(&[7; 1024]).ok());
                let sent: usize = sent.sum();
                meet(registration);
                registration.want(Interest::WRITABLE);
                sent
            });
            assert_eq!(poll(&mut reactor), 0, "the buffer is full");
            assert!(reactor.is_idle());
            peer.read_exact(&mut vec![0; sent.unwrap()]).unwrap();
            assert_eq!(poll(&mut reactor), 1);
            assert_eq!(serve(&mut reactor), [Report::Space]);
        }
        assert_eq!(tellings.get().reregister, 1, "asked for once");
    }
}

#[test]
fn space_freed_before_the_request_is_reported() {
    let (wire, mut peer) = stream_pair();
    let mut reactor = Reactor::new(16).unwrap();
    let key = insert_writable(&mut reactor, wire);
    reactor.visit(key, |wire, registration| {
        let stream = &mut wire.kernel.source;
        let sent: usize = std::iter::from_fn(|| stream.write(&[7; 1024]).ok()).sum();
        registration.would_block(Interest::WRITABLE);
        registration.want(Interest::WRITABLE);
        // The send buffer has space again, which the kernel did not report: no source was registered for writing.
        peer.read_exact(&mut vec![0; sent]).unwrap();
    });
    assert_eq!(poll(&mut reactor), 1);
    assert_eq!(serve(&mut reactor), [Report::Space]);
}

#[test]
fn a_source_that_the_selector_refuses_is_given_back() {
    let (mut wire, _peer) = stream_pair();
    wire.kernel.refusal = Some(ErrorKind::PermissionDenied);
    let mut reactor = Reactor::new(16).unwrap();
    let refused = reactor.insert_ready(wire, Interest::READABLE, Readiness::READABLE);
    let (error, wire) = refused.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert_eq!((reactor.len(), reactor.held()), (0, 0));
    assert!(reactor.is_idle());

    let key = reactor.insert_unregistered(wire, Interest::READABLE);
    assert!(reactor.register(key).is_err());
    reactor.visit(key, |wire, _| wire.kernel.refusal = None);
    assert!(reactor.register(key).is_ok());
    assert_eq!(poll(&mut reactor), 1, "it is there now, and writable");
}

#[test]
fn readiness_is_forgotten_with_the_former_source() {
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
