//! The workloads: what each one is, and the list of them.

use std::sync::Arc;
use std::time::Duration;

use crate::load::Load;
use crate::load::broadcast::Broadcast;
use crate::load::bulk::{Sink, Source};
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
    let mut workloads = Vec::new();
    for idle_timeout in [None, Some(Duration::from_secs(30))] {
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
                    if size * connections * pipelining > MOST_BYTES {
                        continue;
                    }
                    let name = format!("echo-{short}x{connections}p{pipelining}");
                    let title =
                        format!("echo of {short} bytes, {pipelining} in flight on each connection");
                    let echo = Arc::new(Echo {
                        size,
                        connections,
                        pipelining,
                    });
                    let workload = Workload::new(scope, &name, &title, connections, echo);
                    workloads.push(workload.with_idle_timeout(idle_timeout));
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
        let name = format!("paced-64x64-{percent}%");
        let title = format!("echo of 64 bytes at {percent} % of the slowest peer's peak");
        let mut workload = Workload::new(scope, &name, &title, 64, Arc::new(echo));
        workload.paced = Some((echo, percent));
        workloads.push(workload);
    }
    let mut add = |scope, mode, name: &str, title: &str, connections, load| {
        let mut workload = Workload::new(scope, name, title, connections, load);
        workload.mode = mode;
        workloads.push(workload);
    };
    let title = "echo of 64 bytes, 16 in flight, a write for each answer";
    let messages = Arc::new(Echo {
        pipelining: 16,
        ..echo
    });
    add(
        Scope::Standard,
        Mode::Messages,
        "messages-64x64p16",
        title,
        64,
        messages,
    );
    let churn = Arc::new(Churn { connections: 64 });
    add(
        Scope::Quick,
        Mode::Echo,
        "churn-64",
        "connect, echo 64 bytes, close",
        64,
        churn,
    );
    for (connections, scope) in [(1, Scope::Full), (4, Scope::Standard), (16, Scope::Full)] {
        let title = "the client sends; one operation is 64 KiB";
        let sink = Arc::new(Sink { connections });
        add(
            scope,
            Mode::Discard,
            &format!("sink-{connections}"),
            title,
            connections,
            sink,
        );
        let title = "the server sends; one operation is 64 KiB";
        let source = Arc::new(Source { connections });
        add(
            scope,
            Mode::Flood,
            &format!("source-{connections}"),
            title,
            connections,
            source,
        );
    }
    let members = 1000;
    for (speakers, scope) in [(1, Scope::Standard), (16, Scope::Quick)] {
        let name = format!("broadcast-{members}x{speakers}");
        let title = format!("{speakers} say 64 bytes at once; one operation is a delivery");
        let broadcast = Arc::new(Broadcast { members, speakers });
        add(scope, Mode::Broadcast, &name, &title, members, broadcast);
    }
    let title = "echo of 64 bytes beside 50 peers that send and never read";
    let stalled = Arc::new(Stalled {
        stalled: 50,
        active: 16,
    });
    add(
        Scope::Standard,
        Mode::Echo,
        "stalled-50",
        title,
        66,
        stalled,
    );
    for (idle_timeout, scope) in [(None, Scope::Quick), (Some(30), Scope::Standard)] {
        let connections = 10_000;
        let idle = Arc::new(Idle { connections });
        let workload = Workload::new(scope, "idle-10000", "idle connections", connections, idle);
        workloads.push(workload.with_idle_timeout(idle_timeout.map(Duration::from_secs)));
    }
    workloads
}

impl Workload {
    fn new(scope: Scope, name: &str, title: &str, connections: usize, load: Arc<dyn Load>) -> Self {
        Self {
            name: name.to_owned(),
            title: format!("{title}, {connections} connections"),
            scope,
            mode: Mode::Echo,
            connections,
            load,
            paced: None,
            idle_timeout: None,
        }
    }

    fn with_idle_timeout(mut self, idle_timeout: Option<Duration>) -> Self {
        if let Some(timeout) = idle_timeout {
            self.name += &format!("-idle{}", timeout.as_secs());
            self.title += " with idle timeouts";
        }
        self.idle_timeout = idle_timeout;
        self
    }
}
