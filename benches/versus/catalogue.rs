//! Which workloads there are, by name, and which of them a short run does.

use std::time::Duration;

use crate::load::broadcast::Broadcast;
use crate::load::bulk::{Sink, Source};
use crate::load::churn::Churn;
use crate::load::echo::Echo;
use crate::load::idle::Idle;
use crate::load::stalled::Stalled;
use crate::peers::service::IDLE_TIMEOUT;
use crate::workload::{Kind, Scope, Workload};

/// Descriptors that a process needs beside its connections.
const SPARE_DESCRIPTORS: u64 = 200;

/// All workloads, with no more connections than `open_files` allows, and no more bytes under way than `tcp_memory`.
pub(crate) fn catalogue(open_files: u64, tcp_memory: u64) -> Vec<Workload> {
    let mut catalogue: Vec<Workload> = Vec::new();
    let unlimited = workloads(u64::MAX, u64::MAX);
    for (usual, mut real) in unlimited.into_iter().zip(workloads(open_files, tcp_memory)) {
        // What a smaller one is for, it does not forget.
        real.scope = usual.scope;
        if real.name != usual.name {
            real.stands_for.push(usual.name);
        }
        // A small limit makes several sizes the same.
        match catalogue.iter_mut().find(|known| known.name == real.name) {
            Some(known) => {
                known.scope = known.scope.min(real.scope);
                known.stands_for.append(&mut real.stands_for);
            }
            None => catalogue.push(real),
        }
    }
    catalogue
}

/// Which of these workloads had to be made smaller, in a sentence for readers who know them by their usual names.
pub(crate) fn smaller_ones(
    chosen: &[Workload],
    open_files: u64,
    tcp_memory: u64,
) -> Option<String> {
    let smaller: Vec<String> = chosen
        .iter()
        .filter(|workload| !workload.stands_for.is_empty())
        .map(|workload| format!("{} for {}", workload.name, workload.stands_for.join(", ")))
        .collect();
    (!smaller.is_empty()).then(|| {
        format!(
            "workloads are smaller than usual, as there are only {open_files} open files (ulimit -n) and {} MB for TCP \
             (tcp_mem): {}",
            tcp_memory / 1_000_000,
            smaller.join("; ")
        )
    })
}

/// In an order that does not depend on the limits.
fn workloads(open_files: u64, tcp_memory: u64) -> Vec<Workload> {
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
    let few = most.min(64);
    let echo = Echo {
        size: 64,
        connections: few,
        pipelining: 1,
    };
    for (percent, scope) in [(25, Scope::Full), (50, Scope::Quick), (75, Scope::Standard)] {
        workloads.push(plain(
            format!("paced-64x{few}-{percent}%"),
            format!(
                "echo 64 B, {few} connections, fixed rate: {percent} % of the slowest peer's peak"
            ),
            Kind::Paced { echo, percent },
            scope,
        ));
    }
    workloads.push(plain(
        format!("messages-64x{few}p16"),
        format!(
            "echo 64 B, {few} connections, 16 in flight each, a write of its own for each answer"
        ),
        Kind::Messages(Echo {
            pipelining: 16,
            ..echo
        }),
        Scope::Standard,
    ));
    workloads.push(plain(
        format!("churn-{few}"),
        format!("connect, echo 64 B, close; {few} at a time"),
        Kind::Churn(Churn { connections: few }),
        Scope::Quick,
    ));
    for (connections, scope) in [(1, Scope::Full), (4, Scope::Standard), (16, Scope::Full)] {
        let plural = if connections == 1 { "" } else { "s" };
        let title = |verb: &str| {
            format!("{verb} over {connections} connection{plural}; one operation is 64 KiB")
        };
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
    let (stalled, active) = (50.min(most / 2), 16.min(most / 2));
    workloads.push(plain(
        format!("stalled-{stalled}"),
        format!("echo 64 B, {active} connections, beside {stalled} peers that send and never read"),
        Kind::Stalled(Stalled { stalled, active }),
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
            stands_for: Vec::new(),
        });
    }
    workloads
}

fn plain(name: String, title: String, kind: Kind, scope: Scope) -> Workload {
    Workload {
        name,
        title,
        kind,
        idle_timeout: None,
        scope,
        stands_for: Vec::new(),
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
        stands_for: Vec::new(),
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
