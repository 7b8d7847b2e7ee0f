//! The methods that the reactor calls for each readiness and interest of a source.

use std::time::Duration;

use crate::reactor::{Interest, Phase, Readiness};

use crate::system::{SHORT_READ_EXHAUSTS, SHORT_WRITE_EXHAUSTS};

use super::{Call, Log, Probe, insert_readable, insert_ready, reactor, serve};

#[test]
fn a_source_that_would_block_is_left_alone() {
    let mut reactor = reactor();
    insert_readable(&mut reactor, Probe::quick('a'));
    assert_eq!(serve(&mut reactor), [('a', Call::Readable)]);
    assert!(reactor.is_idle());
    assert_eq!(serve(&mut reactor), []);
}

#[test]
fn writing_comes_before_reading() {
    let both = Interest::READABLE | Interest::WRITABLE;
    let ready = Readiness::READABLE | Readiness::WRITABLE;

    let mut reactor = reactor();
    insert_ready(&mut reactor, Probe::new('a', |_, _| false), both, ready);
    assert_eq!(
        serve(&mut reactor),
        [('a', Call::Writable), ('a', Call::Readable)]
    );
}

#[test]
fn an_event_of_writing_lets_reading_wait_but_does_not_lose_it() {
    let both = Interest::READABLE | Interest::WRITABLE;
    let ready = Readiness::READABLE | Readiness::WRITABLE;
    let mut reactor = reactor();
    insert_ready(&mut reactor, Probe::quick('a'), both, ready);
    assert_eq!(serve(&mut reactor), [('a', Call::Writable)]);
    assert_eq!(serve(&mut reactor), [('a', Call::Readable)]);
    assert!(reactor.is_idle());
}

#[test]
fn a_sources_own_request_is_served_first_and_once() {
    let both = Interest::READABLE | Interest::WRITABLE;
    let ready = Readiness::READABLE | Readiness::WRITABLE;
    let mut reactor = reactor();
    let key = insert_ready(&mut reactor, Probe::quick('a'), both, ready);
    for _ in 0..3 {
        reactor.visit(key, |_, registration| registration.activate());
    }
    reactor.begin(Phase::Serve);
    let mut log = Log::new();
    assert_eq!(reactor.next(&mut log), Some((key, Call::Activated)));
    assert_eq!(reactor.next(&mut log), None);
    assert_eq!(log, []);
    assert_eq!(serve(&mut reactor), [('a', Call::Writable)]);
    assert_eq!(serve(&mut reactor), [('a', Call::Readable)]);
    assert!(reactor.is_idle());
}

#[test]
fn an_activated_source_is_served_without_readiness() {
    let mut reactor = reactor();
    let key = reactor.insert_unregistered(Probe::quick('a'), Interest::empty());
    reactor.visit(key, |_, registration| registration.activate());
    assert_eq!(reactor.poll_timeout(), Some(Duration::ZERO));
    reactor.begin(Phase::Serve);
    assert_eq!(reactor.next(&mut Log::new()), Some((key, Call::Activated)));
    assert!(reactor.is_idle());
}

#[test]
fn an_own_request_without_event_delays_no_readiness() {
    let mut reactor = reactor();
    let key = insert_readable(&mut reactor, Probe::new('a', |_, _| false));
    reactor.visit(key, |_, registration| registration.activate());
    assert_eq!(serve(&mut reactor), [('a', Call::Readable)]);
}

#[test]
fn a_source_that_closes_while_it_writes_is_not_read() {
    let both = Interest::READABLE | Interest::WRITABLE;
    let ready = Readiness::READABLE | Readiness::WRITABLE;
    let mut reactor = reactor();
    let probe = Probe::new('a', |_, registration| {
        registration.close();
        false
    });
    insert_ready(&mut reactor, probe, both, ready);
    assert_eq!(serve(&mut reactor), [('a', Call::Writable)]);
    assert_eq!(serve(&mut reactor), []);
}

#[test]
fn a_source_is_asked_for_what_it_wants_only() {
    let everything = Readiness::READABLE
        | Readiness::WRITABLE
        | Readiness::READ_CLOSED
        | Readiness::WRITE_CLOSED;
    for (interest, expected) in [
        (Interest::empty(), None),
        (Interest::READABLE, Some(('a', Call::Readable))),
        (Interest::WRITABLE, Some(('a', Call::Writable))),
    ] {
        let mut reactor = reactor();
        insert_ready(&mut reactor, Probe::tireless('a'), interest, everything);
        let log = serve(&mut reactor);
        assert_eq!(log.first().copied(), expected, "{interest:?}");
        assert_eq!(log.len(), usize::from(expected.is_some()), "{interest:?}");
    }
}

#[test]
fn the_end_of_a_direction_serves_its_interest() {
    for (interest, end, expected) in [
        (Interest::READABLE, Readiness::READ_CLOSED, Call::Readable),
        (Interest::WRITABLE, Readiness::WRITE_CLOSED, Call::Writable),
    ] {
        let mut reactor = reactor();
        insert_ready(&mut reactor, Probe::tireless('a'), interest, end);
        assert_eq!(serve(&mut reactor), [('a', expected)]);
    }
}

#[test]
fn wanting_what_is_ready_serves_and_unwanting_stops_it() {
    let mut reactor = reactor();
    let key = insert_ready(
        &mut reactor,
        Probe::tireless('a'),
        Interest::empty(),
        Readiness::READABLE,
    );
    for _ in 0..3 {
        assert!(reactor.is_idle());
        assert_eq!(serve(&mut reactor), []);
        reactor.visit(key, |_, registration| registration.want(Interest::READABLE));
        assert!(!reactor.is_idle());
        assert_eq!(serve(&mut reactor), [('a', Call::Readable)]);
        reactor.visit(key, |_, registration| {
            registration.unwant(Interest::READABLE);
        });
        assert_eq!(serve(&mut reactor), [], "what was queued is not served");
    }
}

#[test]
fn an_unread_error_is_reported_once() {
    let mut reactor = reactor();
    let failed = Readiness::ERROR | Readiness::READABLE | Readiness::READ_CLOSED;
    let probe = Probe::tireless('a');
    let key = insert_ready(&mut reactor, probe, Interest::empty(), failed);
    assert_eq!(serve(&mut reactor), [('a', Call::Closed)]);
    assert!(reactor.is_idle());
    assert_eq!(serve(&mut reactor), []);

    reactor.visit(key, |_, registration| {
        registration.assume(Readiness::ERROR);
    });
    assert_eq!(serve(&mut reactor), [('a', Call::Closed)], "another report");
}

#[test]
fn an_error_goes_through_reading_while_that_is_wanted() {
    let mut reactor = reactor();
    let key = insert_ready(
        &mut reactor,
        Probe::tireless('a'),
        Interest::READABLE,
        Readiness::ERROR,
    );
    for _ in 0..3 {
        assert_eq!(serve(&mut reactor), [('a', Call::Readable)]);
    }
    reactor.visit(key, |_, registration| {
        registration.unwant(Interest::READABLE);
    });
    assert_eq!(
        serve(&mut reactor),
        [('a', Call::Closed)],
        "no read will find it now"
    );
    assert!(reactor.is_idle());
}

#[test]
fn a_writer_that_cannot_tell_the_error_is_told_it() {
    let mut reactor = reactor();
    let probe = Probe::new('a', |_, _| false);
    let failed = Readiness::ERROR | Readiness::WRITABLE;
    insert_ready(&mut reactor, probe, Interest::WRITABLE, failed);
    assert_eq!(
        serve(&mut reactor),
        [('a', Call::Writable), ('a', Call::Closed)]
    );
    assert_eq!(
        serve(&mut reactor),
        [('a', Call::Writable)],
        "the error once"
    );
}

#[test]
fn every_readiness_can_be_answered_until_the_loop_rests() {
    for interest in (0..4).map(Interest::from_bits) {
        for readiness in (0..64).map(Readiness::from_bits) {
            let mut reactor = reactor();
            insert_ready(&mut reactor, Probe::quick('a'), interest, readiness);
            for _ in 0..3 {
                serve(&mut reactor);
            }
            assert!(reactor.is_idle(), "{readiness:?} for {interest:?}");
        }
    }
}

#[test]
fn a_short_transfer_drains_unless_more_may_wait() {
    for (direction, ready, ends, exhausts) in [
        (
            Interest::READABLE,
            Readiness::READABLE,
            &[
                Readiness::READ_CLOSED,
                Readiness::ERROR,
                Readiness::PRIORITY,
            ][..],
            SHORT_READ_EXHAUSTS,
        ),
        (
            Interest::WRITABLE,
            Readiness::WRITABLE,
            &[Readiness::WRITE_CLOSED, Readiness::ERROR][..],
            SHORT_WRITE_EXHAUSTS,
        ),
    ] {
        let with_ends = ends.iter().map(|&end| (ready | end, ready | end));
        for (readiness, left) in with_ends.chain([(ready, Readiness::empty())]) {
            let left = if exhausts { left } else { readiness };
            let mut reactor = reactor();
            let probe = Probe::new('a', move |_, registration| {
                registration.fell_short(direction);
                assert_eq!(registration.readiness(), left);
                true
            });
            insert_ready(&mut reactor, probe, direction, readiness);
            assert_eq!(serve(&mut reactor).len(), 1);
            assert_eq!(reactor.is_idle(), left.is_empty(), "{readiness:?}");
        }
    }
}

#[test]
fn a_transfer_in_one_direction_says_nothing_of_the_other() {
    let mut reactor = reactor();
    let ready = Readiness::READABLE | Readiness::WRITABLE;
    let key = insert_ready(&mut reactor, Probe::quick('a'), Interest::empty(), ready);
    reactor.visit(key, |_, registration| {
        registration.would_block(Interest::READABLE);
        assert_eq!(registration.readiness(), Readiness::WRITABLE);
        registration.assume(Readiness::READABLE);
        registration.would_block(Interest::WRITABLE);
        assert_eq!(registration.readiness(), Readiness::READABLE);
    });
}
