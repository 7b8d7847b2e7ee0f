//! Where the subject is behind: the part of a report that is read first, and that its author would rather leave out.

use super::table::{Table, estimate};
use super::{Report, SUBJECT, voids};
use crate::load::{Slice, idle, stalled};
use crate::rounds::{Section, ratios};
use crate::statistics::{Estimate, Interval};
use crate::summary::Summary;

/// Of what only some workloads have, these are costs; the others explain.
const COSTS: [&str; 4] = [
    idle::BYTES_PER_CONNECTION,
    idle::CPU_AT_REST,
    stalled::GROWTH_PER_READER,
    stalled::P99_OF_OTHERS,
];
/// An interval that ends this near to one on both sides has shown that there is no difference worth a word.
const AS_GOOD_AS_ONE: f64 = 1.05;
/// Two runs of one program differ by as much.
const MEMORY_NOISE: u64 = 1_000_000;

/// One comparison of the subject with a peer.
pub(crate) struct Comparison {
    pub(crate) workload: String,
    pub(crate) peer: &'static str,
    pub(crate) figure: &'static str,
    /// Subject by peer, turned so that more than one is worse.
    pub(crate) ratio: Estimate,
}

/// How a comparison ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    /// The whole interval is on the wrong side of one.
    Behind,
    /// The interval contains one and is too wide to say that there is no difference: this run cannot tell.
    Undecided,
    /// Too few rounds for an interval, or a figure that has one value only: nobody tried to tell.
    NotJudged,
    /// The interval contains one and nothing that is far from it.
    Even,
    /// The whole interval is on the right side of one.
    Ahead,
}

impl Comparison {
    pub(crate) fn verdict(&self) -> Verdict {
        Verdict::of(&self.ratio)
    }
}

impl Verdict {
    /// Of a ratio of which more than one is worse.
    pub(crate) fn of(ratio: &Estimate) -> Self {
        let Some(Interval { low, high }) = ratio.interval else {
            return Self::NotJudged;
        };
        if low > 1.0 {
            Self::Behind
        } else if high < 1.0 {
            Self::Ahead
        } else if high <= AS_GOOD_AS_ONE && low >= 1.0 / AS_GOOD_AS_ONE {
            Self::Even
        } else {
            Self::Undecided
        }
    }

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Behind => "behind",
            Self::Undecided => "undecided",
            Self::NotJudged => "not judged",
            Self::Even => "even",
            Self::Ahead => "ahead",
        }
    }
}

/// Every comparison of the subject, the worst first.
pub(crate) fn comparisons(report: &Report) -> Vec<Comparison> {
    let mut comparisons: Vec<Comparison> = report.sections.iter().flat_map(section).collect();
    comparisons.sort_by(|one, other| other.ratio.median.total_cmp(&one.ratio.median));
    comparisons
}

fn section(section: &Section) -> Vec<Comparison> {
    let Some(subject) = section.row(SUBJECT) else {
        return Vec::new();
    };
    let mut comparisons = Vec::new();
    // Neither the generator's limit nor other programs are the peers' affair.
    let is_distorted = |peer: &str| {
        section
            .row(peer)
            .and_then(|row| Summary::of(row, section, peer))
            .is_some_and(|summary| summary.client_bound || summary.disturbed)
    };
    for row in section
        .rows
        .iter()
        .filter(|row| row.peer != SUBJECT && section.row(row.peer).is_some())
    {
        let mut compare = |figure, values: Vec<f64>| {
            if let Some(ratio) = Estimate::of(&values) {
                let workload = section.workload.name.clone();
                comparisons.push(Comparison {
                    workload,
                    peer: row.peer,
                    figure,
                    ratio,
                });
            }
        };
        if section.workload.counts_operations() {
            compare(
                "CPU per operation",
                ratios(subject, row, Slice::cpu_per_operation_ns),
            );
            let is_paced = row.slices[0].intended_rate.is_some();
            if is_paced || section.workload.connections() == 1 {
                let p99 = |slice: &Slice| slice.latency.value_at_quantile(0.99) as f64;
                compare("p99", ratios(subject, row, p99));
            }
            if !is_paced && !is_distorted(SUBJECT) && !is_distorted(row.peer) {
                compare(
                    "time per operation",
                    ratios(subject, row, |slice| 1.0 / slice.rate()),
                );
            }
        }
        for (place, (name, _)) in subject.slices[0].extras.iter().enumerate() {
            if COSTS.contains(name) {
                compare(
                    name,
                    ratios(subject, row, |slice| slice.extras[place].1.max(1.0)),
                );
            }
        }
        let (mine, theirs) = (subject.peak_memory, row.peak_memory.max(1));
        if mine.abs_diff(theirs) > MEMORY_NOISE {
            // One value for all rounds: it is told, and decides nothing.
            compare("peak memory", vec![mine as f64 / theirs as f64]);
        }
    }
    comparisons
}

/// What a report begins with.
pub(crate) struct Account {
    /// Where the subject failed, then where it is behind.
    pub(crate) losses: Table,
    /// Instead of the table when there is nothing in it.
    pub(crate) nowhere: &'static str,
    /// About all comparisons.
    pub(crate) sentence: String,
    /// What cannot be told from this run, if there is anything: how much, and then which.
    pub(crate) undecided: Option<(String, Table)>,
}

/// None when the subject did not take part.
pub(crate) fn account(report: &Report) -> Option<Account> {
    report.peers.iter().find(|(name, _, _)| *name == SUBJECT)?;
    let comparisons = comparisons(report);
    let with = |verdict| {
        comparisons
            .iter()
            .filter(move |comparison| comparison.verdict() == verdict)
    };
    let voids = voids::of_subject(report);
    let mut losses = Table::new(&["workload", "against", "figure", "ratio (95 %)"]);
    for (workload, fault) in &voids {
        losses.push(&[workload, "everybody", "VOID", fault]);
    }
    for loss in with(Verdict::Behind) {
        losses.push(&[
            &loss.workload,
            loss.peer,
            loss.figure,
            &estimate(&loss.ratio),
        ]);
    }
    let count = |verdict| with(verdict).count();
    let void = match voids.len() {
        0 => String::new(),
        count => format!("VOID in {count} of {} workloads. ", report.sections.len()),
    };
    let sentence = format!(
        "{void}Ahead in {} comparisons, even in {}, undecided in {}, behind in {}; not judged in {}. Behind means that the \
         whole 95 % interval of the ratio is above one, where more than one is worse; even, that it contains one and ends \
         within 5 % of it on both sides; undecided, that it contains one and more; not judged, that there were fewer than \
         six rounds, or one value for all of them, as of peak memory.",
        count(Verdict::Ahead),
        count(Verdict::Even),
        count(Verdict::Undecided),
        count(Verdict::Behind),
        count(Verdict::NotJudged),
    );
    let undecided = match count(Verdict::Undecided) {
        0 => None,
        number => Some((
            format!(
                "UNDECIDED: {number} of {} comparisons. Who is ahead there this run cannot tell: more rounds can \
                 (--rounds, --seconds), or a quieter machine.",
                comparisons.len() - count(Verdict::NotJudged)
            ),
            by_workload_and_figure(with(Verdict::Undecided)),
        )),
    };
    Some(Account {
        losses,
        nowhere: if comparisons.is_empty() {
            "nothing was compared"
        } else {
            "nowhere in this run"
        },
        sentence,
        undecided,
    })
}

/// A row for each workload and figure, in it the peers.
fn by_workload_and_figure<'a>(comparisons: impl Iterator<Item = &'a Comparison>) -> Table {
    let mut comparisons: Vec<&Comparison> = comparisons.collect();
    comparisons.sort_by_key(|comparison| (&comparison.workload, comparison.figure));
    let mut table = Table::new(&["undecided", "figure", "against"]);
    for same in comparisons
        .chunk_by(|one, other| (&one.workload, one.figure) == (&other.workload, other.figure))
    {
        let peers: Vec<&str> = same.iter().map(|comparison| comparison.peer).collect();
        table.push(&[&same[0].workload, same[0].figure, &peers.join(", ")]);
    }
    table
}

/// The same in Markdown.
pub(crate) fn text(report: &Report) -> String {
    let Some(account) = account(report) else {
        return format!("{SUBJECT} did not take part.\n");
    };
    let losses = if account.losses.rows.is_empty() {
        format!("{}\n", account.nowhere)
    } else {
        account.losses.markdown()
    };
    let mut text = format!(
        "## Where {SUBJECT} loses\n\n{losses}\n{}\n",
        account.sentence
    );
    if let Some((loud, table)) = account.undecided {
        text.push_str(&format!("\n**{loud}**\n\n{}", table.markdown()));
    }
    text
}
