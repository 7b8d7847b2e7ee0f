//! Tests of the wait in real time: the causes that end a wait, and the events that a wait leaves in the kernel.

use std::io::Write;
use std::os::unix::net::UnixStream as Peer;
use std::time::Duration;

use mio::event::Source;
use mio::net::UnixStream;

use crate::reactor::{Elapsed, Handler, Interest, Phase, Reactor, Registration};

use super::{TOO_LONG, in_time};

/// A source that never reads, and so stays ready.
struct Listening(UnixStream);

impl Handler for Listening {
    type Event = ();
    type Resources<'a> = ();

    fn source(&mut self) -> Option<&mut dyn Source> {
        Some(&mut self.0)
    }

    fn on_readable(&mut self, _: &mut Registration<'_>, _: &mut ()) -> Option<()> {
        Some(())
    }

    fn on_writable(&mut self, _: &mut Registration<'_>, _: &mut ()) -> Option<()> {
        None
    }

    fn on_error(&mut self, _: &mut Registration<'_>, _: &mut ()) -> Option<()> {
        None
    }

    fn on_deadline(&mut self, _: &mut Registration<'_>) -> Option<()> {
        Some(())
    }
}

fn listening() -> (Listening, Peer) {
    let (here, there) = Peer::pair().unwrap();
    here.set_nonblocking(true).unwrap();
    (Listening(UnixStream::from_std(here)), there)
}

#[test]
fn a_wait_ends_at_the_next_deadline_and_not_before() {
    in_time(|| {
        let (source, _peer) = listening();
        let mut reactor = Reactor::new(16).unwrap();
        let key = reactor.insert(source, Interest::READABLE).unwrap();
        let start = reactor.refresh_now();
        let wait = Duration::from_micros(3_300);
        reactor.visit(key, |_, registration| {
            registration.wake_at(registration.tick_after(wait));
        });
        while reactor.next_due().is_none() {
            reactor.poll(None).unwrap();
            reactor.refresh_now();
            reactor.advance();
        }
        assert!(reactor.now() - start >= wait);
    });
}

#[test]
fn a_wait_ends_at_the_callers_deadline_if_that_is_nearer() {
    let (source, _peer) = listening();
    let mut reactor = Reactor::new(16).unwrap();
    let key = reactor.insert(source, Interest::READABLE).unwrap();
    let start = reactor.refresh_now();
    reactor.arm(Some(start + TOO_LONG), key);
    reactor.poll(Some(Duration::from_millis(1))).unwrap();
    assert!(reactor.refresh_now() - start < TOO_LONG);
    reactor.advance();
    assert!(!matches!(reactor.next_due(), Some(Elapsed::Timer(_))));
}

#[test]
fn a_note_of_the_time_lets_nothing_fall_due() {
    in_time(|| {
        let mut reactor = Reactor::<Listening>::new(16).unwrap();
        let key = reactor.insert_unregistered(listening().0, Interest::empty());
        let start = reactor.now();
        reactor.arm(Some(start), key);
        reactor.advance();
        assert!(reactor.next_due().is_some());

        reactor.arm(Some(start + Duration::from_millis(1)), key);
        let ticks = |reactor: &mut Reactor<Listening>| {
            let ticks = |_: &mut _, registration: &mut Registration<'_>| {
                (registration.tick(), registration.latest_tick())
            };
            reactor.visit(key, ticks).unwrap()
        };
        while ticks(&mut reactor) == (0, 0) {
            reactor.note_now();
        }
        assert_eq!(ticks(&mut reactor).0, 0);
        assert_eq!(reactor.now(), start);
        reactor.advance();
        assert!(reactor.next_due().is_none());
        reactor.refresh_now();
        reactor.advance();
        assert!(reactor.next_due().is_some());
    });
}

#[test]
fn a_wake_ends_the_wait_of_now_or_the_next_and_is_no_event() {
    in_time(|| {
        let mut reactor = Reactor::<Listening>::new(16).unwrap();
        let waker = reactor.waker().unwrap();
        waker.handle().wake().unwrap();
        reactor.poll(None).unwrap();
        // The test keeps `waker`, because a wake is lost when the waker is dropped.
        let elsewhere = waker.handle();
        let waking = std::thread::spawn(move || elsewhere.wake());
        reactor.poll(None).unwrap();
        waking.join().unwrap().unwrap();
        assert_eq!(reactor.events(), 0);
        assert!(reactor.is_idle());
    });
}

#[test]
fn all_batches_are_fetched_before_a_source_is_served() {
    in_time(|| {
        let mut reactor = Reactor::new(2).unwrap();
        let mut peers = Vec::new();
        for _ in 0..5 {
            let (source, mut peer) = listening();
            peer.write_all(b"a").unwrap();
            reactor.insert(source, Interest::READABLE).unwrap();
            peers.push(peer);
        }
        reactor.poll(None).unwrap();
        assert_eq!(reactor.events(), 5);
        reactor.begin(Phase::Serve);
        let mut served: Vec<_> = std::iter::from_fn(|| reactor.next(&mut ())).collect();
        served.sort_unstable();
        served.dedup();
        assert_eq!(served.len(), 5, "each of them once");
    });
}

#[test]
fn a_wake_takes_the_place_of_no_news() {
    in_time(|| {
        let mut reactor = Reactor::new(1).unwrap();
        let waker = reactor.waker().unwrap();
        let (source, mut peer) = listening();
        reactor.insert(source, Interest::READABLE).unwrap();
        reactor.poll(Some(Duration::ZERO)).unwrap();
        let before = reactor.events();
        // The wake comes before the data, because the kernel reports the older event first.
        waker.handle().wake().unwrap();
        peer.write_all(b"a").unwrap();
        reactor.poll(None).unwrap();
        assert_eq!(reactor.events(), before + 1);
    });
}

#[cfg(not(mio_unsupported_force_poll_poll))]
#[test]
fn the_descriptor_shows_events_and_the_timeout_the_rest() {
    use mio::unix::SourceFd;
    use mio::{Events, Poll, Token};

    let (source, mut peer) = listening();
    let mut reactor = Reactor::new(16).unwrap();
    reactor.insert(source, Interest::READABLE).unwrap();
    reactor.poll(Some(Duration::ZERO)).unwrap();

    let mut host = Poll::new().unwrap();
    let mut events = Events::with_capacity(4);
    let descriptor = std::os::fd::AsRawFd::as_raw_fd(&reactor.as_fd());
    host.registry()
        .register(
            &mut SourceFd(&descriptor),
            Token(0),
            mio::Interest::READABLE,
        )
        .unwrap();
    host.poll(&mut events, Some(Duration::ZERO)).unwrap();
    assert!(events.is_empty());
    assert_eq!(reactor.poll_timeout(), None);

    peer.write_all(b"a").unwrap();
    host.poll(&mut events, Some(TOO_LONG)).unwrap();
    assert!(!events.is_empty());
    reactor.poll(Some(Duration::ZERO)).unwrap();
    host.poll(&mut events, Some(Duration::ZERO)).unwrap();
    assert!(events.is_empty(), "the byte is unread (F5)");
    assert_eq!(reactor.poll_timeout(), Some(Duration::ZERO));
}

#[test]
fn a_busy_wait_ends_like_any_other() {
    in_time(|| {
        let (source, mut peer) = listening();
        let mut reactor = Reactor::new(16).unwrap();
        let key = reactor.insert(source, Interest::READABLE).unwrap();
        let waker = reactor.waker().unwrap();
        // The first poll takes the event for writability, which the kernel reports once.
        reactor.poll(None).unwrap();
        for busy in [Duration::from_millis(1), TOO_LONG] {
            reactor.busy_poll(busy);
            let start = reactor.refresh_now();
            reactor.poll(Some(Duration::from_millis(5))).unwrap();
            assert!(reactor.refresh_now() - start >= Duration::from_millis(5));
            let wait = Duration::from_millis(5);
            let start = reactor.refresh_now();
            reactor.visit(key, |_, registration| {
                registration.wake_at(registration.tick_after(wait));
            });
            reactor.poll(None).unwrap();
            assert!(reactor.refresh_now() - start >= wait);
            reactor.advance();
            assert_eq!(reactor.next_elapsed().map(|(of, _)| of), Some(key));
            let waking = waker.handle();
            let thread = std::thread::spawn(move || waking.wake().unwrap());
            reactor.poll(None).unwrap();
            thread.join().unwrap();
        }
        // The data comes last, because this source never reads data.
        peer.write_all(b"data").unwrap();
        reactor.poll(None).unwrap();
        reactor.begin(Phase::Serve);
        assert_eq!(reactor.next(&mut ()), Some((key, ())));
    });
}
