//! The workloads: what each one is, and the list of them.

use std::time::Duration;

use crate::load::broadcast::Broadcast;
use crate::load::bulk::{Sink, Source};
use crate::load::churn::Churn;
use crate::load::echo::Echo;
use crate::load::idle::Idle;
use crate::load::paced::Paced;
use crate::load::stalled::Stalled;
use crate::load::{Slice, Target, Timing, run};
use crate::peers::service::Mode;

/// The part of the list that a run measures.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Scope {
    /// One workload of each important kind.
    Quick,
    Standard,
    /// Every size with every number of connections.
    Full,
    /// The workloads and the peers that a bar is about.
    Bars,
}

impl Scope {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Quick => "quick",
            Self::Standard => "standard",
            Self::Full => "full",
            Self::Bars => "bars",
        }
    }
}

/// The load, with everything but the rate of an open loop, which the peers' own speed decides.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Echo(Echo),
    /// An echo whose server answers every message by itself.
    Messages(Echo),
    /// An open loop at a share of the rate that the slowest peer reaches in the closed loop of its warm-up.
    Paced(Echo, u32),
    Churn(Churn),
    Sink(Sink),
    Source(Source),
    Broadcast(Broadcast),
    Stalled(Stalled),
    Idle(Idle),
}

#[derive(Clone, Debug)]
pub(crate) struct Workload {
    pub(crate) name: String,
    /// A heading for people.
    pub(crate) title: String,
    pub(crate) kind: Kind,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) scope: Scope,
}

impl Workload {
    pub(crate) fn mode(&self) -> Mode {
        match self.kind {
            Kind::Messages(_) => Mode::Messages,
            Kind::Sink(_) => Mode::Discard,
            Kind::Source(_) => Mode::Flood,
            Kind::Broadcast(_) => Mode::Broadcast,
            _ => Mode::Echo,
        }
    }

    /// Returns the number of connections that are open at the same time.
    pub(crate) fn connections(&self) -> usize {
        match self.kind {
            Kind::Echo(echo) | Kind::Messages(echo) | Kind::Paced(echo, _) => echo.connections,
            Kind::Churn(churn) => churn.connections,
            Kind::Sink(sink) => sink.connections,
            Kind::Source(source) => source.connections,
            Kind::Broadcast(broadcast) => broadcast.members,
            Kind::Stalled(stalled) => stalled.stalled + stalled.active,
            Kind::Idle(idle) => idle.connections,
        }
    }

    /// Returns the bytes that are under way at the same time.
    pub(crate) fn bytes_under_way(&self) -> u64 {
        match self.kind {
            Kind::Echo(Echo {
                size,
                connections,
                pipelining,
            }) => (size * connections * pipelining) as u64,
            _ => 0,
        }
    }

    /// Whether each slice needs a server that has served no connection: memory does not come back.
    pub(crate) fn needs_fresh_server(&self) -> bool {
        matches!(self.kind, Kind::Stalled(_) | Kind::Idle(_))
    }

    /// Whether operations are counted at all.
    pub(crate) fn counts_operations(&self) -> bool {
        !matches!(self.kind, Kind::Idle(_))
    }

    /// Runs one slice. `rate` is the messages a second of a paced load; its warm-up has none.
    pub(crate) fn run(
        &self,
        target: &Target<'_>,
        timing: Timing,
        rate: Option<f64>,
    ) -> Result<Slice, String> {
        match (self.kind, rate) {
            (Kind::Paced(echo, _), Some(rate)) => run(&Paced { echo, rate }, target, timing),
            (Kind::Echo(echo) | Kind::Messages(echo) | Kind::Paced(echo, _), _) => {
                run(&echo, target, timing)
            }
            (Kind::Churn(churn), _) => run(&churn, target, timing),
            (Kind::Sink(sink), _) => run(&sink, target, timing),
            (Kind::Source(source), _) => run(&source, target, timing),
            (Kind::Broadcast(broadcast), _) => run(&broadcast, target, timing),
            (Kind::Stalled(stalled), _) => stalled.run(target, timing),
            (Kind::Idle(idle), _) => idle.run(target),
        }
    }
}

/// Returns all workloads.
pub(crate) fn catalogue() -> Vec<Workload> {
    let mut workloads = Vec::new();
    let mut add = |scope, name: String, title: String, kind, idle_timeout: Option<u64>| {
        let suffix = idle_timeout.map_or_else(String::new, |seconds| format!("-idle{seconds}"));
        let timeouts = if idle_timeout.is_some() {
            ", with idle timeouts"
        } else {
            ""
        };
        workloads.push(Workload {
            name: name + &suffix,
            title: title + timeouts,
            kind,
            idle_timeout: idle_timeout.map(Duration::from_secs),
            scope,
        });
    };
    for idle_timeout in [None, Some(30)] {
        for pipelining in [1, 16] {
            for (size, short) in [
                (64, "64"),
                (1 << 10, "1k"),
                (16 << 10, "16k"),
                (64 << 10, "64k"),
            ] {
                for connections in [1, 64, 1000, 10_000] {
                    let scope = match (size, connections, pipelining, idle_timeout) {
                        (64, 64, 1 | 16, None) => Scope::Quick,
                        (1024.., 64, 1, None) | (64, 1 | 1000.., 1, None) => Scope::Standard,
                        (64, 1000, 16, None) | (64, 64 | 1000, 1, Some(_)) => Scope::Standard,
                        _ => Scope::Full,
                    };
                    let name = format!("echo-{short}x{connections}p{pipelining}");
                    let title = format!(
                        "echo {short} B, {connections} connections, {pipelining} in flight"
                    );
                    let echo = Echo {
                        size,
                        connections,
                        pipelining,
                    };
                    add(scope, name, title, Kind::Echo(echo), idle_timeout);
                }
            }
        }
    }
    let echo = Echo {
        size: 64,
        connections: 64,
        pipelining: 1,
    };
    for (percent, scope) in [(25, Scope::Full), (50, Scope::Quick), (75, Scope::Standard)] {
        let title = format!("echo 64 B, 64 connections, at {percent} % of the slowest peer's peak");
        add(
            scope,
            format!("paced-64x64-{percent}%"),
            title,
            Kind::Paced(echo, percent),
            None,
        );
    }
    let messages = Kind::Messages(Echo {
        pipelining: 16,
        ..echo
    });
    let title = "echo 64 B, 64 connections, 16 in flight, a write for each answer";
    add(
        Scope::Standard,
        "messages-64x64p16".into(),
        title.into(),
        messages,
        None,
    );
    let churn = Kind::Churn(Churn { connections: 64 });
    add(
        Scope::Quick,
        "churn-64".into(),
        "connect, echo 64 B, close; 64 at a time".into(),
        churn,
        None,
    );
    for (connections, scope) in [(1, Scope::Full), (4, Scope::Standard), (16, Scope::Full)] {
        let title = |verb: &str| format!("{verb} over {connections}; one operation is 64 KiB");
        let sink = Kind::Sink(Sink { connections });
        add(
            scope,
            format!("sink-{connections}"),
            title("the client sends"),
            sink,
            None,
        );
        let source = Kind::Source(Source { connections });
        add(
            scope,
            format!("source-{connections}"),
            title("the server sends"),
            source,
            None,
        );
    }
    let members = 1000;
    for (speakers, scope) in [(1, Scope::Standard), (16, Scope::Quick)] {
        let title = format!(
            "broadcast 64 B among {members}, {speakers} speaking; one operation is a delivery"
        );
        let broadcast = Kind::Broadcast(Broadcast { members, speakers });
        add(
            scope,
            format!("broadcast-{members}x{speakers}"),
            title,
            broadcast,
            None,
        );
    }
    let stalled = Kind::Stalled(Stalled {
        stalled: 50,
        active: 16,
    });
    let title = "echo 64 B, 16 connections, beside 50 peers that send and never read";
    add(
        Scope::Standard,
        "stalled-50".into(),
        title.into(),
        stalled,
        None,
    );
    for (idle_timeout, scope) in [(None, Scope::Quick), (Some(30), Scope::Standard)] {
        let idle = Kind::Idle(Idle {
            connections: 10_000,
        });
        add(
            scope,
            "idle-10000".into(),
            "10,000 idle connections".into(),
            idle,
            idle_timeout,
        );
    }
    workloads
}
