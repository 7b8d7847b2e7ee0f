//! Open loop: messages are due at fixed times, whether or not the server keeps up, and latency counts from the time
//! at which a message was due. A server that stalls for 50 ms then shows 50 ms in every message that was due in
//! between, and not in one: closed loops hide exactly that.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::connection::Connection;
use super::echo::Ready;
use super::{Load, PATIENCE, Phase, READ_BUFFER, Stopwatch, Target, new_histogram, record, share};
use crate::system::{PEER_END, READABLE};

/// Sleeps end this much before the next message is due, and the rest is waited for actively.
const SPIN: Duration = Duration::from_micros(100);
/// So many overdue messages are sent before answers are looked at again.
const SENDS_PER_TURN: usize = 64;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Paced {
    pub(crate) size: usize,
    pub(crate) connections: usize,
    /// Messages a second over all connections.
    pub(crate) rate: f64,
}

/// When a message was due, and when it was sent.
struct Message {
    due: Instant,
    sent: Instant,
}

impl Load for Paced {
    type Ready = (Ready, f64);

    fn most_threads(&self) -> usize {
        self.connections.div_ceil(8)
    }

    fn prepare(
        &self,
        target: &Target<'_>,
        thread: usize,
        threads: usize,
    ) -> Result<Self::Ready, String> {
        let mine = share(self.connections, thread, threads) as f64 / self.connections as f64;
        Ok((
            Ready::open(target, self.connections, thread, threads)?,
            self.rate * mine,
        ))
    }

    fn drive(
        &self,
        target: &Target<'_>,
        ready: Self::Ready,
        stopwatch: &mut Stopwatch,
    ) -> Result<(), String> {
        let (ready, rate) = ready;
        let (mut epoll, mut connections) = ready.into_parts();
        let mut waiting: Vec<VecDeque<Message>> =
            connections.iter().map(|_| VecDeque::new()).collect();
        let size = self.size as u64;
        let mut buffer = vec![0; READ_BUFFER];
        let start = Instant::now();
        let mut number = 0_u64;
        let due = |number: u64| start + Duration::from_secs_f64(number as f64 / rate);
        let mut uncorrected = new_histogram();
        let mut unanswered = 0_u64;
        let mut now = start;
        loop {
            let mut sends = 0;
            while now >= due(number) && due(number) < stopwatch.end() && sends < SENDS_PER_TURN {
                let place =
                    usize::try_from(number % connections.len() as u64).expect("below a length");
                connections[place].allowed += size;
                connections[place].send(target.pattern)?;
                waiting[place].push_back(Message {
                    due: due(number),
                    sent: now,
                });
                number += 1;
                sends += 1;
                unanswered += 1;
                now = Instant::now();
            }
            let over = due(number) >= stopwatch.end();
            if over && unanswered == 0 {
                break;
            }
            if over && now > stopwatch.end() + PATIENCE {
                return Err(format!(
                    "{unanswered} messages unanswered 5 s after the end: the rate is too high"
                ));
            }
            let pause = if over {
                Duration::from_millis(1)
            } else {
                due(number).saturating_duration_since(now)
            };
            if pause > SPIN {
                epoll.sleep_until_ready(pause - SPIN);
            }
            let count = epoll.wait(0).map_err(|error| error.to_string())?;
            for position in 0..count {
                let (token, readiness) = epoll.event(position);
                let place = usize::try_from(token).expect("tokens are places");
                let connection = &mut connections[place];
                connection.send(target.pattern)?;
                if readiness & (READABLE | PEER_END) != 0 {
                    let answered = receive(connection, target, &mut buffer, size)?;
                    now = Instant::now();
                    unanswered -= answered;
                    for message in waiting[place].drain(..usize::try_from(answered).expect("few")) {
                        if message.due >= stopwatch.begin() && message.due < stopwatch.end() {
                            record(&mut stopwatch.slice.latency, now - message.due, 1);
                            record(&mut uncorrected, now - message.sent, 1);
                        }
                    }
                    if stopwatch.phase(now) == Phase::Measured {
                        stopwatch.slice.operations += answered;
                        stopwatch.slice.verified_bytes += answered * size;
                    }
                }
            }
            now = Instant::now();
            stopwatch.phase(now);
        }
        // The last answer may come before the end.
        while stopwatch.phase(Instant::now()) != Phase::Over {
            epoll.sleep_until_ready(SPIN);
        }
        stopwatch.slice.uncorrected = Some(uncorrected);
        stopwatch.slice.intended_rate = Some(rate);
        Ok(())
    }
}

fn receive(
    connection: &mut Connection,
    target: &Target<'_>,
    buffer: &mut [u8],
    size: u64,
) -> Result<u64, String> {
    let before = connection.received / size;
    connection.receive(target.pattern, buffer)?;
    Ok(connection.received / size - before)
}
