//! The cases: the work of the servers while they are counted.

use crate::load::Load;

/// Several servers under one kind of load.
pub(crate) struct Case {
    /// A word for the command line.
    pub(crate) name: &'static str,
    /// The second argument of the server.
    pub(crate) mode: &'static str,
    pub(crate) load: Load,
    /// The rounds of a short and of a long run.
    pub(crate) rounds: [u32; 2],
}

const fn case(name: &'static str, mode: &'static str, load: Load, rounds: [u32; 2]) -> Case {
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
    case("echo", "echo", echo(64, 1), [100, 500]),
    case("pipelined", "echo", echo(64, 16), [50, 250]),
    case("messages", "messages", echo(64, 16), [50, 250]),
    case("64k", "echo", echo(64 << 10, 1), [10, 60]),
    case("visits", "echo", VISITS, [10, 60]),
    case("sink", "discard", SINK, [200, 1200]),
    case("source", "flood", SOURCE, [200, 1200]),
    case("broadcast", "broadcast", BROADCAST, [20, 100]),
    case("datagram", "datagrams", datagrams(1), [100, 500]),
    case("datagrams", "datagrams", datagrams(16), [100, 500]),
];
