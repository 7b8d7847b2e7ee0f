//! The ways in which a source leaves the reactor, and the count of held sources.

use std::time::Duration;

use crate::reactor::{Interest, Phase, Readiness};

use super::{Call, Probe, closing, flush, insert_readable, insert_ready, reactor, serve};

#[test]
fn closing_twice_is_closing_once() {
    let mut reactor = reactor();
    let probe = Probe::new('a', |_, registration| {
        registration.close();
        registration.close();
        true
    });
    let key = insert_readable(&mut reactor, probe);
    assert_eq!(serve(&mut reactor), [('a', Call::Readable)]);
    for _ in 0..3 {
        let was_closing = reactor.visit(key, |_, registration| {
            registration.close();
            registration.is_closing()
        });
        assert_eq!(was_closing, Some(true));
    }
    assert_eq!(reactor.waiting(Phase::Close), 1);
    assert_eq!(closing(&mut reactor), [key]);
    reactor.visit(key, |_, registration| registration.close());
    assert_eq!(reactor.waiting(Phase::Close), 0);
    assert_eq!(closing(&mut reactor), []);
}

#[test]
fn sources_close_in_the_order_in_which_they_asked() {
    let mut reactor = reactor();
    let keys = ['a', 'b', 'c']
        .map(|name| reactor.insert_unregistered(Probe::quick(name), Interest::empty()));
    let order = [keys[2], keys[0], keys[1]];
    for key in order {
        reactor.visit(key, |_, registration| registration.close());
    }
    assert_eq!(closing(&mut reactor), order);
}

#[test]
fn a_closing_source_answers_and_is_not_served() {
    let mut reactor = reactor();
    let both = Interest::READABLE | Interest::WRITABLE;
    let ready = Readiness::READABLE | Readiness::WRITABLE;
    let key = insert_ready(&mut reactor, Probe::tireless('a'), both, ready);
    reactor.visit(key, |_, registration| {
        registration.flush_soon();
        registration.wake_at(registration.tick_after(Duration::from_millis(1)));
        registration.close();
    });
    for phase in ["before the close phase", "after it"] {
        reactor.visit(key, |_, registration| {
            registration.assume(Readiness::ERROR);
            registration.flush_soon();
        });
        assert_eq!(serve(&mut reactor), [], "{phase}");
        assert_eq!(flush(&mut reactor), [], "{phase}");
        reactor.set_now(reactor.now() + Duration::from_millis(5));
        reactor.advance();
        assert!(reactor.next_elapsed().is_none(), "{phase}");
        assert_eq!(reactor.get(key).map(|probe| probe.name), Some('a'));
        closing(&mut reactor);
    }
    assert_eq!(reactor.remove(key).map(|probe| probe.name), Some('a'));
    assert!(reactor.get(key).is_none());
}

#[test]
fn a_source_removed_before_the_close_phase_is_not_in_it() {
    let mut reactor = reactor();
    let removed = reactor.insert_unregistered(Probe::quick('a'), Interest::empty());
    let closed = reactor.insert_unregistered(Probe::quick('b'), Interest::empty());
    for key in [removed, closed] {
        reactor.visit(key, |_, registration| registration.close());
    }
    reactor.remove(removed);
    let newcomer = reactor.insert_unregistered(Probe::quick('c'), Interest::empty());
    assert_eq!(newcomer.index(), removed.index(), "the slot is reused");
    assert_eq!(closing(&mut reactor), [closed]);
}

#[test]
fn a_source_closed_during_the_phase_waits_for_the_next() {
    let mut reactor = reactor();
    let first = reactor.insert_unregistered(Probe::quick('a'), Interest::empty());
    let second = reactor.insert_unregistered(Probe::quick('b'), Interest::empty());
    reactor.visit(first, |_, registration| registration.close());
    reactor.begin(Phase::Close);
    assert_eq!(reactor.next_closing(), Some(first));
    reactor.visit(second, |_, registration| registration.close());
    assert_eq!(reactor.next_closing(), None);
    assert_eq!(closing(&mut reactor), [second]);
}

#[test]
fn held_sources_are_counted_once_each() {
    let mut reactor = reactor();
    let first = reactor.insert_unregistered(Probe::quick('a'), Interest::empty());
    let second = insert_readable(&mut reactor, Probe::quick('b'));
    assert_eq!(reactor.held(), 2, "a source is held from the start");
    for _ in 0..3 {
        reactor.release(first);
        assert_eq!((reactor.held(), reactor.is_held(first)), (1, false));
    }
    for _ in 0..3 {
        reactor.hold(first);
        assert_eq!((reactor.held(), reactor.is_held(first)), (2, true));
    }
    reactor.release(first);
    reactor.remove(first);
    assert_eq!(
        reactor.held(),
        1,
        "one that was not held takes nothing away"
    );
    reactor.remove(second);
    assert_eq!(reactor.held(), 0);
    assert!(reactor.is_empty());
}

#[test]
fn all_sources_can_be_gone_through_with_their_keys() {
    let mut reactor = reactor();
    let keys = ['a', 'b', 'c']
        .map(|name| reactor.insert_unregistered(Probe::quick(name), Interest::empty()));
    reactor.remove(keys[1]);
    let mut sources: Vec<_> = reactor
        .iter()
        .map(|(key, probe)| (key, probe.name))
        .collect();
    sources.sort_unstable();
    assert_eq!(sources, [(keys[0], 'a'), (keys[2], 'c')]);
    assert_eq!(reactor.len(), 2);
}
