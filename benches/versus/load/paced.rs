//! Open loop: messages are due at fixed times, whether or not the server keeps up, and latency counts from a message's
//! due time. So a stall of 50 ms shows in every message that was due meanwhile, and not in one, as in a closed loop.

use std::time::{Duration, Instant};

use netloop_benches::epoll::EDGES;

use super::connection::open_all;
use super::echo::Echo;
use super::{Load, PATIENCE, Phase, Share, Slice, Start, Target, text};

/// A sleep ends this much before the next message is due, and the rest is a busy wait.
const SPIN: Duration = Duration::from_micros(100);
/// So many overdue messages are sent before answers are looked at again.
const SENDS_PER_TURN: usize = 64;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Paced {
    /// One message at a time on each connection, unless the server is late.
    pub(crate) echo: Echo,
    /// Messages a second over all connections.
    pub(crate) rate: f64,
}

impl Load for Paced {
    fn most_threads(&self) -> usize {
        self.echo.connections.div_ceil(8)
    }

    fn drive(&self, target: &Target<'_>, share: Share, start: Start<'_>) -> Result<Slice, String> {
        let (mut events, mut connections) = open_all(target, self.echo.connections, share, EDGES)?;
        let mut stopwatch = start()?;
        let rate = self.rate * connections.len() as f64 / self.echo.connections as f64;
        let size = self.echo.size as u64;
        let start = Instant::now();
        let due = |number: u64| start + Duration::from_secs_f64(number as f64 / rate);
        let mut number = 0_u64;
        let mut unanswered = 0_u64;
        let mut now = start;
        loop {
            let mut sends = 0;
            while now >= due(number) && due(number) < stopwatch.end && sends < SENDS_PER_TURN {
                let place = usize::try_from(number % connections.len() as u64).expect("a place");
                connections[place].allowed += size;
                connections[place].send(target.pattern)?;
                connections[place].in_flight.push_back((1, due(number)));
                number += 1;
                sends += 1;
                unanswered += 1;
                now = Instant::now();
            }
            let is_over = due(number) >= stopwatch.end;
            if is_over && unanswered == 0 {
                break;
            }
            if is_over && now > stopwatch.end + PATIENCE {
                return Err(format!(
                    "{unanswered} messages unanswered 5 s after the end: the rate is too high"
                ));
            }
            let pause = match is_over {
                true => Duration::from_millis(1),
                false => due(number).saturating_duration_since(now),
            };
            if pause > SPIN {
                events.epoll.sleep_until_ready(pause - SPIN);
            }
            for event in 0..events.epoll.wait(Some(Duration::ZERO)).map_err(text)? {
                let (place, flags) = events.epoll.event(event);
                let connection = &mut connections[place];
                let buffer = events.buffer();
                let (answered, length) = connection.serve(flags, target.pattern, buffer, size)?;
                now = Instant::now();
                unanswered -= answered;
                connection.settle(answered, |due, count| {
                    if due >= stopwatch.begin && due < stopwatch.end {
                        stopwatch.record(now - due, count);
                    }
                });
                stopwatch.phase(now);
                stopwatch.count(answered, length, None);
            }
            now = Instant::now();
            stopwatch.phase(now);
        }
        // The last answer may come before the end.
        while stopwatch.phase(Instant::now()) != Phase::Over {
            events.epoll.sleep_until_ready(SPIN);
        }
        stopwatch.slice.intended_rate = Some(rate);
        Ok(stopwatch.slice)
    }
}
