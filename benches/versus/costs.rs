//! What a slice costs beside its measurement, found out on this machine with these peers and as busy as it is: starting
//! a runtime takes from a millisecond to a fifth of a second, a connection from 30 to 400 µs.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::load::echo::Echo;
use crate::load::{Target, Timing};
use crate::pattern::{MESSAGE, Pattern};
use crate::peers::Peer;
use crate::peers::process::ServerProcess;
use crate::peers::service::{Mode, Service};
use crate::rounds::Cores;
use crate::workload::Kind;

/// So many are opened to learn what one takes.
const CONNECTIONS: u32 = 200;
const TIMING: Timing = Timing {
    warm_up: Duration::from_millis(2),
    measured: Duration::from_millis(8),
};

/// Means over the peers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Costs {
    /// From the start of a server until it listens.
    pub(crate) start: Duration,
    /// Of each slice.
    pub(crate) slice: Duration,
    /// Of each connection of a slice, until it is open and until it is gone.
    pub(crate) connection: Duration,
}

/// Until they have been measured.
const USUAL: Costs = Costs {
    start: Duration::from_millis(50),
    slice: Duration::from_millis(30),
    connection: Duration::from_micros(100),
};

static MEASURED: OnceLock<Costs> = OnceLock::new();

/// What is known by now.
pub(crate) fn known() -> Costs {
    MEASURED.get().copied().unwrap_or(USUAL)
}

/// Measures them, which takes about a tenth of a second for each peer.
pub(crate) fn measure(peers: &[Peer], cores: &Cores) -> Costs {
    let each: Vec<Costs> = peers
        .iter()
        .filter_map(|peer| of_peer(peer, cores).ok())
        .collect();
    let Some(count) = u32::try_from(each.len()).ok().filter(|count| *count > 0) else {
        return USUAL;
    };
    let mean = |cost: fn(&Costs) -> Duration| each.iter().map(cost).sum::<Duration>() / count;
    let costs = Costs {
        start: mean(|costs| costs.start),
        slice: mean(|costs| costs.slice),
        connection: mean(|costs| costs.connection),
    };
    *MEASURED.get_or_init(|| costs)
}

/// A peer that fails here will fail where it counts, and be void there.
fn of_peer(peer: &Peer, cores: &Cores) -> Result<Costs, String> {
    let service = Service {
        port: 0,
        mode: Mode::Echo,
        idle_timeout: None,
    };
    let began = Instant::now();
    let server = ServerProcess::start(peer, &service, cores.server)?;
    let start = began.elapsed();
    let pattern = Pattern::seeded(1);
    let family = server.family();
    let target = Target {
        address: server.address,
        server: &family,
        cores: &cores.client,
        pattern: &pattern,
    };
    let slice = |connections: u32| {
        let load = Kind::Echo(Echo {
            size: MESSAGE,
            connections: usize::try_from(connections).map_err(|error| error.to_string())?,
            pipelining: 1,
        });
        let began = Instant::now();
        load.run(&target, TIMING, None)?;
        let measured = TIMING.warm_up + TIMING.measured;
        Ok::<_, String>(began.elapsed().saturating_sub(measured))
    };
    let (one, many) = (slice(1)?, slice(CONNECTIONS)?);
    Ok(Costs {
        start,
        slice: one,
        connection: many.saturating_sub(one) / (CONNECTIONS - 1),
    })
}
