//! Deadlines on virtual time: rearmed lazily, in order, never early, and not for a removed source.

use std::time::{Duration, Instant};

use crate::reactor::{Elapsed, Interest, Key, Reactor};

use super::{Call, Probe, reactor};

const MILLISECOND: Duration = Duration::from_millis(1);

fn insert(reactor: &mut Reactor<Probe>, name: char) -> Key {
    reactor.insert_unregistered(Probe::tireless(name), Interest::empty())
}

fn wake_after(reactor: &mut Reactor<Probe>, key: Key, duration: Duration) {
    reactor.visit(key, |_, registration| {
        let tick = registration.tick_after(duration);
        registration.wake_at(tick);
    });
}

/// Sets the reactor's time to `now`, and returns the sources and the timers whose deadlines are due.
fn elapse(reactor: &mut Reactor<Probe>, now: Instant) -> Vec<Key> {
    reactor.set_now(now);
    reactor.advance();
    taken(reactor)
}

fn taken(reactor: &mut Reactor<Probe>) -> Vec<Key> {
    let elapsed = std::iter::from_fn(|| reactor.next_due());
    elapsed
        .filter_map(|elapsed| match elapsed {
            Elapsed::Source(key, event) => {
                assert_eq!(event.unwrap_or(Call::Elapsed), Call::Elapsed);
                event.map(|_| key)
            }
            Elapsed::Timer(name) | Elapsed::SourceTimer(name) => Some(name),
            Elapsed::Reclaimed => unreachable!("the tables are small"),
        })
        .collect()
}

#[test]
fn a_deadline_is_never_early_and_at_most_a_millisecond_late() {
    for seed in 0..200 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut reactor = reactor();
        let start = reactor.now() + Duration::from_nanos(random.u64(..5_000_000));
        reactor.set_now(start);
        let duration = Duration::from_nanos(random.u64(..20_000_000));
        let key = insert(&mut reactor, 'a');
        if random.bool() {
            wake_after(&mut reactor, key, duration);
        } else {
            reactor.visit(key, |_, registration| {
                registration.set_deadline(registration.now() + duration);
            });
        }
        let mut now = start;
        loop {
            now += Duration::from_nanos(random.u64(1..700_000));
            let came = !elapse(&mut reactor, now).is_empty();
            let passed = now - start;
            assert!(!came || passed >= duration, "seed {seed}: early");
            assert!(came || passed < duration + MILLISECOND, "seed {seed}: late");
            if came {
                break;
            }
        }
    }
}

#[test]
fn moving_a_deadline_away_does_not_touch_the_wheel() {
    let mut reactor = reactor();
    let start = reactor.now();
    let key = insert(&mut reactor, 'a');
    wake_after(&mut reactor, key, 10 * MILLISECOND);
    let filed = reactor.next_deadline();
    for milliseconds in 10..1_000 {
        wake_after(&mut reactor, key, milliseconds * MILLISECOND);
        assert_eq!(reactor.next_deadline(), filed);
    }
    assert_eq!(elapse(&mut reactor, start + 9 * MILLISECOND), []);
    assert_eq!(elapse(&mut reactor, start + 10 * MILLISECOND), [key]);
    assert_eq!(
        reactor.next_deadline(),
        None,
        "the source compares, and files the next one itself"
    );
}

#[test]
fn moving_a_deadline_nearer_files_it_anew() {
    let mut reactor = reactor();
    let start = reactor.now();
    let key = insert(&mut reactor, 'a');
    wake_after(&mut reactor, key, 100 * MILLISECOND);
    wake_after(&mut reactor, key, 10 * MILLISECOND);
    assert_eq!(reactor.next_deadline(), Some(start + 10 * MILLISECOND));
    assert_eq!(elapse(&mut reactor, start + 10 * MILLISECOND), [key]);
    assert_eq!(
        elapse(&mut reactor, start + 200 * MILLISECOND),
        [],
        "it was moved, not doubled"
    );
}

#[test]
fn a_deadline_nearer_than_one_that_is_due_is_not_lost() {
    let mut reactor = reactor();
    let start = reactor.now();
    let key = insert(&mut reactor, 'a');
    wake_after(&mut reactor, key, 10 * MILLISECOND);
    reactor.set_now(start + 10 * MILLISECOND);
    reactor.advance();
    reactor.visit(key, |_, registration| registration.wake_at(3));
    assert_eq!(reactor.poll_timeout(), Some(Duration::ZERO));
    assert_eq!(elapse(&mut reactor, start + 10 * MILLISECOND), [key]);
}

#[test]
fn an_idle_timeout_is_refiled_only_when_it_falls_due() {
    const IDLE_TICKS: u64 = 50;
    let mut reactor = reactor();
    let start = reactor.now();
    let deadline = std::rc::Rc::new(std::cell::Cell::new(IDLE_TICKS));
    let seen = std::rc::Rc::clone(&deadline);
    let idle = Probe::new('a', move |_, registration| {
        let due = registration.tick() >= seen.get();
        if !due {
            registration.wake_at(seen.get());
        }
        due
    });
    let key = reactor.insert_unregistered(idle, Interest::empty());
    reactor.visit(key, |_, registration| registration.wake_at(IDLE_TICKS));

    for tick in 0..1_000 {
        let now = start + tick * MILLISECOND;
        assert_eq!(elapse(&mut reactor, now), [], "in tick {tick}");
        deadline.set(u64::from(tick) + IDLE_TICKS);
    }
    let last = start + 999 * MILLISECOND;
    assert_eq!(elapse(&mut reactor, last + 49 * MILLISECOND), []);
    assert_eq!(elapse(&mut reactor, last + 50 * MILLISECOND), [key]);
}

#[test]
fn deadlines_come_in_order_and_ties_in_arming_order() {
    let mut reactor = reactor();
    let start = reactor.now();
    let keys = ['a', 'b', 'c', 'd'].map(|name| insert(&mut reactor, name));
    for (key, milliseconds) in keys.into_iter().zip([30, 10, 20, 10]) {
        wake_after(&mut reactor, key, milliseconds * MILLISECOND);
    }
    assert_eq!(
        elapse(&mut reactor, start + 40 * MILLISECOND),
        [keys[1], keys[3], keys[2], keys[0]]
    );
}

#[test]
fn a_deadline_that_is_set_while_they_are_taken_comes_next_time() {
    let mut reactor = reactor();
    let start = reactor.now();
    let restless = Probe::new('a', |_, registration| {
        registration.wake_at(0);
        true
    });
    let key = reactor.insert_unregistered(restless, Interest::empty());
    reactor.visit(key, |_, registration| registration.wake_at(0));
    for _ in 0..3 {
        assert_eq!(elapse(&mut reactor, start), [key]);
        assert_eq!(reactor.poll_timeout(), Some(Duration::ZERO));
    }
}

#[test]
fn the_deadline_of_a_removed_source_never_comes() {
    let mut reactor = reactor();
    let start = reactor.now();
    let keys = ['a', 'b', 'c'].map(|name| insert(&mut reactor, name));
    for key in keys {
        wake_after(&mut reactor, key, 5 * MILLISECOND);
    }
    reactor.remove(keys[0]);
    let newcomer = insert(&mut reactor, 'd');
    assert_eq!(newcomer.index(), keys[0].index(), "the slot is reused");
    reactor.set_now(start + 10 * MILLISECOND);
    reactor.advance();
    reactor.remove(keys[2]);
    assert_eq!(
        taken(&mut reactor),
        [keys[1]],
        "also when it is due already"
    );

    wake_after(&mut reactor, newcomer, MILLISECOND);
    reactor.remove(newcomer);
    assert_eq!(reactor.poll_timeout(), None, "nor does it end a wait");
}

#[test]
fn a_deadline_without_an_event_lets_the_next_one_come() {
    let mut reactor = reactor();
    let start = reactor.now();
    let silent = reactor.insert_unregistered(Probe::new('a', |_, _| false), Interest::empty());
    let other = insert(&mut reactor, 'b');
    wake_after(&mut reactor, silent, MILLISECOND);
    wake_after(&mut reactor, other, 2 * MILLISECOND);
    assert_eq!(elapse(&mut reactor, start + 3 * MILLISECOND), [other]);
}

#[test]
fn an_interest_added_by_a_deadline_is_served() {
    let mut reactor = reactor();
    let start = reactor.now();
    let probe = Probe::new('a', |call, registration| {
        if call == Call::Elapsed {
            registration.want(Interest::READABLE);
            registration.assume(super::Readiness::READABLE);
            registration.flush_soon();
        }
        false
    });
    let key = reactor.insert_unregistered(probe, Interest::empty());
    wake_after(&mut reactor, key, MILLISECOND);
    assert_eq!(elapse(&mut reactor, start + MILLISECOND), []);
    assert_eq!(super::serve(&mut reactor), [('a', Call::Readable)]);
    assert_eq!(super::flush(&mut reactor), [('a', Call::Flush)]);
}

#[test]
fn the_wait_lasts_until_the_next_deadline() {
    let mut reactor = reactor();
    let start = reactor.now();
    assert_eq!(reactor.poll_timeout(), None);
    let key = insert(&mut reactor, 'a');
    wake_after(&mut reactor, key, 40 * MILLISECOND);
    reactor.set_now(start + Duration::from_micros(15_300));
    assert_eq!(
        reactor.poll_timeout(),
        Some(Duration::from_micros(24_700)),
        "counted from the reactor's time"
    );
    reactor.set_now(start + 60 * MILLISECOND);
    assert_eq!(reactor.poll_timeout(), Some(Duration::ZERO));
    reactor.advance();
    assert_eq!(
        reactor.poll_timeout(),
        Some(Duration::ZERO),
        "while it is not taken"
    );
    taken(&mut reactor);
    assert_eq!(reactor.poll_timeout(), None);
}

#[test]
fn timers_of_the_caller_and_deadlines_share_one_order() {
    let mut reactor = reactor();
    let start = reactor.now();
    let key = insert(&mut reactor, 'a');
    let [early, late, never, disarmed] =
        ['1', '2', '3', '4'].map(|name| insert(&mut reactor, name));
    let first = reactor.arm(Some(start + MILLISECOND), early);
    let last = reactor.arm(Some(start + Duration::from_micros(2_001)), late);
    let unreachable = reactor.arm(None, never);
    let withdrawn = reactor.arm(Some(start), disarmed);
    wake_after(&mut reactor, key, 2 * MILLISECOND);

    assert_eq!(reactor.deadline_of(first), Some(start + MILLISECOND));
    assert_eq!(reactor.deadline_of(last), Some(start + 3 * MILLISECOND));
    assert_eq!(reactor.deadline_of(unreachable), None, "it never comes");
    reactor.disarm(withdrawn);
    reactor.disarm(withdrawn);
    assert_eq!(elapse(&mut reactor, start + 2 * MILLISECOND), [early, key]);
    assert_eq!(reactor.deadline_of(first), None, "it has come");
    assert_eq!(elapse(&mut reactor, start + 3 * MILLISECOND), [late]);
    let centuries = Duration::from_secs(400 * 366 * 86_400);
    assert_eq!(elapse(&mut reactor, start + centuries), []);
    assert_eq!(reactor.next_deadline(), None);
}

#[test]
fn time_that_runs_backwards_stands_still() {
    let mut reactor = reactor();
    let later = reactor.now() + 10 * MILLISECOND;
    reactor.set_now(later);
    reactor.set_now(later - 5 * MILLISECOND);
    assert_eq!(reactor.now(), later);
}
