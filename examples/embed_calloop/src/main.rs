//! calloop as the host, as in compositors and clients of Wayland, and the loop as a guest.
//!
//! ```text
//! $ cargo run -p embed_calloop                     # or, with an address: embed_calloop 0.0.0.0:7004
//! listening 127.0.0.1:7004
//! second 1: 0 bytes
//! second 2: 6 bytes
//! ```
//!
//! The loop's descriptor is a source of calloop, level-triggered, and `poll_timeout` limits the wait.

use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use calloop::generic::Generic;
use calloop::timer::{TimeoutAction, Timer};
use calloop::{Interest, LoopHandle, Mode, PostAction};
use netloop::{Budget, EventLoop, Wait};

#[path = "../../embed_poll/src/echo.rs"]
mod echo;

use echo::Echo;

type Failure = Box<dyn std::error::Error>;

/// The state of calloop's callbacks.
struct State {
    event_loop: EventLoop<u64>,
    /// The bytes that were echoed.
    bytes: u64,
    is_readable: bool,
    /// The times at which the host's own timer was due.
    ticks: Vec<Instant>,
    turns: u32,
}

struct Host {
    host: calloop::EventLoop<'static, State>,
    state: State,
    rounds: u32,
}

impl Host {
    fn new() -> Result<Self, Failure> {
        let host: calloop::EventLoop<'static, State> = calloop::EventLoop::try_new()?;
        let event_loop = EventLoop::new()?;
        // calloop wants a descriptor of its own; a duplicate tells the same.
        let descriptor: OwnedFd = event_loop.as_fd().try_clone_to_owned()?;
        let source = Generic::new(descriptor, Interest::READ, Mode::Level);
        host.handle()
            .insert_source(source, |_, _, state: &mut State| {
                state.is_readable = true;
                Ok(PostAction::Continue)
            })?;
        Ok(Self {
            host,
            state: State {
                event_loop,
                bytes: 0,
                is_readable: false,
                ticks: Vec::new(),
                turns: 0,
            },
            rounds: 0,
        })
    }

    /// Lets the host have a timer of its own.
    fn tick_every(handle: &LoopHandle<'static, State>, period: Duration) -> Result<(), Failure> {
        handle.insert_source(Timer::from_duration(period), move |due, (), state| {
            state.ticks.push(due);
            TimeoutAction::ToInstant(due + period)
        })?;
        Ok(())
    }

    /// One round of the host: its sources, and a turn of the guest if there is something for it.
    fn round(&mut self) -> Result<(), Failure> {
        self.rounds += 1;
        let State { event_loop, .. } = &self.state;
        let timeout = event_loop.poll_timeout();
        self.host.dispatch(timeout, &mut self.state)?;
        let state = &mut self.state;
        let is_readable = std::mem::take(&mut state.is_readable);
        if is_readable || state.event_loop.poll_timeout() == Some(Duration::ZERO) {
            state.turns += 1;
            let State {
                event_loop, bytes, ..
            } = state;
            event_loop.turn(bytes, Wait::No, Budget::new())?;
        }
        Ok(())
    }
}

fn main() -> Result<(), Failure> {
    let address = std::env::args().nth(1);
    let address = address.as_deref().unwrap_or("127.0.0.1:7004");
    let mut host = Host::new()?;
    let event_loop = &mut host.state.event_loop;
    let server = event_loop.listen(address, |_, _| Echo)?;
    let mut output = std::io::stdout();
    if let Some(address) = event_loop.server(server).address() {
        writeln!(output, "listening {address}")?;
    }
    Host::tick_every(&host.host.handle(), Duration::from_secs(1))?;
    let mut seconds = 0;
    loop {
        host.round()?;
        for _ in host.state.ticks.drain(..) {
            seconds += 1;
            writeln!(output, "second {seconds}: {} bytes", host.state.bytes)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::echo::client::{FEW, PATIENCE, REST, rests, talk};
    use super::*;

    const LENGTH: usize = 4 << 20;
    const PERIOD: Duration = Duration::from_millis(10);

    #[test]
    fn a_client_gets_every_byte_and_the_timer_keeps_its_times() {
        let mut host = Host::new().expect("two loops");
        let server = host.state.event_loop.listen("127.0.0.1:0", |_, _| Echo);
        let server = server.expect("a port");
        let address = host.state.event_loop.server(server).address();
        let client = talk(address.expect("it listens"), LENGTH);
        let begun = Instant::now();
        Host::tick_every(&host.host.handle(), PERIOD).expect("a timer");
        let mut ticks = 0;
        // A timer of the guest, beside that of the host.
        let guests = begun + PERIOD * 5;
        host.state.event_loop.after(PERIOD * 5, move |cx| {
            assert!(Instant::now() >= guests);
            *cx.shared += 1 << 40;
        });
        while !client.is_finished() || ticks < 20 || host.state.bytes < 1 << 40 {
            assert!(begun.elapsed() < PATIENCE);
            host.round().expect("no failure");
            for due in host.state.ticks.drain(..) {
                ticks += 1;
                assert!(due >= begun + PERIOD * ticks && due <= Instant::now());
            }
        }
        client.join().expect("every byte was right");
        assert_eq!(host.state.bytes - (1 << 40), LENGTH as u64);
    }

    #[test]
    fn at_rest_neither_loop_wakes_in_a_second() {
        let mut host = Host::new().expect("two loops");
        let server = host.state.event_loop.listen("127.0.0.1:0", |_, _| Echo);
        let server = server.expect("a port");
        let address = host.state.event_loop.server(server).address();
        let client = talk(address.expect("it listens"), 1000);
        while host.state.bytes < 1000 {
            host.round().expect("no failure");
        }
        let _idle = client.join().expect("every byte was right");
        settle(&mut host);
        Host::tick_every(&host.host.handle(), REST).expect("a timer");
        let (rounds, turns) = (host.rounds, host.state.turns);
        while host.state.ticks.is_empty() {
            host.round().expect("no failure");
        }
        let rounds = host.rounds - rounds;
        assert!(rounds <= FEW, "{rounds} rounds");
        assert_eq!(host.state.turns, turns);
    }

    /// Waits until the guest has no near deadline and makes no turn in a period.
    fn settle(host: &mut Host) {
        let begun = Instant::now();
        let mut turns = None;
        while turns != Some(host.state.turns) || !rests(host.state.event_loop.poll_timeout()) {
            assert!(begun.elapsed() < PATIENCE);
            turns = Some(host.state.turns);
            let timer = Timer::from_duration(PERIOD);
            let handle = host.host.handle();
            let inserted = handle.insert_source(timer, |due, (), state| {
                state.ticks.push(due);
                TimeoutAction::Drop
            });
            inserted.expect("a timer");
            while host.state.ticks.is_empty() {
                host.round().expect("no failure");
            }
            host.state.ticks.clear();
        }
    }
}
