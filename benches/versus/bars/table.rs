//! The bars for readers.

use serde_json::{Value, json};

use super::{Bar, Outcome, Verdict};
use crate::report::table::{Table, thousands};
use crate::statistics::Interval;

/// What has to be known before the table is believed.
pub(crate) const NOTE: &str = "\
Reached: the whole interval is at the bar or below. Not reached: all of it is above. Not decided: the bar lies within \
it, and the time was over, or there were fewer than eight rounds, and so no interval. Intervals are of 99 %, since each bar \
is looked at after every pass until it is decided. Ratios are of the same round, with rounds left out in which other programs had these cores for \
more than 5 % of the time; where these were too many, the row says disturbed, and is decided only if its interval is a \
tenth away from the bar. To be ahead of a peer is to be below one. \
System calls and instructions are counted by `cargo count`, timers are measured by \
`cargo micro timers`.";

/// One line for each bar.
pub(crate) fn table(outcomes: &[Outcome]) -> Table {
    let mut table = Table::new(&["workload", "figure", "measured (99 %)", "bar", "", "rounds"]);
    for outcome in outcomes {
        let bar = &outcome.bar;
        let measured = outcome.estimate.map_or_else(
            || "-".to_owned(),
            |estimate| {
                let number = |value| number(bar, value);
                let median = number(estimate.median);
                match estimate.interval {
                    Some(Interval { low, high }) => {
                        format!("{median} ({}–{})", number(low), number(high))
                    }
                    None => median,
                }
            },
        );
        let cells = [
            bar.workload.to_owned(),
            what(bar),
            measured,
            number(bar, bar.at_most),
            verdict(outcome),
            outcome.rounds.to_string(),
        ];
        table.rows.push(cells.to_vec());
    }
    table
}

/// How many of each kind.
pub(crate) fn sentence(outcomes: &[Outcome]) -> String {
    let count = |verdict: fn(&Verdict) -> bool| {
        outcomes
            .iter()
            .filter(|outcome| verdict(&outcome.verdict))
            .count()
    };
    format!(
        "Of {} bars {} are reached, {} are not, {} are not decided, {} were not measured.",
        outcomes.len(),
        count(|verdict| *verdict == Verdict::Reached),
        count(|verdict| *verdict == Verdict::NotReached),
        count(|verdict| *verdict == Verdict::NotDecided),
        count(|verdict| matches!(verdict, Verdict::NotMeasured(_))),
    )
}

/// The whole section of a report, in Markdown.
pub(crate) fn text(outcomes: &[Outcome]) -> String {
    format!(
        "## The bars\n\n{}\n{}\n\n{NOTE}\n\n",
        table(outcomes).markdown(),
        sentence(outcomes)
    )
}

pub(crate) fn json(outcome: &Outcome) -> Value {
    let bar = &outcome.bar;
    json!({
        "workload": bar.workload,
        "figure": bar.figure.name(),
        "subject": bar.subject,
        "against": bar.against,
        "at_most": bar.at_most,
        "measured": outcome.estimate.map(|estimate| json!({
            "median": estimate.median,
            "low": estimate.interval.map(|interval| interval.low),
            "high": estimate.interval.map(|interval| interval.high),
        })),
        "rounds": outcome.rounds,
        "disturbed": outcome.is_disturbed,
        "verdict": verdict(outcome),
    })
}

fn what(bar: &Bar) -> String {
    let name = bar.figure.name();
    match bar.against {
        Some(against) => format!("{name}, {} / {against}", bar.subject),
        None => name.to_owned(),
    }
}

/// Hundredths tell ratios apart; whole bytes are enough.
fn number(bar: &Bar, value: f64) -> String {
    if bar.against.is_some() || value.abs() < 10.0 {
        format!("{value:.3}")
    } else {
        thousands(value)
    }
}

fn verdict(outcome: &Outcome) -> String {
    let verdict = match &outcome.verdict {
        Verdict::Reached => "reached",
        Verdict::NotReached => "NOT REACHED",
        Verdict::NotDecided => "not decided",
        Verdict::NotMeasured(reason) => return format!("not measured: {reason}"),
    };
    let disturbed = if outcome.is_disturbed {
        " (disturbed)"
    } else {
        ""
    };
    format!("{verdict}{disturbed}")
}
