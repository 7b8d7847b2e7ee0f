//! What `cargo test` runs instead of a comparison: whether the comparison itself can be believed.
//!
//! Every peer of this binary must pass every mode, a liar must be caught in every mode, a silent connection must be
//! closed after its idle timeout and not before, a server must be measured as what it is ([`servers`]), and the
//! statistics must be right where the answer is known ([`certainty`]).

mod certainty;
mod servers;

use std::io::Read;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::catalogue::{catalogue, smaller_ones};
use crate::load::broadcast::Broadcast;
use crate::load::bulk::{Sink, Source};
use crate::load::echo::Echo;
use crate::load::{Slice, Target, Timing};
use crate::pattern::{MESSAGE, Pattern};
use crate::peers::process::ServerProcess;
use crate::peers::roster::{DESCRIPTORS, LIAR};
use crate::peers::service::{Mode, Service};
use crate::peers::{Descriptor, Peer};
use crate::say::say;
use crate::system;
use crate::workload::Kind;

const TIMING: Timing = Timing {
    warm_up: Duration::from_millis(10),
    measured: Duration::from_millis(40),
};
const IDLE_TIMEOUT: Duration = Duration::from_secs(1);

/// Returns what is wrong.
pub(crate) fn run() -> Result<(), String> {
    certainty::check()?;
    smaller_workloads()?;
    for descriptor in DESCRIPTORS.iter().filter(|descriptor| descriptor.is_here()) {
        for mode in Mode::ALL {
            if descriptor.can(mode, 8) {
                let slice = serve(descriptor, mode)?.map_err(|fault| {
                    format!("{} fails as {}: {fault}", descriptor.name, mode.word())
                })?;
                if slice.operations == 0 || slice.verified_bytes == 0 {
                    return Err(format!(
                        "{} does nothing as {}",
                        descriptor.name,
                        mode.word()
                    ));
                }
            }
        }
    }
    servers::check()?;
    idle_timeouts()?;
    for mode in Mode::ALL {
        match serve(&LIAR, mode)? {
            Ok(_) => return Err(format!("a liar passes as {}", mode.word())),
            Err(fault) => say(&format!("a liar is caught as {}: {fault}", mode.word())),
        }
    }
    say("the comparison can be believed; cargo versus carries it out");
    Ok(())
}

fn start(
    descriptor: &'static Descriptor,
    mode: Mode,
    idle_timeout: Option<Duration>,
) -> Result<ServerProcess, String> {
    let peer: Peer = descriptor.find(None, std::path::Path::new("."))?;
    let core = system::cores().last().copied().unwrap_or(0);
    ServerProcess::start(
        &peer,
        &Service {
            port: 0,
            mode,
            idle_timeout,
        },
        core,
    )
}

/// One short slice of load on a server of its own: the outer error is ours, the inner one the server's.
fn serve(descriptor: &'static Descriptor, mode: Mode) -> Result<Result<Slice, String>, String> {
    let server = start(descriptor, mode, None)?;
    let cores = system::cores();
    let pattern = Pattern::seeded(1);
    let target = Target {
        address: server.address,
        server: &server.family(),
        cores: &cores[..1],
        pattern: &pattern,
    };
    let kind = match mode {
        Mode::Echo => Kind::Echo(Echo {
            size: 1024,
            connections: 8,
            pipelining: 16,
        }),
        Mode::Messages => Kind::Messages(Echo {
            size: MESSAGE,
            connections: 8,
            pipelining: 16,
        }),
        Mode::Discard => Kind::Sink(Sink { connections: 2 }),
        Mode::Flood => Kind::Source(Source { connections: 2 }),
        Mode::Broadcast => Kind::Broadcast(Broadcast {
            members: 8,
            speakers: 3,
        }),
    };
    Ok(kind.run(&target, TIMING, None))
}

/// Checks all peers at the same time, because each takes as long as the timeout.
fn idle_timeouts() -> Result<(), String> {
    std::thread::scope(|scope| {
        let here = DESCRIPTORS.iter().filter(|descriptor| descriptor.is_here());
        let checks: Vec<_> = here
            .map(|descriptor| scope.spawn(move || idle_timeout(descriptor)))
            .collect();
        let panicked = |_| Err("a check panicked".to_owned());
        checks
            .into_iter()
            .try_for_each(|check| check.join().unwrap_or_else(panicked))
    })
}

/// A connection on which nothing happens must end, and not before its time.
fn idle_timeout(descriptor: &'static Descriptor) -> Result<(), String> {
    let server = start(descriptor, Mode::Echo, Some(IDLE_TIMEOUT))?;
    let failed =
        |error: std::io::Error| format!("{} with an idle timeout: {error}", descriptor.name);
    let began = Instant::now();
    let mut stream = TcpStream::connect(server.address).map_err(failed)?;
    stream
        .set_read_timeout(Some(IDLE_TIMEOUT * 5))
        .map_err(failed)?;
    // How a server closes is its own affair: an end of stream and a reset are both an end.
    match stream.read(&mut [0]) {
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Err(format!(
            "{} never closes an idle connection",
            descriptor.name
        )),
        _ if began.elapsed() + Duration::from_millis(5) < IDLE_TIMEOUT => Err(format!(
            "{} closes an idle connection too early",
            descriptor.name
        )),
        _ => Ok(()),
    }
}

/// On a machine with few descriptors every name tells the real number, and is found by the usual one.
fn smaller_workloads() -> Result<(), String> {
    let usual = catalogue(u64::MAX, u64::MAX);
    let small = catalogue(600, u64::MAX);
    for workload in &small {
        let connections = workload.connections();
        let is_told = workload.title.contains(&connections.to_string())
            || matches!(workload.kind, Kind::Stalled(_));
        if connections > 400 || !is_told {
            return Err(format!("{} has {connections} connections", workload.name));
        }
    }
    let is_lost = |name: &str| !small.iter().any(|workload| workload.is_called(name));
    if let Some(lost) = usual.iter().find(|workload| is_lost(&workload.name)) {
        return Err(format!("nothing stands for {}", lost.name));
    }
    let told = [&usual, &small].map(|workloads| smaller_ones(workloads, 600, u64::MAX).is_some());
    if told != [false, true] {
        return Err("smaller workloads are not told".to_owned());
    }
    Ok(())
}
