//! A host that waits with `poll(2)`, for its own timer and for the loop as a guest.
//!
//! ```text
//! $ cargo run -p embed_poll                        # or, with an address: embed_poll 0.0.0.0:7003
//! listening 127.0.0.1:7003
//! second 1: 0 bytes
//! second 2: 6 bytes
//! ```
//!
//! The whole contract is in `Host::round`: ask `poll_timeout` directly before the wait, wait for `as_fd`, and call `turn`.

use std::io::Write;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use netloop::{Budget, EventLoop, Steps, Ticker, Wait};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

mod echo;

use echo::Echo;

struct Host {
    event_loop: EventLoop<u64>,
    /// The bytes that were echoed.
    bytes: u64,
    /// The host's own timer.
    ticker: Ticker,
    rounds: u32,
    turns: u32,
}

impl Host {
    fn new(period: Duration) -> netloop::Result<Self> {
        Ok(Self {
            event_loop: EventLoop::new()?,
            bytes: 0,
            ticker: Ticker::new(period, Instant::now() + period),
            rounds: 0,
            turns: 0,
        })
    }

    /// Waits for the loop or for the host's own timer, and returns the steps that are due.
    fn round(&mut self) -> netloop::Result<Steps> {
        self.rounds += 1;
        let own = self
            .ticker
            .next_step()
            .saturating_duration_since(Instant::now());
        let guests = self.event_loop.poll_timeout();
        let timeout = guests.map_or(own, |guests| guests.min(own));
        let timeout = Timespec::try_from(timeout).ok();
        let descriptor = self.event_loop.as_fd();
        let mut watched = [PollFd::new(&descriptor, PollFlags::IN)];
        let ready = match poll(&mut watched, timeout.as_ref()) {
            // A signal ended the wait.
            Err(rustix::io::Errno::INTR) => 0,
            done => done.map_err(std::io::Error::from)?,
        };
        if ready > 0 || self.event_loop.poll_timeout() == Some(Duration::ZERO) {
            self.turns += 1;
            self.event_loop
                .turn(&mut self.bytes, Wait::No, Budget::new())?;
        }
        Ok(self.ticker.due(Instant::now()))
    }
}

fn main() -> netloop::Result<()> {
    let address = std::env::args().nth(1);
    let address = address.as_deref().unwrap_or("127.0.0.1:7003");
    let mut host = Host::new(Duration::from_secs(1))?;
    let server = host.event_loop.listen(address, |_, _| Echo)?;
    let mut output = std::io::stdout();
    if let Some(address) = host.event_loop.server(server).address() {
        writeln!(output, "listening {address}")?;
    }
    let mut seconds = 0;
    loop {
        for _ in 0..host.round()?.count {
            seconds += 1;
            writeln!(output, "second {seconds}: {} bytes", host.bytes)?;
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
        let mut host = Host::new(PERIOD).expect("a loop");
        let begun = host.ticker.next_step();
        let server = host.event_loop.listen("127.0.0.1:0", |_, _| Echo);
        let server = server.expect("a port");
        let address = host
            .event_loop
            .server(server)
            .address()
            .expect("it listens");
        let client = talk(address, LENGTH);
        let mut steps = 0;
        while !client.is_finished() || steps < 20 {
            assert!(begun.elapsed() < PATIENCE);
            steps += host.round().expect("no failure").count;
            let due = begun + PERIOD * steps;
            assert!(host.ticker.next_step() == due, "the schedule has moved");
        }
        client.join().expect("every byte was right");
        assert_eq!(host.bytes, LENGTH as u64);
        assert!(
            begun + PERIOD * (steps - 1) <= Instant::now(),
            "a step was early"
        );
    }

    #[test]
    fn at_rest_neither_loop_wakes_in_a_second() {
        let mut host = Host::new(PATIENCE).expect("a loop");
        let server = host.event_loop.listen("127.0.0.1:0", |_, _| Echo);
        let server = server.expect("a port");
        let address = host
            .event_loop
            .server(server)
            .address()
            .expect("it listens");
        let client = talk(address, 1000);
        while host.bytes < 1000 {
            host.round().expect("no failure");
        }
        let _idle = client.join().expect("every byte was right");
        settle(&mut host);
        host.ticker = Ticker::new(PATIENCE, Instant::now() + REST);
        let (rounds, turns) = (host.rounds, host.turns);
        while host.round().expect("no failure").count == 0 {}
        let rounds = host.rounds - rounds;
        assert!(rounds <= FEW, "{rounds} rounds");
        assert_eq!(host.turns, turns);
    }

    /// Waits until the guest has no near deadline and a round makes no turn.
    fn settle(host: &mut Host) {
        let begun = Instant::now();
        host.ticker = Ticker::new(PERIOD, begun + PERIOD);
        let mut turns = None;
        while turns != Some(host.turns) || !rests(host.event_loop.poll_timeout()) {
            assert!(begun.elapsed() < PATIENCE);
            turns = Some(host.turns);
            host.round().expect("no failure");
        }
    }
}
