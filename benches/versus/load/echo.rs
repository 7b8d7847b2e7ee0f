//! Closed loop: every connection keeps a fixed number of messages in flight, and sends when answers arrive. It shows
//! the throughput; its latency is a service time, because a slow server also slows down the sender.

use std::time::Instant;

use super::connection::{Connection, open_all};
use super::{
    Load, PATIENCE, Phase, READ_BUFFER, Share, Slice, Start, Stopwatch, TICK, Target, text,
};
use crate::system::{EDGES, READABLE, behind_page};

#[derive(Clone, Copy, Debug)]
pub(crate) struct Echo {
    pub(crate) size: usize,
    pub(crate) connections: usize,
    pub(crate) pipelining: usize,
}

impl Load for Echo {
    fn most_threads(&self) -> usize {
        self.connections.div_ceil(8)
    }

    fn drive(&self, target: &Target<'_>, share: Share, start: Start<'_>) -> Result<Slice, String> {
        let (mut epoll, mut connections) = open_all(target, self.connections, share, EDGES)?;
        let mut stopwatch = start()?;
        let size = self.size as u64;
        let pipelining = self.pipelining as u64;
        let mut memory = Vec::new();
        let buffer = behind_page(&mut memory, READ_BUFFER, 0);
        let mut busy = connections.len();
        for connection in &mut connections {
            connection.allowed = size * pipelining;
            connection.in_flight.push_back((pipelining, Instant::now()));
            connection.send(target.pattern)?;
        }
        let mut last_progress = Instant::now();
        while busy > 0 {
            let count = epoll.wait(Some(TICK)).map_err(text)?;
            for place in 0..count {
                let (token, flags) = epoll.event(place);
                let connection = &mut connections[token];
                connection.send(target.pattern)?;
                if !flags.intersects(READABLE) {
                    continue;
                }
                let before = connection.received / size;
                let length = connection.receive(target.pattern, buffer)?;
                let answered = connection.received / size - before;
                let now = Instant::now();
                let phase = stopwatch.phase(now);
                stopwatch.count(answered, length, None);
                settle(connection, answered, now, &mut stopwatch);
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
        Ok(stopwatch.slice)
    }
}

/// Takes `answered` messages off those in flight, and records how long they took.
fn settle(connection: &mut Connection, answered: u64, now: Instant, stopwatch: &mut Stopwatch<'_>) {
    let mut left = answered;
    while left > 0 {
        let Some((count, sent_at)) = connection.in_flight.front_mut() else {
            return;
        };
        let settled = left.min(*count);
        if stopwatch.phase == Phase::Measured {
            stopwatch.record(now - *sent_at, settled);
        }
        *count -= settled;
        left -= settled;
        if *count == 0 {
            connection.in_flight.pop_front();
        }
    }
}
