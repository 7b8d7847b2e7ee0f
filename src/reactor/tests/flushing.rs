//! Queued output leaves at the right flush point, and only once.

use crate::reactor::{Interest, Key, Phase, Reactor, Readiness};

use super::{Call, Log, Probe, flush, insert_readable, reactor};

fn ask(reactor: &mut Reactor<Probe>, key: Key) {
    reactor.visit(key, |_, registration| registration.flush_soon());
}

#[test]
fn several_wishes_are_one_flush() {
    let mut reactor = reactor();
    let first = reactor.insert_unregistered(Probe::quick('a'), Interest::empty());
    let second = reactor.insert_unregistered(Probe::quick('b'), Interest::empty());
    for key in [first, second, first, first] {
        ask(&mut reactor, key);
    }
    assert_eq!(
        flush(&mut reactor),
        [('a', Call::Flush), ('b', Call::Flush)]
    );
    assert!(reactor.is_idle());
    assert_eq!(flush(&mut reactor), []);
}

#[test]
fn a_wish_during_a_flush_waits_for_the_next_phase() {
    let mut reactor = reactor();
    let probe = Probe::new('a', |_, registration| {
        registration.flush_soon();
        false
    });
    let key = reactor.insert_unregistered(probe, Interest::empty());
    ask(&mut reactor, key);
    for _ in 0..3 {
        assert_eq!(flush(&mut reactor), [('a', Call::Flush)]);
        assert!(!reactor.is_idle());
    }
}

#[test]
fn a_flush_may_ask_for_writability() {
    let mut reactor = reactor();
    let probe = Probe::new('a', |_, registration| {
        registration.want(Interest::WRITABLE);
        registration.assume(Readiness::WRITABLE);
        false
    });
    let key = reactor.insert_unregistered(probe, Interest::empty());
    ask(&mut reactor, key);
    assert_eq!(flush(&mut reactor), [('a', Call::Flush)]);
    assert_eq!(super::serve(&mut reactor), [('a', Call::Writable)]);
}

#[test]
fn own_writes_leave_before_the_next_source_is_served() {
    let mut reactor = reactor();
    let keys = ['a', 'b'].map(|name| insert_readable(&mut reactor, Probe::quick(name)));
    let mut log = Log::new();
    reactor.begin(Phase::Serve);
    while let Some((key, _)) = reactor.next(&mut log) {
        let scope = reactor.begin_callback(key);
        for _ in 0..3 {
            ask(&mut reactor, key);
        }
        reactor.end_callback(scope, &mut log);
    }
    assert_eq!(
        log,
        [
            ('a', Call::Readable),
            ('a', Call::Flush),
            ('b', Call::Readable),
            ('b', Call::Flush),
        ]
    );
    assert!(reactor.is_idle(), "nothing of {keys:?} is left to flush");
}

#[test]
fn writes_to_other_sources_wait_for_the_flush_phase() {
    let mut reactor = reactor();
    let own = insert_readable(&mut reactor, Probe::quick('a'));
    let others =
        ['b', 'c'].map(|name| reactor.insert_unregistered(Probe::quick(name), Interest::READABLE));
    let mut log = Log::new();
    let scope = reactor.begin_callback(own);
    for _ in 0..3 {
        for key in others {
            ask(&mut reactor, key);
        }
    }
    reactor.end_callback(scope, &mut log);
    assert_eq!(log, []);
    assert_eq!(
        flush(&mut reactor),
        [('b', Call::Flush), ('c', Call::Flush)]
    );
}

#[test]
fn a_source_flushed_for_others_flushes_once_in_the_phase() {
    let mut reactor = reactor();
    let key = reactor.insert_unregistered(Probe::quick('a'), Interest::READABLE);
    ask(&mut reactor, key);
    let mut log = Log::new();
    let scope = reactor.begin_callback(key);
    ask(&mut reactor, key);
    reactor.end_callback(scope, &mut log);
    assert_eq!(log, [], "it would only have to flush twice");
    assert_eq!(flush(&mut reactor), [('a', Call::Flush)]);
    assert_eq!(flush(&mut reactor), []);

    ask(&mut reactor, key);
    assert_eq!(
        flush(&mut reactor),
        [('a', Call::Flush)],
        "a new wish counts"
    );
}

#[test]
fn a_callback_that_has_ended_is_in_the_way_of_no_flush() {
    let mut reactor = reactor();
    let key = reactor.insert_unregistered(Probe::quick('a'), Interest::READABLE);
    let mut log = Log::new();
    let scope = reactor.begin_callback(key);
    reactor.end_callback(scope, &mut log);
    assert_eq!(log, [], "nothing was asked for");
    ask(&mut reactor, key);
    assert_eq!(flush(&mut reactor), [('a', Call::Flush)]);
}

#[test]
fn a_dropped_scope_loses_no_flush() {
    let mut reactor = reactor();
    let keys =
        ['a', 'b'].map(|name| reactor.insert_unregistered(Probe::quick(name), Interest::READABLE));
    for key in keys {
        let dropped = reactor.begin_callback(key);
        ask(&mut reactor, key);
        drop(dropped);
        reactor.abandon_callback();
    }
    assert_eq!(
        flush(&mut reactor),
        [('a', Call::Flush), ('b', Call::Flush)]
    );
}

#[test]
fn a_source_that_sends_by_itself_is_settled_if_it_has_changed() {
    for is_unchanged in [true, false] {
        let mut reactor = reactor();
        let key = reactor.insert_unregistered(Probe::quick('a'), Interest::WRITABLE);
        let scope = reactor.begin_callback(key);
        reactor.end_callback_by(scope, |_, registration| {
            if !is_unchanged {
                registration.assume(Readiness::WRITABLE);
                registration.flush_soon();
            }
            is_unchanged
        });
        assert_eq!(reactor.is_idle(), is_unchanged);
    }
}

#[test]
fn a_source_that_goes_during_its_own_event_is_not_flushed() {
    let mut reactor = reactor();
    let mut log = Log::new();
    let removed = reactor.insert_unregistered(Probe::quick('a'), Interest::READABLE);
    let scope = reactor.begin_callback(removed);
    ask(&mut reactor, removed);
    reactor.remove(removed);
    reactor.end_callback(scope, &mut log);

    let closed = reactor.insert_unregistered(Probe::quick('b'), Interest::READABLE);
    ask(&mut reactor, closed);
    let scope = reactor.begin_callback(closed);
    reactor.visit(closed, |_, registration| {
        registration.flush_soon();
        registration.close();
    });
    reactor.end_callback(scope, &mut log);
    assert_eq!(log, []);
    assert_eq!(flush(&mut reactor), []);
}

#[test]
fn an_interrupted_flush_is_not_lost() {
    let mut reactor = reactor();
    let first = reactor.insert_unregistered(Probe::quick('a'), Interest::empty());
    let second = reactor.insert_unregistered(Probe::quick('b'), Interest::empty());
    ask(&mut reactor, first);
    reactor.begin(Phase::Flush);
    ask(&mut reactor, second);
    let mut log = Log::new();
    reactor.flush(&mut log);
    assert_eq!(log, [('a', Call::Flush)]);
    assert_eq!(flush(&mut reactor), [('b', Call::Flush)]);
}
