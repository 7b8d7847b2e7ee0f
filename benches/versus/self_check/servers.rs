//! Whether a server is measured as what it is.

use super::{TIMING, start};
use crate::load::echo::Echo;
use crate::load::{Slice, Target, Timing};
use crate::pattern::{MESSAGE, Pattern};
use crate::peers::process::ServerProcess;
use crate::peers::roster::{DESCRIPTORS, FLOOR};
use crate::peers::service::Mode;
use crate::system;
use crate::workload::Kind;

const ECHO: Echo = Echo {
    size: MESSAGE,
    connections: 16,
    pipelining: 1,
};
pub(super) fn check() -> Result<(), String> {
    two_threads_keep_one_rate()
}

/// Runs one slice on a server, with two threads of the generator if the load has work for two.
fn run(server: &ServerProcess, kind: Kind, rate: Option<f64>) -> Result<Slice, String> {
    let core = system::cores()[0];
    let target = Target {
        address: server.address,
        process: server.id(),
        cores: &[core, core],
        pattern: &Pattern::seeded(1),
    };
    let timing = Timing {
        measured: TIMING.measured * 5,
        ..TIMING
    };
    kind.run(&target, timing, rate)
}

fn floor() -> Result<ServerProcess, String> {
    let floor = DESCRIPTORS
        .iter()
        .find(|descriptor| descriptor.name == FLOOR);
    start(floor.ok_or("there is no floor")?, Mode::Echo, None)
}

/// The rate that is kept is that of all threads, and not that of one.
fn two_threads_keep_one_rate() -> Result<(), String> {
    const RATE: f64 = 2000.0;
    let server = floor()?;
    let kind = Kind::Paced {
        echo: ECHO,
        percent: 50,
    };
    let slice = run(&server, kind, Some(RATE))?;
    let intended = slice.intended_rate.unwrap_or(0.0);
    if slice.client_threads != 2 || (intended - RATE).abs() > 0.01 || slice.rate() > RATE * 1.5 {
        return Err(format!(
            "{} threads meant to send {intended} messages a second, and {} were answered, where {RATE} were due",
            slice.client_threads,
            slice.rate()
        ));
    }
    Ok(())
}
