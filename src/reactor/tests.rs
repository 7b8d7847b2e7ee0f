//! Tests of the reactor with wires, which are real sockets, and with probes. A probe has no object in the kernel: the
//! test sets its readiness, and its time is virtual.

mod asking;
mod closing;
mod deadlines;
mod flushing;
#[cfg(unix)]
mod kernel;
// The second selector of `kernel_model` must be epoll: only there does registering again show the present levels.
#[cfg(all(
    any(target_os = "linux", target_os = "android"),
    not(mio_unsupported_force_poll_poll)
))]
mod kernel_model;
mod model;
mod serving;
#[cfg(unix)]
mod waiting;

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use mio::event::Source;

use super::{Handler, Interest, Key, Phase, Reactor, Readiness, Registration};

const TOO_LONG: Duration = Duration::from_secs(10);

/// The methods of [`Handler`], for the log and as events. `Closed` stands for `on_error`, `Elapsed` for `on_deadline`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Activated,
    Readable,
    Writable,
    Closed,
    Flush,
    Elapsed,
}

/// The calls of all probes in order, without `on_activated`, and without `on_deadline`, which is not lent the log.
type Log = Vec<(char, Call)>;

/// The action of a probe on a call. The action returns whether the probe gives the call as an event.
type Act = Box<dyn FnMut(Call, &mut Registration<'_>) -> bool>;

struct Probe {
    name: char,
    burst: u32,
    act: Act,
}

impl Probe {
    fn new(name: char, act: impl FnMut(Call, &mut Registration<'_>) -> bool + 'static) -> Self {
        Self {
            name,
            burst: 1,
            act: Box::new(act),
        }
    }

    /// Makes a probe that stays ready for ever, and gives every call as an event.
    fn tireless(name: char) -> Self {
        Self::new(name, |_, _| true)
    }

    /// Makes a probe that has nothing left after each read and write, and gives every call as an event.
    fn quick(name: char) -> Self {
        Self::new(name, |call, registration| {
            match call {
                Call::Readable => registration.would_block(Interest::READABLE),
                Call::Writable => registration.would_block(Interest::WRITABLE),
                Call::Activated | Call::Closed | Call::Flush | Call::Elapsed => {}
            }
            true
        })
    }

    fn with_burst(self, burst: u32) -> Self {
        Self { burst, ..self }
    }

    fn report(&mut self, call: Call, registration: &mut Registration<'_>) -> Option<Call> {
        (self.act)(call, registration).then_some(call)
    }
}

impl Handler for Probe {
    type Event = Call;
    type Resources<'a> = Log;

    fn source(&mut self) -> Option<&mut dyn Source> {
        None
    }

    fn on_readable(&mut self, registration: &mut Registration<'_>, log: &mut Log) -> Option<Call> {
        log.push((self.name, Call::Readable));
        self.report(Call::Readable, registration)
    }

    fn on_writable(&mut self, registration: &mut Registration<'_>, log: &mut Log) -> Option<Call> {
        log.push((self.name, Call::Writable));
        self.report(Call::Writable, registration)
    }

    fn on_error(&mut self, registration: &mut Registration<'_>, log: &mut Log) -> Option<Call> {
        log.push((self.name, Call::Closed));
        self.report(Call::Closed, registration)
    }

    fn on_flush(&mut self, registration: &mut Registration<'_>, log: &mut Log) {
        log.push((self.name, Call::Flush));
        self.report(Call::Flush, registration);
    }

    fn on_activated(&mut self, registration: &mut Registration<'_>, _: &mut Log) -> Option<Call> {
        self.report(Call::Activated, registration)
    }

    fn on_deadline(&mut self, registration: &mut Registration<'_>) -> Option<Call> {
        self.report(Call::Elapsed, registration)
    }

    fn burst(&self) -> u32 {
        self.burst
    }
}

fn reactor() -> Reactor<Probe> {
    Reactor::new(16).unwrap()
}

fn insert_readable(reactor: &mut Reactor<Probe>, probe: Probe) -> Key {
    insert_ready(reactor, probe, Interest::READABLE, Readiness::READABLE)
}

fn insert_ready(
    reactor: &mut Reactor<Probe>,
    probe: Probe,
    interest: Interest,
    readiness: Readiness,
) -> Key {
    let inserted = reactor.insert_ready(probe, interest, readiness);
    inserted.map_err(|(error, _)| error).unwrap()
}

fn serve(reactor: &mut Reactor<Probe>) -> Log {
    let mut log = Log::new();
    reactor.begin(Phase::Serve);
    while reactor.next(&mut log).is_some() {
        assert!(log.len() < 1_000, "the phase has no end");
    }
    log
}

fn flush(reactor: &mut Reactor<Probe>) -> Log {
    let mut log = Log::new();
    reactor.begin(Phase::Flush);
    reactor.flush(&mut log);
    log
}

fn closing<T: Handler>(reactor: &mut Reactor<T>) -> Vec<Key> {
    reactor.begin(Phase::Close);
    std::iter::from_fn(|| reactor.next_closing()).collect()
}

fn in_time(test: impl FnOnce() + Send + 'static) {
    let (end, ended) = channel::<()>();
    let running = thread::spawn(move || {
        // Dropping `_end` ends the wait of the watching thread, also if the test panics.
        let _end = end;
        test();
    });
    let outcome = ended.recv_timeout(TOO_LONG);
    assert_eq!(
        outcome,
        Err(RecvTimeoutError::Disconnected),
        "it waits for ever"
    );
    if let Err(panic) = running.join() {
        std::panic::resume_unwind(panic);
    }
}

/// Prints the seed and the step if a test panics while this value is alive.
struct Whereabouts {
    seed: u64,
    step: u32,
}

impl Drop for Whereabouts {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("seed {}, step {}", self.seed, self.step);
        }
    }
}
