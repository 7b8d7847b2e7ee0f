//! Sources of the program (libuv's `uv_poll_t`): called while ready, without a system call for their interest, and
//! given back at the end. Rules: I1, I4, I7, I9, I10.

mod datagrams;
#[cfg(target_os = "linux")]
mod descriptors;
mod drops;
mod ending;
mod fairness;
mod interest;
#[cfg(not(mio_unsupported_force_poll_poll))]
mod nesting;
mod rows;
mod stage;

use std::time::{Duration, Instant};

use netloop::{Budget, Interest, SourceContext, Wait};

#[cfg(all(target_os = "linux", not(mio_unsupported_force_poll_poll)))]
use stage::has_report;
use stage::{Datagrams, Notes, Stage, Watch, pair, receive_one, udp};

use crate::support::PATIENCE;

// Reliability B1: the kernel tells of three datagrams once.
#[test]
fn a_source_is_called_until_a_call_would_block() {
    let mut stage = Stage::new();
    let (source, peer) = pair();
    let handler = Watch::new("a").on_readable(receive_one);
    stage.add(source, Interest::READABLE, handler);
    for word in ["one", "two", "three"] {
        peer.send(word.as_bytes()).unwrap();
    }
    stage.drive_to("would block");
    let expected = [
        "a readable",
        "one",
        "a readable",
        "two",
        "a readable",
        "three",
        "a readable",
        "would block",
    ];
    assert_eq!(stage.notes, expected);

    stage.settle();
    assert_eq!(stage.notes.len(), expected.len());
    peer.send(b"four").unwrap();
    stage.drive_to("four");
}

// poll_duplex: an event that is ignored is delivered again, although the kernel tells an edge only once.
#[test]
fn a_handler_that_does_nothing_is_called_again() {
    let mut stage = Stage::new();
    let (source, peer) = pair();
    let mut ignored = 0;
    let handler = Watch::new("a").on_readable(move |cx| {
        ignored += 1;
        if ignored > 100 {
            receive_one(cx);
        }
    });
    stage.add(source, Interest::READABLE, handler);
    peer.send(b"patience").unwrap();
    stage.drive_to("would block");
    assert_eq!(stage.count("a readable"), 102);
}

// I1
#[test]
fn no_callback_comes_within_a_call() {
    let mut stage = Stage::new();
    let (source, peer) = pair();
    peer.send(b"early").unwrap();
    let handler = Watch::new("a").on_readable(|cx| {
        let before = cx.shared.len();
        cx.want(Interest::WRITABLE);
        cx.rearm();
        cx.after(Duration::ZERO, 1);
        cx.unwant(Interest::READABLE);
        cx.close();
        assert_eq!(cx.shared.len(), before);
    });
    let id = stage.add(source, Interest::READABLE, handler);
    let mut view = stage.event_loop.source(id);
    view.want(Interest::WRITABLE);
    view.unwant(Interest::WRITABLE);
    view.after(Duration::ZERO, 2);
    assert!(stage.notes.is_empty());
    stage.drive_to("a close");
    assert_eq!(stage.notes, ["a readable", "a close"]);
}

#[test]
fn a_datagram_reaches_the_sockets_in_the_same_turn() {
    use std::io::Read;
    use std::os::unix::net::UnixStream;

    struct Quiet;
    impl netloop::SocketHandler<Notes> for Quiet {
        fn on_data(&mut self, _: &mut netloop::Context<'_, Notes>, _: &[u8]) {}
    }

    let mut stage = Stage::new();
    let (ours, mut member) = UnixStream::pair().unwrap();
    member.set_nonblocking(true).unwrap();
    let options = netloop::SocketOptions::new();
    let id = stage.event_loop.adopt(ours, options, Quiet).unwrap();
    let (source, peer) = pair();
    let handler =
        Watch::new("feed").on_readable(move |cx: &mut SourceContext<'_, Datagrams, _>| {
            let mut buffer = [0; 64];
            let received = cx.try_io(Interest::READABLE, |source| source.0.recv(&mut buffer));
            if let Ok(length) = received {
                cx.sockets.socket(id).write(&buffer[..length]).ignore();
            }
        });
    stage.add(source, Interest::READABLE, handler);
    stage.settle();
    peer.send(b"news").unwrap();
    assert_eq!(stage.turn().events, 2);
    let mut buffer = [0; 8];
    assert_eq!(member.read(&mut buffer).unwrap(), 4);
    assert_eq!(&buffer[..4], b"news");
}

// udp_ref
#[test]
fn a_released_source_does_not_keep_the_loop() {
    let mut stage = Stage::new();
    let (source, _peer) = pair();
    let id = stage.add(source, Interest::READABLE, Watch::new("a"));
    assert!(stage.event_loop.is_alive() && stage.event_loop.source(id).is_held());
    stage.event_loop.source(id).release();
    stage.event_loop.source(id).release();
    assert!(!stage.event_loop.is_alive() && !stage.event_loop.source(id).is_held());
    stage.run_to_its_end();
    assert!(stage.notes.is_empty());
    stage.event_loop.source(id).hold();
    assert!(stage.event_loop.is_alive());
    stage.event_loop.source(id).release();

    // A close is told all the same (tcp_ref2b).
    stage.event_loop.source(id).close();
    assert!(stage.event_loop.is_alive());
    stage.run_to_its_end();
    assert_eq!(stage.notes, ["a close"]);
}

// The kernel tells of the datagrams once, so what waits must outlast each change.
#[test]
fn a_released_source_is_served_while_the_loop_goes_on() {
    let mut stage = Stage::new();
    let (source, peer) = pair();
    let id = stage.add(
        source,
        Interest::READABLE,
        Watch::new("a").on_readable(receive_one),
    );
    let words = ["one", "two", "three", "four"];
    for word in words {
        peer.send(word.as_bytes()).unwrap();
    }
    let within = Budget::new().steps(1);
    for (number, word) in words.into_iter().enumerate() {
        let mut view = stage.event_loop.source(id);
        match number % 2 {
            0 => view.release(),
            _ => view.hold(),
        }
        let deadline = Instant::now() + PATIENCE;
        while stage.count(word) == 0 {
            assert!(Instant::now() < deadline, "{word} does not come");
            let notes = &mut stage.notes;
            stage.event_loop.turn(notes, Wait::No, within).unwrap();
        }
    }
    stage.drive_to("would block");
}

// The timers of a source are those of a socket: never early, moved by their token, gone with the source.
#[test]
fn the_timers_of_a_source_end_with_it() {
    let mut stage = Stage::new();
    let (source, _peer) = pair();
    let started = Instant::now();
    let handler = Watch::new("a").on_timer(move |cx, token| {
        assert!(started.elapsed() >= Duration::from_millis(2));
        if token == 2 {
            cx.after(Duration::ZERO, 9);
            cx.close();
        }
    });
    let id = stage.add(source, Interest::READABLE, handler);
    let mut view = stage.event_loop.source(id);
    view.after(Duration::from_millis(2), 1);
    view.after(Duration::from_secs(3600), 2);
    view.after(Duration::from_millis(4), 2);
    view.after(Duration::from_millis(3), 3);
    assert!(view.cancel(3) && !view.cancel(3));
    stage.drive_to("a close");
    stage.settle();
    assert_eq!(stage.notes, ["a timer 1", "a timer 2", "a close"]);
    assert_eq!(stage.event_loop.next_deadline(), None);
}

// The rule of the simulation: its loops poll no kernel.
#[cfg(feature = "simulation")]
#[test]
fn a_simulated_loop_refuses_a_source_and_says_why() {
    use netloop::EventLoop;
    use netloop::simulation::{Options, Simulation};

    let mut simulation = Simulation::new(1, Options::new()).unwrap();
    let mut event_loop: EventLoop<Notes> = simulation.event_loop().unwrap();
    let (source, _peer) = pair();
    let refused = event_loop.add_source(source, Interest::READABLE, Watch::new("a"));
    let error = refused.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::Unsupported);
    assert!(error.to_string().contains("simulated"), "{error}");
    assert!(!event_loop.is_alive());
}

// Polls without events and events without cause are the faults that can reach a source.
#[cfg(feature = "simulation")]
#[test]
fn a_source_loses_nothing_to_a_faulty_selector() {
    use netloop::simulation::{Faults, faulty_event_loop};

    for seed in 0..20 {
        let faults = Faults {
            empty_polls: 300,
            spurious_events: 300,
            ..Faults::default()
        };
        let mut stage = Stage {
            event_loop: faulty_event_loop(seed, faults).unwrap(),
            notes: Notes::new(),
        };
        let (source, peer) = pair();
        let handler = Watch::new("a").on_readable(receive_one);
        stage.add(source, Interest::READABLE, handler);
        for number in 0..50 {
            let word = number.to_string();
            peer.send(word.as_bytes()).unwrap();
            stage.drive_to(&word);
            assert_eq!(stage.count(&word), 1);
        }
    }
}
