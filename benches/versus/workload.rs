//! What is measured: what a workload is, and how it is carried by a load. The list is in [`crate::catalogue`].

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
use crate::peers::service::Mode;

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

impl Scope {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Quick => "quick",
            Self::Standard => "standard",
            Self::Full => "full",
        }
    }
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
    /// The names of larger ones for which this machine has too few descriptors or too little memory.
    pub(crate) stands_for: Vec<String>,
}

impl Workload {
    /// Whether this is what a user means by a name, on this machine or another.
    pub(crate) fn is_called(&self, name: &str) -> bool {
        self.name == name || self.stands_for.iter().any(|larger| larger == name)
    }

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
