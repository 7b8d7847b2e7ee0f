//! Peers that send and never read, beside peers that behave: what the first cost the server in memory, and the second
//! in latency.

use std::io::{ErrorKind, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use netloop_benches::statistics::median;
use socket2::{Domain, Socket, Type};

use super::echo::Echo;
use super::{Load, Share, Slice, Start, Target, Timing};
use crate::pattern::{LONGEST_SLICE, MESSAGE};

/// A server without backpressure takes everything: so much, and no more, is offered to it on each connection.
const MOST_BYTES: usize = 8 << 20;
const KERNEL_BUFFER: usize = 64 * 1024;
/// The time in which a stalled reader tries to send more.
const PUSH: Duration = Duration::from_millis(1500);
/// When no peer could send for so long, the server has stopped reading.
const QUIET: Duration = Duration::from_millis(100);
/// The latency of the peers that behave is measured in so many parts, of which the middle one counts. One stall of the
/// machine would decide the slowest hundredth of one long part.
const PARTS: usize = 5;
const PART: Timing = Timing::of_milliseconds(25, 100);

/// The highest resident memory, less that before the stalled readers came.
pub(crate) const GROWTH_PER_READER: &str = "growth per stalled reader, KiB";
pub(crate) const P99_OF_OTHERS: &str = "p99 µs of the others beside them";
/// The same as a multiple of the p99 before the stalled readers came.
const P99_CHANGE: &str = "p99 of the others, beside by before";

#[derive(Clone, Copy, Debug)]
pub(crate) struct Stalled {
    pub(crate) stalled: usize,
    pub(crate) active: usize,
}

impl Load for Stalled {
    fn needs_fresh_server(&self) -> bool {
        true
    }

    fn drive(&self, target: &Target<'_>, _: Share, _: Start<'_>) -> Result<Slice, String> {
        let echo = Echo::new(MESSAGE, self.active, 1);
        // A server that has just been started is slow, and in some languages very slow.
        super::run(&echo, target, Timing::of_milliseconds(0, 500))?;
        let (_, p99_before) = watch(&echo, target)?;
        let memory_before = target.server.resident_memory();
        let stalled =
            stall(self.stalled, target).map_err(|error| format!("a stalled reader: {error}"))?;
        let (mut slice, p99_beside) = watch(&echo, target)?;
        let growth = target.server.peak_memory().saturating_sub(memory_before);
        let growth = growth as f64 / self.stalled as f64 / 1024.0;
        drop(stalled);
        slice.extras = vec![
            (GROWTH_PER_READER, growth),
            ("p99 µs of the others before", p99_before),
            (P99_OF_OTHERS, p99_beside),
            (P99_CHANGE, p99_beside / p99_before.max(1.0)),
        ];
        Ok(slice)
    }
}

/// Returns the last of several parts, and the p99 of the middle one in microseconds.
fn watch(echo: &Echo, target: &Target<'_>) -> Result<(Slice, f64), String> {
    let parts = (0..PARTS).map(|_| super::run(echo, target, PART));
    let mut parts = parts.collect::<Result<Vec<Slice>, String>>()?;
    let p99s: Vec<f64> = parts
        .iter()
        .map(|part| part.latency_ns(0.99) / 1000.0)
        .collect();
    let last = parts.pop().expect("there are several parts");
    Ok((last, median(&p99s).expect("there are several parts")))
}

/// Connects peers that send until the server stops reading.
fn stall(count: usize, target: &Target<'_>) -> std::io::Result<Vec<TcpStream>> {
    let mut peers = Vec::new();
    for _ in 0..count {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        // With small buffers on this side, the bytes that disappear are in the server.
        socket.set_recv_buffer_size(KERNEL_BUFFER)?;
        socket.set_send_buffer_size(KERNEL_BUFFER)?;
        socket.connect(&target.address.into())?;
        socket.set_nonblocking(true)?;
        peers.push((TcpStream::from(socket), 0_usize));
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
                // A server may also close the connection of a peer that never reads.
                Err(_) => *sent = MOST_BYTES,
            }
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(peers.into_iter().map(|(stream, _)| stream).collect())
}
