//! Signals in loops.

mod rows;

use std::cell::{Cell, RefCell};
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use mio::unix::pipe::Receiver;
use signal_hook::low_level::raise;

use super::Reading;
use crate::event_loop::{Budget, EventLoop, LoopContext, RunEnd, Signal, SignalId, Wait};
use crate::net::{Descriptor, Interest};

/// The longest wait for anything before a test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// A signal reaches the loops of all tests of this process, so one test runs at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

type Notes = Vec<String>;

struct Stage {
    event_loop: EventLoop<Notes>,
    notes: Notes,
}

impl Stage {
    fn new() -> Self {
        Self {
            event_loop: EventLoop::new().unwrap(),
            notes: Notes::new(),
        }
    }

    fn watch(&mut self, signal: Signal, name: &'static str) -> SignalId {
        let note = move |cx: &mut LoopContext<'_, Notes>| cx.shared.push(name.to_owned());
        self.event_loop.on_signal(signal, note).unwrap()
    }

    fn watch_once(&mut self, signal: Signal, name: &'static str) -> SignalId {
        let note = move |cx: &mut LoopContext<'_, Notes>| cx.shared.push(name.to_owned());
        self.event_loop.on_signal_once(signal, note).unwrap()
    }

    fn watch_with_panic(&mut self) -> SignalId {
        let panics = |_: &mut LoopContext<'_, Notes>| panic!("a handler");
        self.event_loop.on_signal(Signal::USR1, panics).unwrap()
    }

    /// Raises SIGUSR1, whose first handler panics.
    fn raise_to_panic(&mut self) {
        raise(libc::SIGUSR1).unwrap();
        let turned = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.turn()));
        assert!(turned.is_err());
    }

    /// Makes three turns. A signal that was raised in this thread is in its pipe already.
    fn turn(&mut self) {
        for _ in 0..3 {
            self.event_loop
                .turn(&mut self.notes, Wait::No, Budget::new())
                .unwrap();
        }
    }

    fn raise_ten(&mut self, signal: Signal) {
        for _ in 0..10 {
            raise(signal.number()).unwrap();
            self.turn();
        }
    }

    fn let_the_timer_fall_due(&self) {
        let due = self.event_loop.net.next_deadline().unwrap();
        while Instant::now() < due {
            thread::yield_now();
        }
    }

    fn count(&self, name: &str) -> usize {
        self.notes.iter().filter(|note| *note == name).count()
    }
}

#[test]
fn a_held_handler_keeps_run_going_until_it_is_closed() {
    let _alone = alone();
    let mut stage = Stage::new();
    let id = stage.event_loop.on_signal(Signal::USR1, |cx| {
        cx.shared.push("signal".to_owned());
    });
    let id = id.unwrap();
    stage.event_loop.signal(id).hold();
    assert!(stage.event_loop.signal(id).is_held());
    stage.event_loop.after(Duration::from_millis(1), move |cx| {
        raise(libc::SIGUSR1).unwrap();
        cx.after(Duration::from_millis(1), move |cx| {
            assert!(cx.signal(id).close());
        });
    });
    let end = stage.event_loop.run_for(&mut stage.notes, PATIENCE);
    assert_eq!(end.unwrap(), RunEnd::Finished);
    assert_eq!(stage.count("signal"), 1);
}

// There are more deliveries than one read takes, and the second handler is added after some of them.
#[test]
fn deliveries_before_a_turn_are_told_one_by_one() {
    let _alone = alone();
    let mut stage = Stage::new();
    stage.watch(Signal::USR1, "first");
    for _ in 0..700 {
        raise(libc::SIGUSR1).unwrap();
    }
    stage.watch(Signal::USR1, "second");
    for _ in 0..1000 {
        raise(libc::SIGUSR1).unwrap();
    }
    for _ in 0..20 {
        stage.turn();
    }
    assert_eq!(stage.count("first"), 1700);
    assert_eq!(stage.count("second"), 1000);
    // Both are told of one delivery before either is told of the next.
    assert_eq!(
        stage.notes[700..704],
        ["first", "second", "first", "second"]
    );
}

#[test]
fn a_storm_keeps_to_the_budget_and_starves_no_timer() {
    let _alone = alone();
    let mut stage = Stage::new();
    stage.watch(Signal::USR1, "signal");
    for _ in 0..100 {
        raise(libc::SIGUSR1).unwrap();
    }
    stage
        .event_loop
        .after(Duration::ZERO, |cx| cx.shared.push("timer".to_owned()));
    stage.let_the_timer_fall_due();
    for _ in 0..8 {
        let before = stage.notes.len();
        stage
            .event_loop
            .turn(&mut stage.notes, Wait::No, Budget::new().steps(1))
            .unwrap();
        assert!(stage.notes.len() <= before + 1);
    }
    assert_eq!(stage.count("timer"), 1);
    assert!(stage.count("signal") > 0);
    assert_eq!(stage.event_loop.poll_timeout(), Some(Duration::ZERO));
}

#[test]
fn signals_come_behind_ready_sockets_and_before_timers() {
    use crate::event_loop::{Context, SocketHandler};

    struct Reads;
    impl SocketHandler<Notes> for Reads {
        fn on_data(&mut self, cx: &mut Context<'_, Notes>, _: &[u8]) {
            cx.shared.push("socket".to_owned());
        }
    }

    let _alone = alone();
    let mut stage = Stage::new();
    stage.watch(Signal::USR1, "signal");
    let mut peers = Vec::new();
    for _ in 0..8 {
        let (ours, peer) = UnixStream::pair().unwrap();
        let options = crate::net::SocketOptions::new();
        stage.event_loop.adopt(ours, options, Reads).unwrap();
        peers.push(peer);
    }
    stage.turn();
    // The signal comes first, and so its pipe is the first that the kernel reports.
    raise(libc::SIGUSR1).unwrap();
    for peer in &mut peers {
        peer.write_all(b"x").unwrap();
    }
    stage
        .event_loop
        .after(Duration::ZERO, |cx| cx.shared.push("timer".to_owned()));
    stage.let_the_timer_fall_due();
    let turn = stage
        .event_loop
        .turn(&mut stage.notes, Wait::No, Budget::new());
    assert_eq!(turn.unwrap().calls, 1);
    let mut expected = vec!["socket"; 8];
    expected.extend(["signal", "timer"]);
    assert_eq!(stage.notes, expected);
}

#[test]
fn handlers_close_themselves_and_each_other_in_a_call() {
    let _alone = alone();
    let mut stage = Stage::new();
    let ids: Rc<RefCell<Vec<SignalId>>> = Rc::default();
    for _ in 0..3 {
        let all = Rc::clone(&ids);
        let id = stage.event_loop.on_signal(Signal::USR1, move |cx| {
            cx.shared.push("called".to_owned());
            for id in all.borrow().iter() {
                cx.signal(*id).close();
            }
        });
        ids.borrow_mut().push(id.unwrap());
    }
    // With this handler left, the default action of SIGUSR1 does not end the tests.
    stage.watch(Signal::USR1, "last");
    stage.raise_ten(Signal::USR1);
    assert_eq!((stage.count("called"), stage.count("last")), (1, 10));
}

#[test]
fn a_handler_that_panicked_is_over_and_the_others_go_on() {
    let _alone = alone();
    let mut stage = Stage::new();
    let panics = stage.watch_with_panic();
    stage.watch(Signal::USR1, "other");
    stage.raise_to_panic();
    stage.raise_ten(Signal::USR1);
    assert_eq!(stage.count("other"), 11);
    assert!(!stage.event_loop.signal(panics).close());
}

// Otherwise it would hold the loop, and keep the default action of its signal back, until the next delivery.
#[test]
fn a_handler_that_panicked_is_over_at_once() {
    let _alone = alone();
    let mut stage = Stage::new();
    let panics = stage.watch_with_panic();
    stage.event_loop.signal(panics).hold();
    stage.raise_to_panic();
    stage.turn();
    assert!(!stage.event_loop.is_alive());
    assert_eq!(stage.event_loop.signal(panics).signal(), None);
    assert!(!stage.event_loop.agenda.signals.has_inlet(Signal::USR1));
}

#[test]
fn a_signal_ends_the_wait_of_a_loop_at_rest() {
    let _alone = alone();
    let mut stage = Stage::new();
    let id = stage.event_loop.on_signal(Signal::USR1, |cx| cx.stop());
    stage.event_loop.signal(id.unwrap()).hold();
    // The thread of the loop does not take the signal itself.
    let raiser = thread::spawn(|| raise(libc::SIGUSR1).unwrap());
    let end = stage.event_loop.run_for(&mut stage.notes, PATIENCE);
    assert_eq!(end.unwrap(), RunEnd::Stopped);
    raiser.join().unwrap();
}

#[test]
fn a_dropped_loop_drops_its_handlers_and_watches_no_more() {
    let _alone = alone();
    let mut kept = Stage::new();
    kept.watch(Signal::USR1, "kept");
    let is_dropped = Rc::new(Cell::new(false));
    struct Flag(Rc<Cell<bool>>);
    impl Drop for Flag {
        fn drop(&mut self) {
            self.0.set(true);
        }
    }
    let mut dropped: EventLoop = EventLoop::new().unwrap();
    let flag = Flag(Rc::clone(&is_dropped));
    dropped
        .on_signal(Signal::USR1, move |_| {
            let _flag = &flag;
            panic!("its loop is gone");
        })
        .unwrap();
    drop(dropped);
    assert!(is_dropped.get());
    kept.raise_ten(Signal::USR1);
    assert_eq!(kept.count("kept"), 10);
}

/// Handles one SIGINT, and raises a second one, which has no handler. The next test runs this as its child process.
#[test]
#[ignore = "the next test runs it"]
fn child_that_handles_one() {
    let mut stage = Stage::new();
    stage.watch_once(Signal::INT, "first");
    raise(libc::SIGINT).unwrap();
    stage.turn();
    println!("handled {}", stage.count("first"));
    raise(libc::SIGINT).unwrap();
    println!("it did not end");
}

#[test]
fn behind_the_last_handler_the_default_action_holds() {
    use std::os::unix::process::ExitStatusExt;

    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--nocapture", "--exact"])
        .arg("event_loop::signals::tests::child_that_handles_one")
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&child.stdout);
    assert!(output.contains("handled 1"), "{output}");
    assert!(!output.contains("it did not end"), "{output}");
    assert_eq!(child.status.signal(), Some(libc::SIGINT));
}

/// A pipe whose reads fail, although it is readable: a listening socket with a peer.
fn broken_pipe() -> (Receiver, std::net::TcpStream) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let descriptor = std::os::fd::OwnedFd::from(listener);
    let receiver = Receiver::from(std::process::ChildStdout::from(descriptor));
    receiver.set_nonblocking(true).unwrap();
    (receiver, peer)
}

#[test]
fn a_broken_pipe_does_not_keep_the_loop_awake() {
    let mut stage = Stage::new();
    let (receiver, _peer) = broken_pipe();
    let source = Descriptor(Rc::new(receiver));
    let reading = Reading(Signal::USR1);
    stage
        .event_loop
        .add_source(source, Interest::READABLE, reading)
        .unwrap();
    stage.turn();
    let report = stage
        .event_loop
        .turn(&mut stage.notes, Wait::No, Budget::new())
        .unwrap();
    assert!(!report.more, "{report:?}");
}
