//! Connections that do nothing: the memory that each costs the server, and what the server does while nothing
//! happens. Each has sent and received once, so that buffers that come with the first use are counted.

use std::time::{Duration, Instant};

use super::echo::Echo;
use super::{Load, Stopwatch, Target, Timing};
use crate::pattern::MESSAGE;

/// Resident memory, by how much it grew for each connection.
pub(crate) const BYTES_PER_CONNECTION: &str = "bytes per idle connection";
/// What the server uses while nobody says anything.
pub(crate) const CPU_AT_REST: &str = "CPU µs per second at rest";

/// How often it wakes up meanwhile.
pub(crate) const WAKE_UPS_AT_REST: &str = "wake-ups per second at rest";

#[derive(Clone, Copy, Debug)]
pub(crate) struct Idle {
    pub(crate) connections: usize,
}

/// Needs a server that has served nobody yet.
pub(crate) fn run(load: Idle, target: &Target<'_>, timing: Timing) -> Result<super::Slice, String> {
    // What a server sets up for its first connection is not a cost of each.
    let warm_up = Timing {
        warm_up: Duration::ZERO,
        measured: Duration::from_millis(50),
    };
    super::run(
        &Echo {
            size: MESSAGE,
            connections: 4,
            pipelining: 1,
        },
        target,
        warm_up,
    )?;
    super::run(&load, target, timing)
}

impl Load for Idle {
    type Ready = (u64, super::echo::Ready);

    fn most_threads(&self) -> usize {
        1
    }

    fn prepare(&self, target: &Target<'_>, _: usize, _: usize) -> Result<Self::Ready, String> {
        let before = target.server.memory().resident;
        Ok((
            before,
            super::echo::Ready::open(target, self.connections, 0, 1)?,
        ))
    }

    fn drive(
        &self,
        target: &Target<'_>,
        ready: Self::Ready,
        stopwatch: &mut Stopwatch,
    ) -> Result<(), String> {
        let (before, ready) = ready;
        let (_epoll, mut connections) = ready.into_parts();
        let mut buffer = [0; MESSAGE + 1];
        for connection in &mut connections {
            connection.allowed += MESSAGE as u64;
            connection.send(target.pattern)?;
        }
        for connection in &mut connections {
            let began = Instant::now();
            while !connection.is_even() {
                if connection.receive(target.pattern, &mut buffer)? == 0 {
                    std::thread::sleep(Duration::from_micros(100));
                }
                if began.elapsed() > super::PATIENCE {
                    return Err("no answer for 5 s".to_owned());
                }
            }
            stopwatch.slice.verified_bytes += MESSAGE as u64;
        }
        std::thread::sleep(Duration::from_millis(200));
        let resident = target.server.memory().resident;
        let rest = stopwatch.end() - stopwatch.begin();
        let cpu = |when: &str| {
            let cpu = target.server.cpu();
            cpu.map_err(|error| format!("{when}: {error}"))
        };
        let (cpu_before, wake_ups_before) = (cpu("before the rest")?, target.server.wake_ups());
        std::thread::sleep(rest);
        let used = cpu("after the rest")?.saturating_sub(cpu_before);
        let wake_ups = target.server.wake_ups().saturating_sub(wake_ups_before);
        let seconds = rest.as_secs_f64();
        stopwatch.slice.extras = vec![
            (
                BYTES_PER_CONNECTION,
                resident.saturating_sub(before) as f64 / self.connections as f64,
            ),
            (CPU_AT_REST, used.as_secs_f64() * 1e6 / seconds),
            (WAKE_UPS_AT_REST, wake_ups as f64 / seconds),
        ];
        Ok(())
    }
}
