//! The cases: the work of the servers while they are counted.

use super::load::Load;
use crate::peers::service::Mode;

/// Several servers under one kind of load.
pub(crate) struct Case {
    /// A word for the command line.
    pub(crate) name: &'static str,
    pub(crate) mode: Mode,
    pub(crate) load: Load,
    /// The rounds of a short and of a long run.
    pub(crate) rounds: [u32; 2],
}

const fn case(name: &'static str, mode: Mode, load: Load, rounds: [u32; 2]) -> Case {
    Case {
        name,
        mode,
        load,
        rounds,
    }
}

const fn echo(size: usize, in_flight: usize) -> Load {
    Load::Echo {
        connections: 64,
        size,
        in_flight,
    }
}

const VISITS: Load = Load::Visits { at_a_time: 64 };
const SINK: Load = Load::Sink { connections: 4 };
const SOURCE: Load = Load::Source { connections: 4 };
const BROADCAST: Load = Load::Broadcast {
    members: 200,
    speakers: 16,
};

const fn datagrams(sockets: usize) -> Load {
    Load::Datagrams { sockets }
}

/// The first one is also counted with idle timeouts and with limits. In `messages` each answer is a write of its own.
pub(crate) const CASES: [Case; 10] = [
    case("echo", Mode::Echo, echo(64, 1), [100, 500]),
    case("pipelined", Mode::Echo, echo(64, 16), [50, 250]),
    case("messages", Mode::Messages, echo(64, 16), [50, 250]),
    case("64k", Mode::Echo, echo(64 << 10, 1), [10, 60]),
    case("visits", Mode::Echo, VISITS, [10, 60]),
    case("sink", Mode::Discard, SINK, [200, 1200]),
    case("source", Mode::Flood, SOURCE, [200, 1200]),
    case("broadcast", Mode::Broadcast, BROADCAST, [20, 100]),
    case("datagram", Mode::Echo, datagrams(1), [100, 500]),
    case("datagrams", Mode::Echo, datagrams(16), [100, 500]),
];
