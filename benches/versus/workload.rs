//! What is measured: the list of workloads, and which of them a short run does.

use std::time::Duration;

use crate::load::broadcast::Broadcast;
use crate::load::bulk::{Sink, Source};
use crate::load::churn::Churn;
use crate::load::echo::Echo;
use crate::load::idle::Idle;
use crate::load::paced::Paced;
use crate::load::stalled::Stalled;
use crate::load::{self, Slice, Target, Timing};
use crate::peers::Peer;
use crate::peers::service::{IDLE_TIMEOUT, Mode};

/// Descriptors that a process needs beside its connections.
const SPARE_DESCRIPTORS: u64 = 200;

/// How much of the list a run does.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Scope {
    /// About two minutes: one workload of each important kind.
    Quick,
    /// A quarter of an hour.
    Standard,
    /// An hour or more: every size with every number of connections.
    Full,
}

/// The load, with everything but the rate of an open loop, which the peers' own speed decides.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Echo(Echo),
    /// An echo whose server answers every message by itself.
    Messages(Echo),
    /// An open loop at a share of what the slowest peer reaches in the closed loop of its warm-up, once it is warm.
    Paced {
        echo: Echo,
        percent: u32,
    },
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
            Kind::Echo(_)
            | Kind::Paced { .. }
            | Kind::Churn(_)
            | Kind::Stalled(_)
            | Kind::Idle(_) => Mode::Echo,
            Kind::Messages(_) => Mode::Messages,
            Kind::Sink(_) => Mode::Discard,
            Kind::Source(_) => Mode::Flood,
            Kind::Broadcast(_) => Mode::Broadcast,
        }
    }

    /// The connections that are open at the same time.
    pub(crate) fn connections(&self) -> usize {
        match self.kind {
            Kind::Echo(echo) | Kind::Messages(echo) | Kind::Paced { echo, .. } => echo.connections,
            Kind::Churn(churn) => churn.connections,
            Kind::Sink(sink) => sink.connections,
            Kind::Source(source) => source.connections,
            Kind::Broadcast(broadcast) => broadcast.members,
            Kind::Stalled(stalled) => stalled.stalled + stalled.active,
            Kind::Idle(idle) => idle.connections,
        }
    }

    pub(crate) fn suits(&self, peer: &Peer) -> bool {
        peer.descriptor.can(self.mode(), self.connections())
    }

    /// How much of it is on its way at the same time.
    pub(crate) fn bytes_under_way(&self) -> usize {
        match self.kind {
            Kind::Echo(echo) | Kind::Messages(echo) => {
                echo.size * echo.connections * echo.pipelining
            }
            _ => 0,
        }
    }

    /// Whether each slice needs a server that has served nobody: memory does not come back.
    pub(crate) fn needs_fresh_server(&self) -> bool {
        matches!(self.kind, Kind::Stalled(_) | Kind::Idle(_))
    }

    /// Whether operations are counted at all.
    pub(crate) fn counts_operations(&self) -> bool {
        !matches!(self.kind, Kind::Idle(_))
    }
}

impl Kind {
    /// Runs one slice. `rate` is the messages a second of a fixed-rate load.
    pub(crate) fn run(
        &self,
        target: &Target<'_>,
        timing: Timing,
        rate: Option<f64>,
    ) -> Result<Slice, String> {
        match *self {
            Self::Echo(echo) | Self::Messages(echo) => load::run(&echo, target, timing),
            Self::Paced { echo, .. } => match rate {
                Some(rate) => load::run(
                    &Paced {
                        size: echo.size,
                        connections: echo.connections,
                        rate,
                    },
                    target,
                    timing,
                ),
                None => load::run(&echo, target, timing),
            },
            Self::Churn(churn) => load::run(&churn, target, timing),
            Self::Sink(sink) => load::run(&sink, target, timing),
            Self::Source(source) => load::run(&source, target, timing),
            Self::Broadcast(broadcast) => load::run(&broadcast, target, timing),
            Self::Stalled(stalled) => load::stalled::run(stalled, target, timing),
            Self::Idle(idle) => load::idle::run(idle, target, timing),
        }
    }
}

/// All workloads, with no more connections than `open_files` allows, and no more bytes under way than `tcp_memory`.
pub(crate) fn catalogue(open_files: u64, tcp_memory: u64) -> Vec<Workload> {
    let most = usize::try_from(open_files.saturating_sub(SPARE_DESCRIPTORS))
        .unwrap_or(usize::MAX)
        .max(16);
    let mut workloads = Vec::new();
    for idle_timeout in [None, Some(IDLE_TIMEOUT)] {
        for pipelining in [1, 16] {
            for size in [64, 1024, 16 * 1024, 64 * 1024] {
                for connections in [1, 64, 1000, 10_000] {
                    let connections = connections.min(most);
                    let fitting = tcp_memory / (size * connections) as u64;
                    let echo = Echo {
                        size,
                        connections,
                        pipelining: usize::try_from(fitting)
                            .unwrap_or(usize::MAX)
                            .clamp(1, pipelining),
                    };
                    workloads.push(echo_workload(echo, idle_timeout));
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
        workloads.push(plain(
            format!("paced-64x64-{percent}%"),
            format!(
                "echo 64 B, 64 connections, fixed rate: {percent} % of the slowest peer's peak"
            ),
            Kind::Paced { echo, percent },
            scope,
        ));
    }
    workloads.push(plain(
        "messages-64x64p16".to_owned(),
        "echo 64 B, 64 connections, 16 in flight each, a write of its own for each answer"
            .to_owned(),
        Kind::Messages(Echo {
            pipelining: 16,
            ..echo
        }),
        Scope::Standard,
    ));
    workloads.push(plain(
        "churn-64".to_owned(),
        "connect, echo 64 B, close; 64 at a time".to_owned(),
        Kind::Churn(Churn { connections: 64 }),
        Scope::Quick,
    ));
    for (connections, scope) in [(1, Scope::Full), (4, Scope::Standard), (16, Scope::Full)] {
        let title =
            |verb: &str| format!("{verb} over {connections} connections; one operation is 64 KiB");
        let sink = Kind::Sink(Sink { connections });
        workloads.push(plain(
            format!("sink-{connections}"),
            title("sink: the client sends"),
            sink,
            scope,
        ));
        let source = Kind::Source(Source { connections });
        workloads.push(plain(
            format!("source-{connections}"),
            title("source: the server sends"),
            source,
            scope,
        ));
    }
    let members = most.min(1000);
    for (speakers, scope) in [(1, Scope::Standard), (16, Scope::Quick)] {
        workloads.push(plain(
            format!("broadcast-{members}x{speakers}"),
            format!("broadcast 64 B among {members} members, {speakers} speaking at once; one operation is a delivery"),
            Kind::Broadcast(Broadcast { members, speakers }),
            scope,
        ));
    }
    workloads.push(plain(
        "stalled-50".to_owned(),
        "echo 64 B, 16 connections, beside 50 peers that send and never read".to_owned(),
        Kind::Stalled(Stalled {
            stalled: 50.min(most / 2),
            active: 16.min(most / 2),
        }),
        Scope::Standard,
    ));
    let connections = most.min(10_000);
    for (idle_timeout, scope) in [(None, Scope::Quick), (Some(IDLE_TIMEOUT), Scope::Standard)] {
        workloads.push(Workload {
            name: format!("idle-{connections}{}", idle_suffix(idle_timeout)),
            title: format!("{connections} idle connections{}", idle_words(idle_timeout)),
            kind: Kind::Idle(Idle { connections }),
            idle_timeout,
            scope,
        });
    }
    // A small limit of open files makes several sizes the same.
    let mut seen = std::collections::HashSet::new();
    workloads.retain(|workload| seen.insert(workload.name.clone()));
    workloads
}

fn plain(name: String, title: String, kind: Kind, scope: Scope) -> Workload {
    Workload {
        name,
        title,
        kind,
        idle_timeout: None,
        scope,
    }
}

fn echo_workload(echo: Echo, idle_timeout: Option<Duration>) -> Workload {
    let Echo {
        size,
        connections,
        pipelining,
    } = echo;
    let scope = match (size, connections, pipelining, idle_timeout.is_some()) {
        (64, 64, 1 | 16, false) => Scope::Quick,
        (1024 | 16_384 | 65_536, 64, 1, false)
        | (64, 1 | 1000.., 1, false)
        | (64, 1000, 16, false)
        | (64, 64 | 1000, 1, true) => Scope::Standard,
        _ => Scope::Full,
    };
    let words = if size < 1024 {
        format!("{size} B")
    } else {
        format!("{} KiB", size / 1024)
    };
    let plural = if connections == 1 { "" } else { "s" };
    let depth = if pipelining == 1 {
        String::new()
    } else {
        format!(", {pipelining} in flight each")
    };
    let short = if size < 1024 {
        size.to_string()
    } else {
        format!("{}k", size / 1024)
    };
    Workload {
        name: format!(
            "echo-{short}x{connections}p{pipelining}{}",
            idle_suffix(idle_timeout)
        ),
        title: format!(
            "echo {words}, {connections} connection{plural}{depth}{}",
            idle_words(idle_timeout)
        ),
        kind: Kind::Echo(echo),
        idle_timeout,
        scope,
    }
}

fn idle_suffix(idle_timeout: Option<Duration>) -> String {
    idle_timeout.map_or_else(String::new, |timeout| format!("-idle{}", timeout.as_secs()))
}

fn idle_words(idle_timeout: Option<Duration>) -> String {
    idle_timeout.map_or_else(String::new, |timeout| {
        format!(", each with an idle timeout of {} s", timeout.as_secs())
    })
}
