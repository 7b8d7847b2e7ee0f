//! The ends of a source: closed, detached, panicked, or dropped with its loop. Each deregisters the object before it is
//! dropped or given back, and none leaves its id alive (I2, I4, I12).

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

use mio::event;
use mio::{Interest as MioInterest, Registry, Token};
use netloop::{Descriptor, EventLoop, Interest, Wait};

use super::{Datagrams, Notes, Stage, Watch, pair, receive_one};
use crate::panics::OWN_FAULT;

/// The registrations, deregistrations and drops of a source.
#[derive(Clone, Default)]
struct Life {
    registered: Rc<Cell<usize>>,
    deregistered: Rc<Cell<usize>>,
    dropped: Rc<Cell<usize>>,
}

impl Life {
    fn counts(&self) -> [usize; 3] {
        [
            self.registered.get(),
            self.deregistered.get(),
            self.dropped.get(),
        ]
    }
}

fn count(counter: &Cell<usize>) {
    counter.set(counter.get() + 1);
}

/// A source that counts, and that must be deregistered when it is dropped.
struct Counted {
    inner: Datagrams,
    life: Life,
}

impl event::Source for Counted {
    fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        interest: MioInterest,
    ) -> std::io::Result<()> {
        count(&self.life.registered);
        self.inner.register(registry, token, interest)
    }
    fn reregister(
        &mut self,
        registry: &Registry,
        token: Token,
        interest: MioInterest,
    ) -> std::io::Result<()> {
        self.inner.reregister(registry, token, interest)
    }
    fn deregister(&mut self, registry: &Registry) -> std::io::Result<()> {
        count(&self.life.deregistered);
        self.inner.deregister(registry)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        count(&self.life.dropped);
        let [registered, deregistered, _] = self.life.counts();
        assert_eq!(registered, deregistered, "dropped while it is registered");
    }
}

fn counted() -> (Counted, Life, std::os::unix::net::UnixDatagram) {
    let (inner, peer) = pair();
    let life = Life::default();
    let source = Counted {
        inner,
        life: life.clone(),
    };
    (source, life, peer)
}

// Both can join the loop again at once.
#[test]
fn on_close_gives_the_source_and_its_handler_back() {
    let mut stage = Stage::new();
    let (source, peer) = pair();
    let again: Rc<Cell<Option<netloop::SourceId>>> = Rc::default();
    let added = Rc::clone(&again);
    let handler = Watch::new("first")
        .on_readable(|cx: &mut netloop::SourceContext<'_, Datagrams, _>| cx.close())
        .on_close(move |cx, source| {
            let second = Watch::new("second").on_readable(receive_one);
            added.set(cx.add_source(source, Interest::READABLE, second).ok());
        });
    let id = stage.add(source, Interest::READABLE, handler);
    peer.send(b"left over").unwrap();
    stage.drive_to("left over");
    assert_eq!(
        stage.notes[..4],
        [
            "first readable",
            "first close",
            "second readable",
            "left over"
        ]
    );
    assert_ne!(again.get(), Some(id));
    assert!(stage.event_loop.source(id).is_closed());
}

#[test]
fn a_closed_source_is_deregistered_before_it_is_dropped() {
    let mut stage = Stage::new();
    let (source, life, peer) = counted();
    let handler = Watch::new("a").on_readable(|cx| {
        cx.close();
        cx.close();
    });
    let id = stage.add(source, Interest::READABLE, handler);
    peer.send(b"x").unwrap();
    stage.run_to_its_end();
    assert_eq!(life.counts(), [1, 1, 1]);
    assert_eq!(stage.notes, ["a readable", "a close"]);
    assert!(stage.event_loop.source(id).is_closed());
}

#[test]
fn a_source_closed_by_the_host_is_told_once_and_not_read() {
    let mut stage = Stage::new();
    let (source, life, peer) = counted();
    let id = stage.add(source, Interest::READABLE, Watch::new("a"));
    peer.send(b"x").unwrap();
    stage.event_loop.source(id).close();
    assert!(stage.event_loop.source(id).is_closed());
    let turn = stage.turn();
    assert_eq!((turn.events, turn.closed), (0, 1));
    stage.settle();
    assert_eq!(stage.notes, ["a close"]);
    assert_eq!(life.counts(), [1, 1, 1]);
}

#[test]
fn a_detached_source_comes_back_with_its_handler_at_once() {
    let mut stage = Stage::new();
    let (source, life, peer) = counted();
    let handler = Watch::new("kept");
    let id = stage.add(source, Interest::READABLE, handler);
    peer.send(b"x").unwrap();
    // Before the first turn as well as later, and in no other type than its own.
    assert!(
        stage
            .event_loop
            .detach_source::<Watch<Datagrams>>(id)
            .is_none()
    );
    let detached = stage.event_loop.detach_source::<Watch<Counted>>(id);
    let (handler, source) = detached.unwrap();
    assert_eq!(life.counts(), [1, 1, 0]);
    assert!(
        stage
            .event_loop
            .detach_source::<Watch<Counted>>(id)
            .is_none()
    );
    assert!(!stage.event_loop.is_alive());
    stage.settle();
    assert!(stage.notes.is_empty());
    let mut buffer = [0; 8];
    assert_eq!(source.inner.0.recv(&mut buffer).unwrap(), 1);

    let id = stage.add(source, Interest::READABLE, handler);
    peer.send(b"y").unwrap();
    stage
        .event_loop
        .source(id)
        .after(Duration::from_secs(3600), 1);
    stage.drive_to("kept readable");
    // One that is about to close can still be detached, and is told nothing.
    stage.event_loop.source(id).close();
    assert!(
        stage
            .event_loop
            .detach_source::<Watch<Counted>>(id)
            .is_some()
    );
    stage.settle();
    assert_eq!(stage.notes, ["kept readable"]);
    assert_eq!(stage.event_loop.next_deadline(), None);
}

// A duplicate keeps the kernel's entry alive, so a source that is only closed would go on to wake the loop.
#[cfg(all(target_os = "linux", not(mio_unsupported_force_poll_poll)))]
#[test]
fn a_duplicate_of_a_closed_source_wakes_the_loop_no_more() {
    for is_detached in [false, true] {
        let mut stage = Stage::new();
        let (source, peer) = pair();
        let duplicate = source.0.try_clone().unwrap();
        let id = stage.add(source, Interest::READABLE, Watch::new("a"));
        stage.settle();
        if is_detached {
            let detached = stage.event_loop.detach_source::<Watch<Datagrams>>(id);
            assert!(detached.is_some());
        } else {
            stage.event_loop.source(id).close();
            stage.run_to_its_end();
        }
        peer.send(b"x").unwrap();
        assert!(!super::has_report(&stage.event_loop));
        assert_eq!(duplicate.recv(&mut [0; 8]).unwrap(), 1);
    }
}

// I12. The host may still wait on a duplicate of the loop's descriptor.
#[cfg(all(target_os = "linux", not(mio_unsupported_force_poll_poll)))]
#[test]
fn dropping_the_loop_deregisters_and_drops_its_sources() {
    use rustix::event::epoll;
    use std::os::fd::AsFd;

    let mut stage = Stage::new();
    let (source, life, peer) = counted();
    let duplicate = source.inner.0.try_clone().unwrap();
    stage.add(source, Interest::READABLE, Watch::new("a"));
    stage.settle();
    let (fresh, fresh_life, _fresh_peer) = counted();
    stage.add(fresh, Interest::READABLE, Watch::new("fresh"));
    let host = stage.event_loop.as_fd().try_clone_to_owned().unwrap();

    drop(stage.event_loop);
    assert_eq!(life.counts(), [1, 1, 1]);
    assert_eq!(fresh_life.counts(), [1, 1, 1]);
    assert!(stage.notes.is_empty());
    peer.send(b"x").unwrap();
    let mut events: Vec<epoll::Event> = Vec::with_capacity(4);
    let no_wait = rustix::event::Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let count = epoll::wait(
        &host,
        rustix::buffer::spare_capacity(&mut events),
        Some(&no_wait),
    );
    assert_eq!(count.unwrap(), 0);
    drop(duplicate);
}

// calloop invalid_token, reuse
#[test]
fn a_dead_id_reaches_no_source() {
    let mut stage = Stage::new();
    let (source, _peer) = pair();
    let dead = stage.add(source, Interest::READABLE, Watch::new("dead"));
    stage.event_loop.source(dead).close();
    stage.run_to_its_end();
    let (source, peer) = pair();
    let alive = stage.add(
        source,
        Interest::READABLE,
        Watch::new("alive").on_readable(receive_one),
    );
    assert_ne!(dead, alive);
    let mut view = stage.event_loop.source(dead);
    view.unwant(Interest::READABLE);
    view.want(Interest::WRITABLE);
    view.release();
    view.after(Duration::ZERO, 1);
    assert!(!view.cancel(1));
    view.close();
    assert_eq!(view.id(), dead);
    assert!(view.is_closed() && !view.is_held());
    assert_eq!(view.interest(), Interest::empty());
    peer.send(b"through").unwrap();
    stage.drive_to("through");
    assert!(stage.event_loop.is_alive());
    assert_eq!(stage.count("alive writable"), 0);
}

fn turn_to_panic(stage: &mut Stage) {
    let caught = catch_unwind(AssertUnwindSafe(|| stage.turn_within_a_second()));
    let payload = caught.expect_err("the handler panics");
    assert_eq!(payload.downcast_ref(), Some(&OWN_FAULT));
}

impl Stage {
    fn turn_within_a_second(&mut self) {
        self.turn_within(Wait::For(Duration::from_secs(1)), netloop::Budget::new());
    }
}

// D3: in the next turn, as a socket.
#[test]
fn a_panic_closes_its_own_source_and_no_other() {
    for place in ["readable", "writable", "timer"] {
        let mut stage = Stage::new();
        let (bystander, bystander_peer) = pair();
        let handler = Watch::new("bystander").on_readable(receive_one);
        stage.add(bystander, Interest::READABLE, handler);
        stage.settle();

        let (source, life, peer) = counted();
        let mut handler = Watch::new("a");
        let mut interest = Interest::READABLE;
        match place {
            "readable" => handler = handler.on_readable(|_| std::panic::panic_any(OWN_FAULT)),
            "writable" => {
                handler = handler.on_writable(|_| std::panic::panic_any(OWN_FAULT));
                interest = Interest::WRITABLE;
            }
            _ => handler = handler.on_timer(|_, _| std::panic::panic_any(OWN_FAULT)),
        }
        let id = stage.add(source, interest, handler);
        match place {
            "readable" => assert_eq!(peer.send(b"x").unwrap(), 1),
            "timer" => stage.event_loop.source(id).after(Duration::ZERO, 7),
            _ => {}
        }
        turn_to_panic(&mut stage);
        assert!(stage.event_loop.is_alive());
        bystander_peer.send(b"still here").unwrap();
        stage.drive_to("a close");
        stage.drive_to("still here");
        assert_eq!(life.counts(), [1, 1, 1], "after a panic in {place}");
        assert!(stage.event_loop.source(id).is_closed());
    }
}

#[test]
fn a_panic_in_on_close_is_the_end_of_the_source() {
    let mut stage = Stage::new();
    let (source, life, _peer) = counted();
    let handler = Watch::new("a").on_close(|_, _| std::panic::panic_any(OWN_FAULT));
    let id = stage.add(source, Interest::READABLE, handler);
    stage.event_loop.source(id).close();
    turn_to_panic(&mut stage);
    stage.run_to_its_end();
    assert_eq!(stage.notes, ["a close"]);
    assert_eq!(life.counts(), [1, 1, 1]);
}

// One descriptor, one registration. The first source stays as it is.
#[test]
fn a_descriptor_that_is_in_the_loop_already_is_refused() {
    let mut stage = Stage::new();
    let (source, peer) = pair();
    let shared = Rc::new(source.0);
    let first = stage.add(
        Descriptor(Rc::clone(&shared)),
        Interest::READABLE,
        Watch::new("first"),
    );
    let second = || Descriptor(Rc::clone(&shared));
    let refused = stage
        .event_loop
        .add_source(second(), Interest::READABLE, Watch::new("second"));
    let error = refused.unwrap_err();
    assert_eq!(error.code(), "EEXIST");
    assert_eq!(error.syscall(), Some(netloop::Syscall::Register));
    assert!(format!("{error:#}").contains("has this very descriptor already"));

    peer.send(b"x").unwrap();
    stage.drive_to("first readable");
    stage.event_loop.source(first).close();
    stage.drive_to("first close");
    stage.add(second(), Interest::READABLE, Watch::new("second"));
    stage.drive_to("second readable");
    assert_eq!(stage.count("second close"), 0);
}

// poll_bad_fdtype; calloop insert_bad_source: nothing is left of the source.
#[cfg(all(target_os = "linux", not(mio_unsupported_force_poll_poll)))]
#[test]
fn a_file_that_the_kernel_cannot_poll_is_refused() {
    let mut event_loop: EventLoop<Notes> = EventLoop::new().unwrap();
    for path in ["Cargo.toml", "src"] {
        let file = std::fs::File::open(path).unwrap();
        let refused =
            event_loop.add_source(Descriptor(file), Interest::READABLE, Watch::new("file"));
        let error = refused.unwrap_err();
        assert_eq!(error.code(), "EPERM");
        assert!(format!("{error:#}").contains("regular file or a directory"));
    }
    assert!(!event_loop.is_alive());
    assert!(format!("{event_loop:?}").contains("sources: 0"));
}

// D3, where the loop catches panics.
#[test]
fn a_caught_panic_closes_its_own_source() {
    for place in ["readable", "writable", "timer", "close"] {
        let mut stage = Stage::new();
        let policy = netloop::PanicPolicy::Close;
        let options = netloop::EventLoopOptions::new().panic_policy(policy);
        stage.event_loop = EventLoop::with_options(options).unwrap();
        stage.event_loop.on_panic(|cx, panic| {
            let is_of_source = matches!(panic.owner(), netloop::CallbackOwner::Source { .. });
            cx.shared.push(format!("panic {is_of_source}"));
        });
        let (source, life, peer) = counted();
        let mut handler = Watch::new("a");
        let mut interest = Interest::READABLE;
        match place {
            "readable" => handler = handler.on_readable(|_| std::panic::panic_any(OWN_FAULT)),
            "writable" => {
                handler = handler.on_writable(|_| std::panic::panic_any(OWN_FAULT));
                interest = Interest::WRITABLE;
            }
            "timer" => handler = handler.on_timer(|_, _| std::panic::panic_any(OWN_FAULT)),
            _ => handler = handler.on_close(|_, _| std::panic::panic_any(OWN_FAULT)),
        }
        let id = stage.add(source, interest, handler);
        match place {
            "readable" => assert_eq!(peer.send(b"x").unwrap(), 1),
            "timer" => stage.event_loop.source(id).after(Duration::ZERO, 7),
            "close" => stage.event_loop.source(id).close(),
            _ => {}
        }
        stage.drive_to("a close");
        stage.settle();
        let told = "panic true".to_owned();
        assert!(stage.notes.contains(&told), "{place}: {:?}", stage.notes);
        assert_eq!(life.counts(), [1, 1, 1], "{place}");
        assert!(stage.event_loop.source(id).is_closed());
    }
}
