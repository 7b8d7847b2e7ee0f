//! The statistics of the loop, as text that Prometheus reads.

use std::fmt::{Display, Write};

use netloop::Statistics;

/// Returns the metrics; `responses` are counted by the hundreds of their statuses.
pub(crate) fn text(statistics: &Statistics, responses: &[u64; 6]) -> String {
    let it = statistics;
    let mut page = Page(String::with_capacity(4096));
    page.describe(
        "http_responses_total",
        "counter",
        "Responses, by class of their status.",
    );
    for (class, count) in (1..).zip(&responses[1..]) {
        page.value(
            &format!("http_responses_total{{class=\"{class}xx\"}}"),
            count,
        );
    }
    let seconds = |name, help, value: std::time::Duration| (name, help, value.as_secs_f64());
    for (name, help, value) in [
        ("turns", "Turns that were begun.", it.turns),
        ("polls", "System calls that asked for events.", it.polls),
        (
            "events",
            "Events that were delivered to handlers.",
            it.events,
        ),
        (
            "timers",
            "Timers, timeouts and deadlines that were told.",
            it.timers,
        ),
        (
            "received_bytes",
            "Bytes that sockets have received.",
            it.bytes_received,
        ),
        (
            "sent_bytes",
            "Bytes that the kernel has taken.",
            it.bytes_sent,
        ),
        ("accepted", "Connections that were accepted.", it.accepted),
        (
            "dropped",
            "Connections that were over a limit.",
            it.dropped_over_limit,
        ),
        (
            "descriptor_shortages",
            "Accepts that failed for a lack of descriptors.",
            it.descriptor_shortages,
        ),
        (
            "silent_peers",
            "Sockets closed without a first byte.",
            it.timed_out_first_bytes,
        ),
        (
            "late_requests",
            "Sockets closed at the deadline of a request.",
            it.timed_out_deadlines,
        ),
        (
            "stalled_writes",
            "Sockets closed because the peer did not read.",
            it.timed_out_writes,
        ),
        (
            "slow_senders",
            "Sockets closed because the peer sent too slowly.",
            it.slow_senders,
        ),
        (
            "slow_receivers",
            "Sockets closed because the peer read too slowly.",
            it.slow_receivers,
        ),
    ] {
        page.metric(&format!("netloop_{name}_total"), "counter", help, value);
    }
    for (name, help, value) in [
        seconds("idle", "Time in which the loop has waited.", it.idle),
        seconds("busy", "Time in which the loop has worked.", it.busy),
        seconds("timer_lag", "Sum of the lags of all timers.", it.timer_lag),
    ] {
        page.metric(
            &format!("netloop_{name}_seconds_total"),
            "counter",
            help,
            value,
        );
    }
    for (name, help, value) in [
        seconds(
            "longest_turn",
            "Longest time in which a turn has worked.",
            it.longest_turn,
        ),
        seconds(
            "worst_lag",
            "Longest time without a look at events.",
            it.worst_lag,
        ),
    ] {
        page.metric(&format!("netloop_{name}_seconds"), "gauge", help, value);
    }
    for (name, help, value) in [
        ("sockets", "Sockets that are open.", it.sockets),
        (
            "queued_bytes",
            "Bytes that wait for the kernel.",
            it.queued_bytes,
        ),
    ] {
        page.metric(&format!("netloop_{name}"), "gauge", help, value);
    }
    page.0
}

struct Page(String);

impl Page {
    fn metric(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.describe(name, kind, help);
        self.value(name, value);
    }

    fn describe(&mut self, name: &str, kind: &str, help: &str) {
        self.line(format_args!("# HELP {name} {help}"));
        self.line(format_args!("# TYPE {name} {kind}"));
    }

    fn value(&mut self, name: &str, value: impl Display) {
        self.line(format_args!("{name} {value}"));
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        writeln!(self.0, "{line}").expect("a String takes everything");
    }
}
