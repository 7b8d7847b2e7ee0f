//! Connections that do nothing: the memory that each costs the server, and its work while nothing happens. Each has sent
//! and received once, so that buffers that come with the first use are counted.

use std::time::{Duration, Instant};

use netloop_benches::epoll::EDGES;

use super::connection::open_all;
use super::echo::Echo;
use super::{Load, PATIENCE, Share, Slice, Start, Target, Timing};
use crate::pattern::MESSAGE;

/// Resident memory, by how much it grew for each connection.
pub(crate) const BYTES_PER_CONNECTION: &str = "bytes per idle connection";
pub(crate) const CPU_AT_REST: &str = "CPU µs per second at rest";
const WAKE_UPS_AT_REST: &str = "wake-ups per second at rest";

/// At rest little happens, and it takes longer to be seen.
const REST: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug)]
pub(crate) struct Idle {
    pub(crate) connections: usize,
}

impl Load for Idle {
    fn needs_fresh_server(&self) -> bool {
        true
    }

    fn counts_operations(&self) -> bool {
        false
    }

    fn drive(&self, target: &Target<'_>, share: Share, start: Start<'_>) -> Result<Slice, String> {
        // The set-up for the first connections is not a cost of each.
        let first = Echo::new(MESSAGE, 4, 1);
        super::run(&first, target, Timing::of_milliseconds(0, 50))?;
        let before = target.server.resident_memory();
        let (_events, mut connections) = open_all(target, self.connections, share, EDGES)?;
        let mut stopwatch = start()?;
        let mut buffer = [0; MESSAGE + 1];
        for connection in &mut connections {
            connection.allowed += MESSAGE as u64;
            connection.send(target.pattern)?;
        }
        let began = Instant::now();
        for connection in &mut connections {
            while !connection.is_even() {
                if connection.receive(target.pattern, &mut buffer)? == 0 {
                    std::thread::sleep(Duration::from_micros(100));
                }
                if began.elapsed() > PATIENCE * 4 {
                    return Err("no answer for 20 s".to_owned());
                }
            }
            stopwatch.slice.verified_bytes += MESSAGE as u64;
        }
        std::thread::sleep(Duration::from_millis(200));
        let resident = target.server.resident_memory();
        let (cpu_before, wake_ups_before) = (target.server.cpu(), target.server.wake_ups());
        std::thread::sleep(REST);
        let used = target.server.cpu().saturating_sub(cpu_before);
        let wake_ups = target.server.wake_ups().saturating_sub(wake_ups_before);
        let growth = resident.saturating_sub(before) as f64;
        let seconds = REST.as_secs_f64();
        stopwatch.slice.seconds = seconds;
        stopwatch.slice.extras = vec![
            (BYTES_PER_CONNECTION, growth / self.connections as f64),
            (CPU_AT_REST, used.as_secs_f64() * 1e6 / seconds),
            (WAKE_UPS_AT_REST, wake_ups as f64 / seconds),
        ];
        Ok(stopwatch.slice)
    }
}
