//! Which bars there are: what the project has promised of itself.

use super::{Bar, Figure};
use crate::load::{idle, stalled};
use crate::peers::roster::FLOOR;
use crate::report::SUBJECT;

/// The subject with an idle timeout for each socket.
const WITH_IDLE_TIMEOUT: &str = "netloop_idle";
/// The subject when it looks for events for a while before it sleeps.
const BUSY_POLLING: &str = "netloop_busy";
/// Who has to be behind where messages are small.
const RIVALS: [&str; 8] = [
    "libuv",
    "tokio",
    "tokio_tuned",
    "bun",
    "bun_tuned",
    "deno",
    "node",
    "node_tuned",
];
/// Workloads with rivals.
const CONTESTED: [&str; 2] = ["echo-64x64p1", "echo-1kx64p1"];
/// CPU time of each message as a multiple of the floor's.
const ECHOES: [(&str, f64); 8] = [
    ("echo-64x64p1", 1.03),
    ("echo-1kx64p1", 1.03),
    ("echo-64x64p16", 1.05),
    ("echo-64x1000p1", 1.05),
    ("echo-64x10000p1", 1.05),
    ("echo-16kx64p1", 1.05),
    ("echo-64kx64p1", 1.03),
    ("echo-64x1p1", 1.03),
];
/// Of these no idle timeout is asked for.
const OTHERS: [(&str, f64); 5] = [
    ("messages-64x64p16", 1.05),
    ("churn-64", 1.03),
    ("sink-4", 1.05),
    ("source-4", 1.05),
    ("broadcast-1000x16", 1.1),
];
/// What an idle timeout may add.
const IDLE_TIMEOUT: f64 = 1.02;
/// What busy polling leaves of the latency of one connection.
const BUSY_POLL: f64 = 0.6;
const IDLE_BYTES: f64 = 256.0;
const STALLED_KIB: f64 = 128.0;
/// "Unchanged" is a 99th percentile that no stalled reader moves by more than it moves by itself.
const UNCHANGED: f64 = 1.1;

/// All of them, what is quickly measured first: what that leaves of the time is then the others'.
pub(crate) fn bars() -> Vec<Bar> {
    let mut bars = vec![
        itself("idle-10000", Figure::Extra(idle::WAKE_UPS_AT_REST), 0.0),
        itself(
            "idle-10000-idle30",
            Figure::Extra(idle::BYTES_PER_CONNECTION),
            IDLE_BYTES,
        ),
        itself(
            "idle-10000-idle30",
            Figure::Extra(idle::WAKE_UPS_AT_REST),
            1.0,
        ),
        itself(
            "stalled-50",
            Figure::Extra(stalled::GROWTH_PER_READER),
            STALLED_KIB,
        ),
        itself("stalled-50", Figure::Extra(stalled::P99_CHANGE), UNCHANGED),
    ];
    for (workload, at_most) in ECHOES {
        bars.push(cpu(workload, SUBJECT, FLOOR, at_most));
        bars.push(cpu(workload, WITH_IDLE_TIMEOUT, SUBJECT, IDLE_TIMEOUT));
        if CONTESTED.contains(&workload) {
            bars.extend(RIVALS.map(|rival| cpu(workload, SUBJECT, rival, 1.0)));
        }
    }
    bars.push(Bar {
        figure: Figure::MedianLatency,
        ..cpu("echo-64x1p1", BUSY_POLLING, SUBJECT, BUSY_POLL)
    });
    bars.extend(OTHERS.map(|(workload, at_most)| cpu(workload, SUBJECT, FLOOR, at_most)));
    bars
}

/// Whether a bar is about this peer.
pub(crate) fn needs(peer: &str) -> bool {
    bars()
        .iter()
        .any(|bar| bar.peers().any(|name| name == peer))
}

fn cpu(workload: &'static str, subject: &'static str, against: &'static str, at_most: f64) -> Bar {
    Bar {
        workload,
        subject,
        against: Some(against),
        figure: Figure::Cpu,
        at_most,
    }
}

fn itself(workload: &'static str, figure: Figure, at_most: f64) -> Bar {
    Bar {
        workload,
        subject: SUBJECT,
        against: None,
        figure,
        at_most,
    }
}
