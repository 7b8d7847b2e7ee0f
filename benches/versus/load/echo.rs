//! Closed loop: every connection keeps a fixed number of messages in flight, and sends when answers arrive. It shows
//! the throughput; its latency is a service time, because a slow server also slows the sender.

use std::time::Instant;

use super::connection::Connection;
use super::{Load, PATIENCE, Phase, READ_BUFFER, Stopwatch, Target, record, share};
use crate::system::{EDGE, Epoll, PEER_END, READABLE, WRITABLE};

#[derive(Clone, Copy, Debug)]
pub(crate) struct Echo {
    pub(crate) size: usize,
    pub(crate) connections: usize,
    pub(crate) pipelining: usize,
}

pub(crate) struct Ready {
    epoll: Epoll,
    connections: Vec<Connection>,
}

impl Ready {
    /// Opens a thread's share of `total` connections and registers them, each under its place.
    pub(crate) fn open(
        target: &Target<'_>,
        total: usize,
        thread: usize,
        threads: usize,
    ) -> Result<Self, String> {
        let epoll = Epoll::new(1024).map_err(|error| error.to_string())?;
        let mut connections = Vec::new();
        for place in 0..share(total, thread, threads) {
            let connection = Connection::open(target, place * threads + thread)?;
            let interests = READABLE | WRITABLE | PEER_END | EDGE;
            epoll
                .add(&connection, place as u64, interests)
                .map_err(|error| error.to_string())?;
            connections.push(connection);
        }
        Ok(Self { epoll, connections })
    }

    pub(crate) fn into_parts(self) -> (Epoll, Vec<Connection>) {
        (self.epoll, self.connections)
    }
}

impl Load for Echo {
    type Ready = Ready;

    fn most_threads(&self) -> usize {
        self.connections.div_ceil(8)
    }

    fn prepare(&self, target: &Target<'_>, thread: usize, threads: usize) -> Result<Ready, String> {
        Ready::open(target, self.connections, thread, threads)
    }

    fn drive(
        &self,
        target: &Target<'_>,
        ready: Ready,
        stopwatch: &mut Stopwatch,
    ) -> Result<(), String> {
        let (mut epoll, mut connections) = ready.into_parts();
        let size = self.size as u64;
        let mut buffer = vec![0; READ_BUFFER];
        let mut busy = connections.len();
        for connection in &mut connections {
            connection.allowed = size * self.pipelining as u64;
            connection
                .in_flight
                .push_back((self.pipelining as u64, Instant::now()));
            connection.send(target.pattern)?;
        }
        let mut last_progress = Instant::now();
        while busy > 0 {
            let count = epoll.wait(1000).map_err(|error| error.to_string())?;
            for position in 0..count {
                let (token, readiness) = epoll.event(position);
                let connection =
                    &mut connections[usize::try_from(token).expect("tokens are places")];
                if connection.sent < connection.allowed {
                    connection.send(target.pattern)?;
                }
                if readiness & (READABLE | PEER_END) == 0 {
                    continue;
                }
                let before = connection.received / size;
                let length = connection.receive(target.pattern, &mut buffer)?;
                let answered = connection.received / size - before;
                let now = Instant::now();
                let phase = stopwatch.phase(now);
                if phase == Phase::Measured {
                    stopwatch.slice.operations += answered;
                    stopwatch.slice.verified_bytes += length as u64;
                }
                settle(connection, answered, now, phase, stopwatch);
                if answered > 0 && phase != Phase::Over {
                    connection.allowed += answered * size;
                    connection.in_flight.push_back((answered, now));
                    connection.send(target.pattern)?;
                } else if answered > 0 && connection.is_even() {
                    busy -= 1;
                }
            }
            let now = Instant::now();
            stopwatch.phase(now);
            if count > 0 {
                last_progress = now;
            } else if now - last_progress > PATIENCE {
                return Err("no answer for 5 s".to_owned());
            }
        }
        Ok(())
    }
}

/// Takes `answered` messages off those in flight, and records how long they took.
fn settle(
    connection: &mut Connection,
    answered: u64,
    now: Instant,
    phase: Phase,
    stopwatch: &mut Stopwatch,
) {
    let mut left = answered;
    while left > 0 {
        let Some((count, sent_at)) = connection.in_flight.front_mut() else {
            return;
        };
        let settled = left.min(*count);
        if phase == Phase::Measured {
            record(&mut stopwatch.slice.latency, now - *sent_at, settled);
        }
        *count -= settled;
        left -= settled;
        if *count == 0 {
            connection.in_flight.pop_front();
        }
    }
}
