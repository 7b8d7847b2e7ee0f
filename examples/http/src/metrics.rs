//! The statistics of the loop, as text that Prometheus reads.

use std::fmt::{Arguments, Write};

use netloop::Statistics;

/// A metric: its name, its kind, its help and its value.
type Metric = (&'static str, &'static str, &'static str, f64);

/// Returns the metrics; `responses` are counted by the hundreds of their statuses.
pub(crate) fn text(statistics: &Statistics, responses: &[u64; 6]) -> String {
    let mut page = Page(String::with_capacity(8 << 10));
    page.describe("http_responses_total", "counter", "Responses by class.");
    for (class, count) in (1..).zip(&responses[1..]) {
        page.line(format_args!(
            "http_responses_total{{class=\"{class}xx\"}} {count}"
        ));
    }
    for (name, kind, help, value) in metrics(statistics) {
        page.describe(name, kind, help);
        page.line(format_args!("{name} {value}"));
    }
    page.0
}

/// A selection: what an operator of this server would look at.
#[rustfmt::skip]
fn metrics(it: &Statistics) -> [Metric; 21] {
    let count = |count: u64| count as f64;
    [
        ("netloop_turns_total", "counter", "Turns of the loop.", count(it.turns)),
        ("netloop_polls_total", "counter", "System calls that asked for events.", count(it.polls)),
        ("netloop_events_total", "counter", "Events that handlers were told.", count(it.events)),
        ("netloop_timers_total", "counter", "Timers and deadlines that were told.", count(it.timers)),
        ("netloop_received_bytes_total", "counter", "Bytes that sockets have received.", count(it.bytes_received)),
        ("netloop_sent_bytes_total", "counter", "Bytes that the kernel has taken.", count(it.bytes_sent)),
        ("netloop_accepted_total", "counter", "Connections that were accepted.", count(it.accepted)),
        ("netloop_dropped_total", "counter", "Connections over a limit.", count(it.dropped_over_limit)),
        ("netloop_descriptor_shortages_total", "counter", "Accepts without a descriptor.", count(it.descriptor_shortages)),
        ("netloop_silent_peers_total", "counter", "Closes for want of a first byte.", count(it.timed_out_first_bytes)),
        ("netloop_late_requests_total", "counter", "Closes at the deadline of a request.", count(it.timed_out_deadlines)),
        ("netloop_stalled_writes_total", "counter", "Closes because a peer did not read.", count(it.timed_out_writes)),
        ("netloop_slow_senders_total", "counter", "Closes because a peer sent too slowly.", count(it.slow_senders)),
        ("netloop_slow_receivers_total", "counter", "Closes because a peer read too slowly.", count(it.slow_receivers)),
        ("netloop_idle_seconds_total", "counter", "Time in which the loop has waited.", it.idle.as_secs_f64()),
        ("netloop_busy_seconds_total", "counter", "Time in which the loop has worked.", it.busy.as_secs_f64()),
        ("netloop_longest_turn_seconds", "gauge", "Longest time that a turn has worked.", it.longest_turn.as_secs_f64()),
        ("netloop_worst_lag_seconds", "gauge", "Longest time without a look at events.", it.worst_lag.as_secs_f64()),
        ("netloop_worst_timer_lag_seconds", "gauge", "Longest lag of a timer.", it.worst_timer_lag.as_secs_f64()),
        ("netloop_sockets", "gauge", "Sockets that are open.", it.sockets as f64),
        ("netloop_queued_bytes", "gauge", "Bytes that wait for the kernel.", it.queued_bytes as f64),
    ]
}

struct Page(String);

impl Page {
    fn describe(&mut self, name: &str, kind: &str, help: &str) {
        self.line(format_args!("# HELP {name} {help}"));
        self.line(format_args!("# TYPE {name} {kind}"));
    }

    fn line(&mut self, line: Arguments<'_>) {
        writeln!(self.0, "{line}").expect("a String takes everything");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text format 0.0.4: two lines of comment, then the samples of that name. Counts are whole numbers.
    #[test]
    fn each_metric_is_described_once_and_has_values() {
        let mut statistics = Statistics::default();
        statistics.bytes_sent = 12_345_678_901;
        statistics.idle = std::time::Duration::from_millis(1_500);
        let page = text(&statistics, &[0, 0, 7, 0, 1, 0]);
        let mut described = Vec::new();
        for line in page.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["#", "HELP", name, _, ..] => described.push(name),
                ["#", "TYPE", name, "counter" | "gauge"] => {
                    assert_eq!(described.last(), Some(&name))
                }
                [name, value] => {
                    assert_eq!(described.last(), Some(&name.split('{').next().unwrap()));
                    value.parse::<f64>().unwrap();
                }
                _ => panic!("{line:?}"),
            }
        }
        let all = described.len();
        described.sort_unstable();
        described.dedup();
        assert_eq!(described.len(), all);
        for line in [
            "http_responses_total{class=\"2xx\"} 7",
            "netloop_sent_bytes_total 12345678901",
            "netloop_idle_seconds_total 1.5",
        ] {
            assert!(page.lines().any(|it| it == line), "{line}");
        }
    }
}
