//! Peers that send and never read, beside peers that behave: what the first cost the server in memory, and the second
//! in latency.

use std::io::{ErrorKind, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use super::echo::Echo;
use super::{Slice, Target, Timing};
use crate::pattern::LONGEST_SLICE;
use crate::statistics;

/// A server without backpressure takes everything: so much, and no more, is offered to it on each connection.
const MOST_BYTES: usize = 8 << 20;
const KERNEL_BUFFER: usize = 64 * 1024;
/// A server that has just been started is slow, and in some languages very slow.
const WARM_UP: Timing = Timing {
    warm_up: Duration::ZERO,
    measured: Duration::from_millis(500),
};
/// For so long a stalled reader tries to send more.
const PUSH: Duration = Duration::from_millis(1500);
/// When nobody could send for so long, the server has stopped reading.
const QUIET: Duration = Duration::from_millis(100);

/// What those who behave see is seen in so many parts, of which the one in the middle counts: a single stall of the whole
/// machine decides who the slowest hundredth was.
const PARTS: u32 = 5;

/// The highest resident memory, less that before the stalled readers came.
pub(crate) const GROWTH_PER_READER: &str = "growth per stalled reader, KiB";
/// What those who behave see meanwhile.
pub(crate) const P99_OF_OTHERS: &str = "p99 µs of the others beside them";
/// The same as a multiple of what they saw before the stalled readers came.
pub(crate) const P99_CHANGE: &str = "p99 of the others, beside by before";

#[derive(Clone, Copy, Debug)]
pub(crate) struct Stalled {
    pub(crate) stalled: usize,
    pub(crate) active: usize,
}

/// Needs a server that has served nobody yet.
pub(crate) fn run(load: Stalled, target: &Target<'_>, timing: Timing) -> Result<Slice, String> {
    let part = Timing {
        warm_up: timing.warm_up / (2 * PARTS),
        measured: timing.measured / (2 * PARTS),
    };
    let echo = Echo {
        size: 64,
        connections: load.active,
        pipelining: 1,
    };
    super::run(&echo, target, WARM_UP)?;
    let (_, p99_before) = watch(&echo, target, part)?;
    let memory_before = target.server.memory().resident;
    let (stalled, accepted) = stall(load.stalled, target)?;
    let (mut slice, p99_beside) = watch(&echo, target, part)?;
    let memory = target.server.memory().peak;
    drop(stalled);
    let growth = memory.saturating_sub(memory_before) as f64 / load.stalled as f64;
    slice.extras = vec![
        (GROWTH_PER_READER, growth / 1024.0),
        (
            "taken from each stalled reader, KiB",
            accepted as f64 / load.stalled as f64 / 1024.0,
        ),
        ("p99 µs of the others before", p99_before),
        (P99_OF_OTHERS, p99_beside),
        (P99_CHANGE, p99_beside / p99_before.max(1.0)),
    ];
    Ok(slice)
}

/// What those who behave see, as one slice, and the p99 of one part of it in microseconds.
fn watch(echo: &Echo, target: &Target<'_>, part: Timing) -> Result<(Slice, f64), String> {
    let p99 = |slice: &Slice| slice.latency.value_at_quantile(0.99) as f64 / 1000.0;
    let mut whole = super::run(echo, target, part)?;
    let mut p99s = vec![p99(&whole)];
    for _ in 1..PARTS {
        let slice = super::run(echo, target, part)?;
        p99s.push(p99(&slice));
        whole.append(&slice);
    }
    let p99 = statistics::median(&p99s).expect("there are several parts");
    Ok((whole, p99))
}

/// Connects peers that send until the server stops reading; returns them and how much was taken in all.
fn stall(count: usize, target: &Target<'_>) -> Result<(Vec<TcpStream>, usize), String> {
    let failed = |error: std::io::Error| format!("a stalled reader: {error}");
    let mut peers = Vec::new();
    for _ in 0..count {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).map_err(failed)?;
        // Small buffers on this side: what disappears then is what the server took.
        socket.set_recv_buffer_size(KERNEL_BUFFER).map_err(failed)?;
        socket.set_send_buffer_size(KERNEL_BUFFER).map_err(failed)?;
        socket.connect(&target.address.into()).map_err(failed)?;
        let stream = TcpStream::from(socket);
        stream.set_nonblocking(true).map_err(failed)?;
        peers.push((stream, 0_usize));
    }
    let began = Instant::now();
    let mut last_progress = began;
    while last_progress.elapsed() < QUIET && began.elapsed() < PUSH {
        for (stream, sent) in &mut peers {
            let length = (MOST_BYTES - *sent).min(LONGEST_SLICE);
            match stream.write(target.pattern.slice(*sent as u64, length)) {
                Ok(0) => {}
                Ok(taken) => {
                    *sent += taken;
                    last_progress = Instant::now();
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // To be thrown out is one way for a server to deal with a peer that never reads.
                Err(_) => *sent = MOST_BYTES,
            }
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let taken = peers.iter().map(|(_, sent)| sent).sum();
    Ok((peers.into_iter().map(|(stream, _)| stream).collect(), taken))
}
