//! Closed loop: every connection keeps a fixed number of messages in flight, and sends when answers arrive. It shows
//! the throughput; its latency is a service time, because a slow server also slows down the sender.

use std::time::Instant;

use netloop_benches::epoll::EDGES;

use super::connection::open_all;
use super::{Load, Phase, Share, Slice, Start, Target};

#[derive(Clone, Copy, Debug)]
pub(crate) struct Echo {
    pub(crate) size: usize,
    pub(crate) connections: usize,
    pub(crate) pipelining: usize,
}

impl Echo {
    pub(crate) const fn new(size: usize, connections: usize, pipelining: usize) -> Self {
        Self {
            size,
            connections,
            pipelining,
        }
    }
}

impl Load for Echo {
    fn most_threads(&self) -> usize {
        self.connections.div_ceil(8)
    }

    fn drive(&self, target: &Target<'_>, share: Share, start: Start<'_>) -> Result<Slice, String> {
        let (mut events, mut connections) = open_all(target, self.connections, share, EDGES)?;
        let mut stopwatch = start()?;
        let (size, pipelining) = (self.size as u64, self.pipelining as u64);
        let mut busy = connections.len();
        for connection in &mut connections {
            connection.allowed = size * pipelining;
            connection.in_flight.push_back((pipelining, Instant::now()));
            connection.send(target.pattern)?;
        }
        while busy > 0 {
            for place in 0..events.wait(&mut stopwatch)? {
                let (token, flags) = events.epoll.event(place);
                let connection = &mut connections[token];
                let buffer = events.buffer();
                let (answered, length) = connection.serve(flags, target.pattern, buffer, size)?;
                let now = Instant::now();
                let phase = stopwatch.phase(now);
                stopwatch.count(answered, length, None);
                connection.settle(answered, |sent_at, count| {
                    if phase == Phase::Measured {
                        stopwatch.record(now - sent_at, count);
                    }
                });
                if answered > 0 && phase != Phase::Over {
                    connection.allowed += answered * size;
                    connection.in_flight.push_back((answered, now));
                    connection.send(target.pattern)?;
                } else if answered > 0 && connection.is_even() {
                    busy -= 1;
                }
            }
        }
        Ok(stopwatch.slice)
    }
}
