//! The bars: what netloop may cost at most. One table for all benches, and one judge.

use crate::statistics::{BAR_ERROR, Estimate, Interval};
use crate::table::{Table, thousands};

/// The peer that the bars are about.
pub const SUBJECT: &str = "netloop";
/// The peer below which no loop should get: the least that the kernel can be asked for.
pub const FLOOR: &str = "raw_epoll";
/// The name of the figure that most bars of `versus` are about.
pub const CPU: &str = "CPU per operation";

/// The bench that measures a bar.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Bench {
    /// Times and memory beside other servers, by rounds.
    Versus,
    /// Instructions and system calls, which are counted.
    Count,
    /// The parts, by samples.
    Micro,
    /// Echoes of datagrams beside other servers, by rounds.
    Datagrams,
    /// The operations of the example `resp` beside Redis, by rounds.
    Resp,
}

type Name = &'static str;

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub struct Bar {
    /// The command that measures it.
    pub bench: Bench,
    /// The workload, the case or the group of lines.
    pub workload: Name,
    /// The name of the figure.
    pub figure: Name,
    /// The peer or the line that the figure is of.
    pub subject: Name,
    /// The peer or the line that it is divided by; `None` where the figure itself is held against the bar.
    pub against: Option<Name>,
    /// The bar.
    pub at_most: f64,
}

/// The measurement that is held against a bar.
#[derive(Clone, Debug)]
pub enum Measured {
    /// A count, which is the same in every run.
    Count(f64),
    /// A value, or a ratio, for each round.
    Rounds(Vec<f64>),
    /// Nothing, and why.
    Nothing(String),
}

/// The judgement of one bar.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The bar.
    pub bar: Bar,
    /// The measurement, for readers.
    pub measured: String,
    /// The judgement, for readers.
    pub verdict: String,
}

impl Bar {
    /// Judges a count by itself, and rounds by their 99 % interval, all of which has to be on one side of the bar.
    pub fn judge(&self, measured: &Measured) -> Outcome {
        let number = |value: f64| match self.against {
            None if value.abs() >= 10.0 => thousands(value),
            _ => format!("{value:.3}"),
        };
        let reached = |is_reached: bool| if is_reached { "reached" } else { "NOT REACHED" };
        let (measured, verdict) = match measured {
            Measured::Nothing(reason) => ("-".to_owned(), format!("not measured: {reason}")),
            Measured::Count(count) => (number(*count), reached(*count <= self.at_most).to_owned()),
            Measured::Rounds(rounds) => {
                let estimate = Estimate::with_error(rounds, BAR_ERROR);
                let interval = estimate.and_then(|estimate| estimate.interval);
                let verdict = match interval {
                    Some(Interval { high, .. }) if high <= self.at_most => reached(true),
                    Some(Interval { low, .. }) if low > self.at_most => reached(false),
                    Some(_) => "not decided",
                    None => "not decided: too few rounds",
                };
                let mut text = estimate.map_or_else(String::new, |it| number(it.median));
                if let Some(Interval { low, high }) = interval {
                    text += &format!(" ({}–{})", number(low), number(high));
                }
                (text, verdict.to_owned())
            }
        };
        Outcome {
            bar: *self,
            measured,
            verdict,
        }
    }
}

/// Judges the bars of a workload by what `measured` returns for each.
pub fn judge(
    bench: Bench,
    workload: &str,
    measured: impl Fn(&Bar) -> Measured,
) -> impl Iterator<Item = Outcome> {
    let bars = of(bench).into_iter();
    let bars = bars.filter(move |bar| bar.workload == workload);
    bars.map(move |bar| bar.judge(&measured(&bar)))
}

/// Prints the judgements.
pub fn print(outcomes: &[Outcome]) {
    println!("\nthe bars:\n\n{}", table(outcomes).markdown());
}

/// Returns the judgements as a table.
pub fn table(outcomes: &[Outcome]) -> Table {
    let mut table = Table::new(&["workload", "figure", "measured", "at most", "bar"]);
    for Outcome {
        bar,
        measured,
        verdict,
    } in outcomes
    {
        let figure = match bar.against {
            Some(against) => format!("{}, {} / {against}", bar.figure, bar.subject),
            None => bar.figure.to_owned(),
        };
        let at_most = bar.at_most.to_string();
        table.push([bar.workload, &figure, measured, &at_most, verdict]);
    }
    table
}

/// Returns the bars of one bench.
pub fn of(bench: Bench) -> Vec<Bar> {
    let mut bars = BARS.to_vec();
    for (workload, at_most) in ECHOES {
        bars.push(cpu(workload, SUBJECT, FLOOR, at_most));
        bars.push(cpu(workload, IDLE, SUBJECT, 1.02));
    }
    // An echo has to be cheaper than that of each rival.
    for workload in ["echo-64x64p1", "echo-1kx64p1"] {
        bars.extend(RIVALS.map(|rival| cpu(workload, SUBJECT, rival, 1.0)));
    }
    bars.retain(|bar| bar.bench == bench);
    bars
}

const RIVALS: [&str; 8] = [
    "libuv",
    "tokio",
    "tokio_tuned",
    "compio",
    "bun",
    "deno",
    "node",
    "node_tuned",
];

/// The subject with an idle timeout for each socket, and the subject that polls for a while before it sleeps.
const IDLE: &str = "netloop_idle";
const BUSY: &str = "netloop_busy";
/// To copy 64 KiB takes at least an instruction for each 64 bytes.
const NO_COPY: f64 = 1000.0;
/// One, and a little for the messages that arrive in two parts by chance.
const ONE: f64 = 1.02;
/// The line that the bars of the timers are multiples of, so that they hold on other machines.
const TOKIO_MOVES: &str = "timers, a million: move/tokio Sleep/1000000";

/// CPU time of an echo, as a multiple of the floor's; an idle timeout may add a fiftieth.
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

const BARS: [Bar; 40] = [
    // Resident memory of an idle connection, and no work while nothing happens.
    own("idle-10000", "wake-ups per second at rest", 0.0),
    own("idle-10000-idle30", "bytes per idle connection", 256.0),
    own("idle-10000-idle30", "wake-ups per second at rest", 1.0),
    // A peer that never reads must not grow the server beyond its queue, nor slow down the others.
    own("stalled-50", "growth per stalled reader, KiB", 128.0),
    own("stalled-50", "p99 of the others, beside by before", 1.1),
    // CPU time of each message, as a multiple of the floor's.
    own("echo-64x1p1", "p50", 0.6).of(BUSY, SUBJECT),
    cpu("messages-64x64p16", SUBJECT, FLOOR, 1.05),
    cpu("churn-64", SUBJECT, FLOOR, 1.03),
    cpu("sink-4", SUBJECT, FLOOR, 1.05),
    cpu("source-4", SUBJECT, FLOOR, 1.05),
    cpu("broadcast-1000x16", SUBJECT, FLOOR, 1.1),
    // An echo was to take 250 instructions; without the cached capacity, which cost more code than it was worth, 340.
    count("echo", "instructions", 340.0),
    count("echo", "instructions of an idle timeout", 30.0),
    count("echo", "system calls", 2.03),
    count("pipelined", "sends for each receive", ONE),
    count("messages", "sends for each receive", ONE),
    count("64k", "system calls", 2.1),
    count("visits", "instructions", 3_100.0),
    count("visits", "system calls", 7.3),
    count("sink", "instructions", NO_COPY),
    count("source", "instructions", NO_COPY),
    // While no bar stood here, limits, filters and UDP took a member's share from 1,354 to 1,797 unseen.
    count("broadcast", "instructions", 1_400.0),
    count("broadcast", "sends", ONE),
    // Alone, a datagram takes a wait, a receive, a send, and a receive that would block, as in a loop by hand.
    count("datagram", "instructions", 1_900.0),
    count("datagram", "system calls", 4.1),
    count("datagrams", "instructions", 540.0),
    count("datagrams", "system calls", 2.13),
    datagrams("one at a time"),
    datagrams("16 sockets with one each"),
    datagrams("8 sockets with 8 each"),
    resp("ping_mbulk, pipeline 1"),
    resp("ping_mbulk, pipeline 16"),
    resp("set, pipeline 1"),
    resp("set, pipeline 16"),
    resp("get, pipeline 1"),
    resp("get, pipeline 16"),
    timer("timers, a million: arm/wheel/1000000", 0.12),
    timer("timers, a million: cancel/wheel/1000000", 0.18),
    timer("timers, a million: expire/wheel/1000000", 0.18),
    timer(
        "timers: an idle timeout is put off/wheel, lazily/30000000",
        0.012,
    ),
];

const fn own(workload: Name, figure: Name, at_most: f64) -> Bar {
    Bar {
        bench: Bench::Versus,
        workload,
        figure,
        subject: SUBJECT,
        against: None,
        at_most,
    }
}

impl Bar {
    const fn by(mut self, bench: Bench) -> Self {
        self.bench = bench;
        self
    }

    const fn of(mut self, subject: &'static str, against: &'static str) -> Self {
        self.subject = subject;
        self.against = Some(against);
        self
    }
}

const fn cpu(workload: Name, subject: Name, against: Name, at_most: f64) -> Bar {
    own(workload, CPU, at_most).of(subject, against)
}

const fn count(workload: Name, figure: Name, at_most: f64) -> Bar {
    own(workload, figure, at_most).by(Bench::Count)
}

/// The processor time of a datagram, as a multiple of that of the loop by hand on mio.
const fn datagrams(workload: Name) -> Bar {
    cpu(workload, SUBJECT, "mio", 1.05).by(Bench::Datagrams)
}

/// The processor time of an operation, as a multiple of that of Redis.
const fn resp(workload: Name) -> Bar {
    cpu(workload, "resp", "redis", 0.9).by(Bench::Resp)
}

const fn timer(subject: Name, at_most: f64) -> Bar {
    let time = own("timers", "time", at_most).by(Bench::Micro);
    time.of(subject, TOKIO_MOVES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_decided_where_all_of_the_interval_is_on_one_side() {
        let bar = cpu("", SUBJECT, FLOOR, 1.0);
        let rounds =
            |from: f64| Measured::Rounds((0..9).map(|n| from + f64::from(n) / 100.0).collect());
        for (measured, expected) in [
            (rounds(0.9), "reached"),
            (rounds(1.01), "NOT REACHED"),
            (rounds(0.95), "not decided"),
            (
                Measured::Rounds(vec![0.5; 7]),
                "not decided: too few rounds",
            ),
            (Measured::Count(1.0), "reached"),
            (Measured::Nothing("no".to_owned()), "not measured: no"),
        ] {
            assert_eq!(bar.judge(&measured).verdict, expected);
        }
    }
}
