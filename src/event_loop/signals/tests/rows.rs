//! The tests of libuv's suite that concern signals, under the names that they have there.

use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;

use signal_hook::low_level::raise;

use crate::event_loop::{Budget, EventLoop, RunEnd, Signal, Wait};
use crate::net::Error;

use super::{PATIENCE, Stage, alone};

#[test]
fn kill_invalid_signum() {
    let _alone = alone();
    let mut event_loop: EventLoop = EventLoop::new().unwrap();
    let numbers = [-1, 0, 4096, libc::SIGKILL, libc::SIGSTOP];
    let numbers = numbers
        .into_iter()
        .chain([libc::SIGSEGV, libc::SIGILL, libc::SIGFPE]);
    for number in numbers {
        let error = event_loop.on_signal(number, |_| ()).unwrap_err();
        assert_eq!(error.code(), Error::INVALID_ARGUMENT, "{number}");
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{number}");
    }
    // All pipes that were made are closed again.
    event_loop.run(&mut ()).unwrap();
    assert_eq!(event_loop.sources.len(), 0);
}

#[test]
fn we_get_signal() {
    let _alone = alone();
    let mut stage = Stage::new();
    let first = stage.watch(Signal::CHLD, "first");
    stage.raise_ten(Signal::CHLD);
    assert_eq!(stage.count("first"), 10);
    assert!(stage.event_loop.signal(first).close());
    stage.raise_ten(Signal::CHLD);
    assert_eq!(stage.count("first"), 10);
    stage.watch(Signal::CHLD, "again");
    stage.raise_ten(Signal::CHLD);
    assert_eq!((stage.count("first"), stage.count("again")), (10, 10));
}

#[test]
fn we_get_signals() {
    let _alone = alone();
    let mut stage = Stage::new();
    for name in ["a", "b"] {
        stage.watch(Signal::USR1, name);
    }
    for name in ["c", "d"] {
        stage.watch(Signal::USR2, name);
    }
    for _ in 0..10 {
        raise(libc::SIGUSR1).unwrap();
        raise(libc::SIGUSR2).unwrap();
        stage.turn();
    }
    for name in ["a", "b", "c", "d"] {
        assert_eq!(stage.count(name), 10, "{name}");
    }
}

#[test]
fn we_get_signal_one_shot() {
    let _alone = alone();
    let mut stage = Stage::new();
    stage.watch_once(Signal::CHLD, "once");
    stage.raise_ten(Signal::CHLD);
    assert_eq!(stage.count("once"), 1);
    stage.raise_ten(Signal::CHLD);
    assert_eq!(stage.count("once"), 1);
    stage.watch_once(Signal::CHLD, "once");
    stage.raise_ten(Signal::CHLD);
    assert_eq!(stage.count("once"), 2);
}

#[test]
fn we_get_signals_mixed() {
    let _alone = alone();
    // Each letter is a handler: one-shot, persistent, or closed before the first signal.
    for mix in ["oop", "poo", "xop", "pxo", "opxpo"] {
        let mut stage = Stage::new();
        for kind in mix.chars() {
            match kind {
                'o' => drop(stage.watch_once(Signal::CHLD, "once")),
                'p' => drop(stage.watch(Signal::CHLD, "each")),
                _ => {
                    let closed = stage.watch(Signal::CHLD, "closed");
                    stage.event_loop.signal(closed).close();
                }
            }
        }
        let count = |kind: char| mix.matches(kind).count();
        stage.raise_ten(Signal::CHLD);
        assert_eq!(stage.count("once"), count('o'), "{mix}");
        assert_eq!(stage.count("each"), 10 * count('p'), "{mix}");
        assert_eq!(stage.count("closed"), 0, "{mix}");
    }
}

#[test]
fn signal_multiple_loops() {
    const LOOPS: usize = 24;
    let _alone = alone();
    let calls: [Arc<AtomicUsize>; 2] = Default::default();
    let is_over = Arc::new(AtomicBool::new(false));
    // While the loops below run, ten threads make and drop other loops.
    let passing: Vec<_> = (0..10)
        .map(|_| {
            let is_over = Arc::clone(&is_over);
            thread::spawn(move || {
                while !is_over.load(Ordering::SeqCst) {
                    let mut event_loop: EventLoop = EventLoop::new().unwrap();
                    let never = event_loop.on_signal(Signal::TERM, |_| panic!("closed at once"));
                    event_loop.signal(never.unwrap()).close();
                    event_loop.turn(&mut (), Wait::No, Budget::new()).unwrap();
                }
            })
        })
        .collect();
    for round in 1..=2 {
        let are_ready = Arc::new(Barrier::new(LOOPS + 1));
        let loops: Vec<_> = (0..LOOPS)
            .map(|number| {
                let (are_ready, calls) = (Arc::clone(&are_ready), calls.clone());
                thread::spawn(move || {
                    let mut event_loop: EventLoop = EventLoop::new().unwrap();
                    // Two handlers of the first signal, two of the second, or two of each.
                    for (signal, calls) in [Signal::USR1, Signal::USR2].into_iter().zip(calls) {
                        let is_first = signal == Signal::USR1;
                        if number % 3 == usize::from(is_first) {
                            continue;
                        }
                        for _ in 0..2 {
                            let calls = Arc::clone(&calls);
                            let id = event_loop.on_signal_once(signal, move |_| {
                                calls.fetch_add(1, Ordering::SeqCst);
                            });
                            event_loop.signal(id.unwrap()).hold();
                        }
                    }
                    are_ready.wait();
                    let end = event_loop.run_for(&mut (), PATIENCE).unwrap();
                    assert_eq!(end, RunEnd::Finished);
                })
            })
            .collect();
        are_ready.wait();
        raise(libc::SIGUSR1).unwrap();
        raise(libc::SIGUSR2).unwrap();
        for one in loops {
            one.join().unwrap();
        }
        let counts = calls.clone().map(|calls| calls.load(Ordering::SeqCst));
        assert_eq!(counts, [round * 32, round * 32]);
    }
    is_over.store(true, Ordering::SeqCst);
    for one in passing {
        one.join().unwrap();
    }
}

#[test]
fn signal_pending_on_close() {
    let _alone = alone();
    let mut stage = Stage::new();
    let id = stage.watch(Signal::PIPE, "pipe");
    let (ours, theirs) = UnixStream::pair().unwrap();
    drop(theirs);
    let error = (&ours).write_all(&vec![7; 16 << 20]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    // A write of the standard library causes no SIGPIPE, so the test raises the signal itself.
    raise(libc::SIGPIPE).unwrap();
    // A turn with a small budget takes the delivery from the pipe, but does not call the handler yet.
    for _ in 0..2 {
        stage
            .event_loop
            .turn(&mut stage.notes, Wait::No, Budget::new().steps(1))
            .unwrap();
        if stage.event_loop.agenda.signals.are_due() {
            break;
        }
    }
    assert!(stage.event_loop.agenda.signals.are_due());
    assert!(stage.event_loop.signal(id).close());
    stage.turn();
    assert_eq!(stage.notes, [""; 0]);
    assert!(!stage.event_loop.is_alive());
}

#[test]
fn signal_close_loop_alive() {
    let _alone = alone();
    let mut stage = Stage::new();
    let id = stage.watch(Signal::CHLD, "child");
    assert!(!stage.event_loop.is_alive(), "as after libuv's unref");
    raise(libc::SIGCHLD).unwrap();
    stage.turn();
    assert_eq!(stage.count("child"), 1);
    stage.event_loop.signal(id).close();
    assert!(stage.event_loop.is_alive(), "the pipe is still to close");
    stage.event_loop.run(&mut stage.notes).unwrap();
    assert!(!stage.event_loop.is_alive());
    assert_eq!(stage.event_loop.sources.len(), 0);
}
