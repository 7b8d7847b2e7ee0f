//! The cases: the work of the servers while they are counted.

use crate::load::Load;

/// Several servers under one kind of load.
pub(crate) struct Case {
    /// A word for the command line.
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    /// The figures are for one of these.
    pub(crate) operation: &'static str,
    /// The second argument of the server.
    pub(crate) mode: &'static str,
    pub(crate) load: Load,
    /// The rounds of a short and of a long run.
    pub(crate) rounds: [u32; 2],
}

const fn case(
    name: &'static str,
    title: &'static str,
    operation: &'static str,
    mode: &'static str,
    load: Load,
    rounds: [u32; 2],
) -> Case {
    Case {
        name,
        title,
        operation,
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

const BROADCAST: Load = Load::Broadcast {
    members: 200,
    speakers: 16,
};

/// The first one is also counted with idle timeouts.
pub(crate) const CASES: [Case; 8] = [
    case(
        "echo",
        "echo of 64 bytes, 64 connections",
        "message",
        "echo",
        echo(64, 1),
        [100, 500],
    ),
    case(
        "pipelined",
        "echo of 64 bytes, 64 connections, 16 in flight each",
        "message",
        "echo",
        echo(64, 16),
        [50, 250],
    ),
    case(
        "messages",
        "the same with a write for each answer: 16 writes in one callback",
        "message",
        "messages",
        echo(64, 16),
        [50, 250],
    ),
    case(
        "64k",
        "echo of 64 KiB, 64 connections",
        "message",
        "echo",
        echo(64 << 10, 1),
        [10, 60],
    ),
    case(
        "visits",
        "connect, echo of 64 bytes, close; 64 at a time",
        "connection",
        "echo",
        Load::Visits { at_a_time: 64 },
        [10, 60],
    ),
    case(
        "sink",
        "sink: 4 connections send as fast as they can",
        "64 KiB",
        "discard",
        Load::Sink { connections: 4 },
        [200, 1200],
    ),
    case(
        "source",
        "source: 4 connections are sent to as fast as they read",
        "64 KiB",
        "flood",
        Load::Source { connections: 4 },
        [200, 1200],
    ),
    case(
        "broadcast",
        "broadcast of 64 bytes among 200 members, 16 of them speaking at once",
        "member and round",
        "broadcast",
        BROADCAST,
        [20, 100],
    ),
];
