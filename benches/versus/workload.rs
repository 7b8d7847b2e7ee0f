//! The workloads: what each one is, and the list of them.

use std::sync::Arc;
use std::time::Duration;

use crate::load::Load;
use crate::load::broadcast::Broadcast;
use crate::load::bulk::Bulk;
use crate::load::churn::Churn;
use crate::load::echo::Echo;
use crate::load::idle::Idle;
use crate::load::stalled::Stalled;
use crate::peers::service::Mode;

/// The bytes that may be under way at the same time: with more, two sides that both write wait for the kernel's memory.
const MOST_BYTES: usize = 256 << 20;

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

#[derive(Clone, Debug)]
pub(crate) struct Workload {
    pub(crate) name: String,
    /// A heading for people.
    pub(crate) title: String,
    pub(crate) scope: Scope,
    pub(crate) mode: Mode,
    pub(crate) connections: usize,
    pub(crate) load: Arc<dyn Load>,
    /// Where the rounds are an open loop: its percentage of the rate that the slowest peer reaches in [`Self::load`].
    pub(crate) paced: Option<(Echo, u32)>,
    pub(crate) idle_timeout: Option<Duration>,
}

/// Returns all workloads.
pub(crate) fn catalogue() -> Vec<Workload> {
    use Scope::{Full, Quick, Standard};
    let mut workloads = Vec::new();
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
                        (64, 64, 1 | 16, None) => Quick,
                        (1024.., 64, 1, None) | (64, 1 | 1000.., 1, None) => Standard,
                        (64, 1000, 16, None) | (64, 64 | 1000, 1, Some(_)) => Standard,
                        _ => Full,
                    };
                    if size * connections * pipelining > MOST_BYTES {
                        continue;
                    }
                    let name = format!("echo-{short}x{connections}p{pipelining}");
                    let title =
                        format!("echo of {short} bytes, {pipelining} in flight on each connection");
                    let echo = Echo::new(size, connections, pipelining);
                    let workload = Workload::new(scope, &name, &title, connections, echo);
                    workloads.push(workload.with_idle_timeout(idle_timeout));
                }
            }
        }
    }
    let echo = Echo::new(64, 64, 1);
    for (percent, scope) in [(25, Full), (50, Quick), (75, Standard)] {
        let name = format!("paced-64x64-{percent}%");
        let title = format!("echo of 64 bytes at {percent} % of the slowest peer's peak");
        let mut workload = Workload::new(scope, &name, &title, 64, echo);
        workload.paced = Some((echo, percent));
        workloads.push(workload);
    }
    let title = "echo of 64 bytes, 16 in flight, a write for each answer";
    let messages = Echo::new(64, 64, 16);
    let messages = Workload::new(Standard, "messages-64x64p16", title, 64, messages);
    workloads.push(messages.in_mode(Mode::Messages));
    let (title, churn) = ("connect, echo 64 bytes, close", Churn { connections: 64 });
    workloads.push(Workload::new(Quick, "churn-64", title, 64, churn));
    for (connections, scope) in [(1, Full), (4, Standard), (16, Full)] {
        let title = "the client sends; one operation is 64 KiB";
        let (name, sink) = (format!("sink-{connections}"), Bulk::Sink(connections));
        let sink = Workload::new(scope, &name, title, connections, sink);
        workloads.push(sink.in_mode(Mode::Discard));
        let title = "the server sends; one operation is 64 KiB";
        let (name, source) = (format!("source-{connections}"), Bulk::Source(connections));
        let source = Workload::new(scope, &name, title, connections, source);
        workloads.push(source.in_mode(Mode::Flood));
    }
    let members = 1000;
    for (speakers, scope) in [(1, Standard), (16, Quick)] {
        let name = format!("broadcast-{members}x{speakers}");
        let title = format!("{speakers} say 64 bytes at once; one operation is a delivery");
        let broadcast = Broadcast { members, speakers };
        let broadcast = Workload::new(scope, &name, &title, members, broadcast);
        workloads.push(broadcast.in_mode(Mode::Broadcast));
    }
    let title = "echo of 64 bytes beside 50 peers that send and never read";
    let (stalled, active) = (50, 16);
    let load = Stalled { stalled, active };
    workloads.push(Workload::new(Standard, "stalled-50", title, 66, load));
    for (idle_timeout, scope) in [(None, Quick), (Some(30), Standard)] {
        let connections = 10_000;
        let (title, idle) = ("idle connections", Idle { connections });
        let workload = Workload::new(scope, "idle-10000", title, connections, idle);
        workloads.push(workload.with_idle_timeout(idle_timeout));
    }
    workloads
}

impl Workload {
    fn new<L>(scope: Scope, name: &str, title: &str, connections: usize, load: L) -> Self
    where
        L: Load + 'static,
    {
        Self {
            name: name.to_owned(),
            title: format!("{title}, {connections} connections"),
            scope,
            mode: Mode::Echo,
            connections,
            load: Arc::new(load),
            paced: None,
            idle_timeout: None,
        }
    }

    fn in_mode(self, mode: Mode) -> Self {
        Self { mode, ..self }
    }

    fn with_idle_timeout(mut self, seconds: Option<u64>) -> Self {
        if let Some(seconds) = seconds {
            self.name += &format!("-idle{seconds}");
            self.title += " with idle timeouts";
        }
        self.idle_timeout = seconds.map(Duration::from_secs);
        self
    }
}
