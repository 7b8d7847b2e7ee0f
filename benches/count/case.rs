//! The cases: what the servers have to do while they are counted, and how much that may take.

use crate::load::Load;

/// Under one kind of load, several servers.
pub(crate) struct Case {
    /// A word for the command line.
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    /// What the figures are for one of.
    pub(crate) operation: &'static str,
    /// The second argument of the server.
    pub(crate) mode: &'static str,
    pub(crate) load: Load,
    /// How many rounds a short and a long run have.
    pub(crate) rounds: [u32; 2],
    /// Whether the servers with idle timeouts are counted too.
    pub(crate) has_idle_timeouts: bool,
    pub(crate) bars: &'static [Bar],
}

/// What netloop may take at most.
pub(crate) struct Bar {
    pub(crate) figure: Figure,
    pub(crate) at_most: f64,
}

/// A figure of netloop's row.
#[derive(Clone, Copy)]
pub(crate) enum Figure {
    Instructions,
    /// What an idle timeout adds to them.
    InstructionsOfIdleTimeout,
    SystemCalls,
    Sends,
    SendsPerReceive,
}

impl Figure {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Instructions => "instructions",
            Self::InstructionsOfIdleTimeout => "instructions of an idle timeout",
            Self::SystemCalls => "system calls",
            Self::Sends => "sends",
            Self::SendsPerReceive => "sends for each receive",
        }
    }
}

pub(crate) const CASES: [Case; 8] = [
    Case {
        name: "echo",
        title: "echo of 64 bytes, 64 connections",
        operation: "message",
        mode: "echo",
        load: Load::Echo {
            connections: 64,
            size: 64,
            in_flight: 1,
        },
        rounds: [100, 500],
        has_idle_timeouts: true,
        bars: &[
            bar(Figure::Instructions, 250.0),
            bar(Figure::InstructionsOfIdleTimeout, 30.0),
            bar(Figure::SystemCalls, 2.03),
        ],
    },
    Case {
        name: "pipelined",
        title: "echo of 64 bytes, 64 connections, 16 in flight each",
        operation: "message",
        mode: "echo",
        load: PIPELINED,
        rounds: [50, 250],
        has_idle_timeouts: false,
        bars: &[bar(Figure::SendsPerReceive, ONE)],
    },
    Case {
        name: "messages",
        title: "the same with a write of its own for each answer: 16 writes in one callback",
        operation: "message",
        mode: "messages",
        load: PIPELINED,
        rounds: [50, 250],
        has_idle_timeouts: false,
        bars: &[bar(Figure::SendsPerReceive, ONE)],
    },
    Case {
        name: "64k",
        title: "echo of 64 KiB, 64 connections",
        operation: "message",
        mode: "echo",
        load: Load::Echo {
            connections: 64,
            size: 64 << 10,
            in_flight: 1,
        },
        rounds: [10, 60],
        has_idle_timeouts: false,
        bars: &[bar(Figure::SystemCalls, 2.1)],
    },
    Case {
        name: "visits",
        title: "connect, echo of 64 bytes, close; 64 at a time",
        operation: "connection",
        mode: "echo",
        load: Load::Visits { at_a_time: 64 },
        rounds: [10, 60],
        has_idle_timeouts: false,
        bars: &[bar(Figure::SystemCalls, 7.3)],
    },
    Case {
        name: "sink",
        title: "sink: 4 connections send as fast as they can",
        operation: "64 KiB",
        mode: "discard",
        load: Load::Sink { connections: 4 },
        rounds: [200, 1200],
        has_idle_timeouts: false,
        bars: &[bar(Figure::Instructions, NO_COPY)],
    },
    Case {
        name: "source",
        title: "source: 4 connections are sent to as fast as they read",
        operation: "64 KiB",
        mode: "flood",
        load: Load::Source { connections: 4 },
        rounds: [200, 1200],
        has_idle_timeouts: false,
        bars: &[bar(Figure::Instructions, NO_COPY)],
    },
    Case {
        name: "broadcast",
        title: "broadcast of 64 bytes among 200 members, 16 of them speaking at once",
        operation: "member and round",
        mode: "broadcast",
        load: Load::Broadcast {
            members: 200,
            speakers: 16,
        },
        rounds: [20, 100],
        has_idle_timeouts: false,
        bars: &[bar(Figure::Sends, ONE)],
    },
];

const PIPELINED: Load = Load::Echo {
    connections: 64,
    size: 64,
    in_flight: 16,
};
/// To copy 64 KiB takes at least an instruction for each 64 bytes.
const NO_COPY: f64 = 1000.0;
/// One, and a little for what arrives in two parts by chance.
const ONE: f64 = 1.02;

const fn bar(figure: Figure, at_most: f64) -> Bar {
    Bar { figure, at_most }
}
