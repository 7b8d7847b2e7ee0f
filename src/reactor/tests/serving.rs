//! The order in which the reactor serves sources, and the number of calls that each source gets.

use std::time::Duration;

use crate::reactor::{Interest, Phase, Reactor, Readiness};

use super::{Call, Log, Probe, in_time, insert_readable, reactor, serve};

/// Returns the names of the probes in `log`, all of whose calls must be reads.
fn readers(log: Log) -> String {
    let name = |(name, call)| {
        assert_eq!(call, Call::Readable);
        name
    };
    log.into_iter().map(name).collect()
}

fn take(reactor: &mut Reactor<Probe>, count: usize) -> Log {
    let mut log = Log::new();
    for _ in 0..count {
        assert!(reactor.next(&mut log).is_some());
    }
    log
}

#[test]
fn a_source_that_stays_ready_is_served_without_an_event() {
    let mut reactor = reactor();
    insert_readable(&mut reactor, Probe::tireless('a'));
    for _ in 0..100 {
        assert_eq!(serve(&mut reactor), [('a', Call::Readable)]);
    }
    assert_eq!(reactor.events(), 0);
}

#[test]
fn a_source_without_an_event_is_served_once_a_phase() {
    let mut reactor = reactor();
    insert_readable(&mut reactor, Probe::new('a', |_, _| false).with_burst(8));
    insert_readable(&mut reactor, Probe::new('b', |_, _| false));
    for _ in 0..3 {
        assert_eq!(readers(serve(&mut reactor)), "ab");
    }
}

#[test]
fn each_source_is_served_once_a_phase() {
    let mut reactor = reactor();
    for name in "abcde".chars() {
        insert_readable(&mut reactor, Probe::tireless(name));
    }
    for _ in 0..50 {
        assert_eq!(readers(serve(&mut reactor)), "abcde");
    }
}

#[test]
fn a_source_ready_during_a_phase_waits_for_the_next() {
    let mut reactor = reactor();
    let late = reactor.insert_unregistered(Probe::quick('b'), Interest::READABLE);
    insert_readable(&mut reactor, Probe::quick('a'));
    reactor.begin(Phase::Serve);
    assert_eq!(readers(take(&mut reactor, 1)), "a");
    reactor.visit(late, |_, registration| {
        registration.assume(Readiness::READABLE);
    });
    assert!(reactor.next(&mut Log::new()).is_none());
    assert_eq!(readers(serve(&mut reactor)), "b");
}

#[test]
fn a_burst_is_honoured_and_bounded() {
    let mut reactor = reactor();
    insert_readable(&mut reactor, Probe::tireless('a').with_burst(3));
    insert_readable(&mut reactor, Probe::tireless('b'));
    for _ in 0..10 {
        assert_eq!(readers(serve(&mut reactor)), "aaab");
    }
}

#[test]
fn a_burst_ends_with_what_there_is() {
    let mut reactor = reactor();
    let mut left = 2;
    let probe = Probe::new('a', move |_, registration| {
        left -= 1;
        if left == 0 {
            registration.would_block(Interest::READABLE);
        }
        true
    });
    insert_readable(&mut reactor, probe.with_burst(64));
    insert_readable(&mut reactor, Probe::quick('b'));
    assert_eq!(readers(serve(&mut reactor)), "aab");
    assert!(reactor.is_idle());
}

#[test]
fn a_call_without_an_event_ends_the_burst() {
    let mut reactor = reactor();
    let mut calls = 0;
    let probe = Probe::new('a', move |_, _| {
        calls += 1;
        calls % 2 == 1
    });
    insert_readable(&mut reactor, probe.with_burst(64));
    insert_readable(&mut reactor, Probe::tireless('b'));
    assert_eq!(readers(serve(&mut reactor)), "aab");
    assert_eq!(
        readers(serve(&mut reactor)),
        "aab",
        "in the next phase again"
    );
}

#[test]
fn a_burst_of_nothing_is_one_of_one() {
    let mut reactor = reactor();
    insert_readable(&mut reactor, Probe::tireless('a').with_burst(0));
    assert_eq!(readers(serve(&mut reactor)), "a");
}

#[test]
fn an_interrupted_burst_goes_on_first_and_stays_bounded() {
    let mut reactor = reactor();
    insert_readable(&mut reactor, Probe::tireless('a').with_burst(3));
    insert_readable(&mut reactor, Probe::tireless('b'));
    reactor.begin(Phase::Serve);
    assert_eq!(readers(take(&mut reactor, 2)), "aa");
    assert!(!reactor.is_idle());
    assert_eq!(
        readers(serve(&mut reactor)),
        "ab",
        "one is left of the three"
    );
    assert_eq!(readers(serve(&mut reactor)), "aaab");
}

#[test]
fn a_burst_ends_when_its_source_pauses_closes_or_goes() {
    for end in ["pause", "close", "remove"] {
        let mut reactor = reactor();
        let key = insert_readable(&mut reactor, Probe::tireless('a').with_burst(3));
        insert_readable(&mut reactor, Probe::quick('b'));
        reactor.begin(Phase::Serve);
        assert_eq!(readers(take(&mut reactor, 1)), "a");
        match end {
            "remove" => drop(reactor.remove(key)),
            _ => drop(reactor.visit(key, |_, registration| match end {
                "pause" => registration.unwant(Interest::READABLE),
                _ => registration.close(),
            })),
        }
        assert_eq!(readers(take(&mut reactor, 1)), "b", "after a {end}");
        assert!(reactor.next(&mut Log::new()).is_none(), "after a {end}");
        assert_eq!(serve(&mut reactor), [], "after a {end}");
    }
}

#[test]
fn an_interrupted_phase_keeps_the_rest_in_order() {
    let mut reactor = reactor();
    for name in "abcde".chars() {
        insert_readable(&mut reactor, Probe::tireless(name));
    }
    reactor.begin(Phase::Serve);
    assert_eq!(readers(take(&mut reactor, 2)), "ab");
    assert_eq!(reactor.remaining(Phase::Serve), 3);
    assert_eq!(
        readers(serve(&mut reactor)),
        "cdeab",
        "those left over come first"
    );
}

#[test]
fn a_source_that_is_woken_ten_times_is_served_once() {
    let mut reactor = reactor();
    let key = reactor.insert_unregistered(Probe::quick('a'), Interest::READABLE);
    for _ in 0..10 {
        reactor.visit(key, |_, registration| {
            registration.assume(Readiness::READABLE);
        });
    }
    assert_eq!(serve(&mut reactor), [('a', Call::Readable)]);
    assert!(reactor.is_idle());
}

#[test]
fn a_source_removed_during_a_phase_is_passed_over() {
    let mut reactor = reactor();
    insert_readable(&mut reactor, Probe::quick('a'));
    let removed = insert_readable(&mut reactor, Probe::quick('b'));
    insert_readable(&mut reactor, Probe::quick('c'));
    reactor.begin(Phase::Serve);
    assert_eq!(readers(take(&mut reactor, 1)), "a");
    assert_eq!(reactor.remove(removed).map(|probe| probe.name), Some('b'));
    assert_eq!(readers(take(&mut reactor, 1)), "c");
    assert!(reactor.next(&mut Log::new()).is_none());
    assert!(reactor.is_idle());
}

#[test]
fn a_reused_slot_does_not_inherit_a_queued_key() {
    let mut reactor = reactor();
    insert_readable(&mut reactor, Probe::quick('a'));
    let removed = insert_readable(&mut reactor, Probe::quick('b'));
    reactor.begin(Phase::Serve);
    assert_eq!(readers(take(&mut reactor, 1)), "a");
    reactor.remove(removed);
    let newcomer = reactor.insert_unregistered(Probe::quick('c'), Interest::READABLE);
    assert_eq!(newcomer.index(), removed.index(), "the slot is reused");
    assert!(reactor.next(&mut Log::new()).is_none());

    reactor.visit(newcomer, |_, registration| {
        registration.assume(Readiness::READABLE);
    });
    assert_eq!(readers(serve(&mut reactor)), "c", "once it is ready itself");
}

#[test]
fn a_dead_key_reaches_no_entry() {
    let mut reactor = reactor();
    let dead = insert_readable(&mut reactor, Probe::quick('a'));
    assert!(reactor.remove(dead).is_some());
    reactor.insert_unregistered(Probe::quick('b'), Interest::READABLE);

    assert!(reactor.get(dead).is_none());
    assert!(reactor.remove(dead).is_none());
    assert!(reactor.visit(dead, |_, _| ()).is_none());
    assert!(reactor.register(dead).is_ok());
    reactor.deregister(dead);
    reactor.release(dead);
    assert!(!reactor.is_held(dead));
    let scope = reactor.begin_callback(dead);
    let mut log = Log::new();
    reactor.end_callback(scope, &mut log);
    assert_eq!(log, []);
    assert_eq!((reactor.len(), reactor.held()), (1, 1));
}

#[test]
fn the_wait_is_nothing_while_anything_is_queued() {
    in_time(|| {
        let mut reactor = reactor();
        let key = reactor.insert_unregistered(Probe::quick('a'), Interest::READABLE);
        assert_eq!(reactor.poll_timeout(), None);

        let now = Some(Duration::ZERO);
        reactor.visit(key, |_, registration| {
            registration.assume(Readiness::READABLE);
        });
        assert_eq!(reactor.poll_timeout(), now, "to be served");
        reactor.poll(None).unwrap();
        serve(&mut reactor);
        assert_eq!(reactor.poll_timeout(), None);

        reactor.visit(key, |_, registration| registration.flush_soon());
        assert_eq!(reactor.poll_timeout(), now, "to be flushed");
        super::flush(&mut reactor);
        assert_eq!(reactor.poll_timeout(), None);

        reactor.visit(key, |_, registration| registration.close());
        assert_eq!(reactor.poll_timeout(), now, "to be closed");
        assert_eq!(super::closing(&mut reactor), [key]);
        assert_eq!(reactor.poll_timeout(), None);
    });
}
