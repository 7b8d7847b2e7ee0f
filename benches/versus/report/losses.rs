//! Where the subject is behind: the part of a report that is read first, and that its author would rather leave out.

use super::table::{Table, estimate};
use super::{Report, SUBJECT};
use crate::load::{Slice, idle, stalled};
use crate::rounds::{Section, ratios};
use crate::statistics::Estimate;
use crate::summary::Summary;

/// Of what only some workloads have, these are costs; the others explain.
const COSTS: [&str; 4] = [
    idle::BYTES_PER_CONNECTION,
    idle::CPU_AT_REST,
    stalled::GROWTH_PER_READER,
    stalled::P99_OF_OTHERS,
];
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
    /// The interval contains one, or there were too few rounds for an interval: this run cannot tell.
    Undecided,
    /// The whole interval is on the right side of one.
    Ahead,
}

impl Comparison {
    pub(crate) fn verdict(&self) -> Verdict {
        if self.ratio.is_above(1.0) {
            Verdict::Behind
        } else if self.ratio.is_below(1.0) {
            Verdict::Ahead
        } else {
            Verdict::Undecided
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

/// The losses as a table, and a sentence about all comparisons.
pub(crate) struct Account {
    pub(crate) losses: Table,
    pub(crate) sentence: String,
}

/// What a report begins with; none when the subject did not take part.
pub(crate) fn account(report: &Report) -> Option<Account> {
    report.peers.iter().find(|(name, _, _)| *name == SUBJECT)?;
    let comparisons = comparisons(report);
    let with = |verdict| {
        comparisons
            .iter()
            .filter(move |comparison| comparison.verdict() == verdict)
    };
    let mut losses = Table::new(&["workload", "against", "figure", "ratio (95 %)"]);
    for loss in with(Verdict::Behind) {
        let cells = [
            &loss.workload,
            loss.peer,
            loss.figure,
            &estimate(&loss.ratio),
        ];
        losses
            .rows
            .push(cells.iter().map(ToString::to_string).collect());
    }
    let sentence = format!(
        "Ahead in {} comparisons, undecided in {}, behind in {}. Behind means that the whole 95 % interval of the ratio is \
         above one, where more than one is worse; undecided, that the interval contains one, or that there were fewer than six rounds.",
        with(Verdict::Ahead).count(),
        with(Verdict::Undecided).count(),
        losses.rows.len()
    );
    Some(Account { losses, sentence })
}

/// The same in Markdown.
pub(crate) fn text(report: &Report) -> String {
    let Some(Account { losses, sentence }) = account(report) else {
        return format!("{SUBJECT} did not take part.\n");
    };
    let losses = if losses.rows.is_empty() {
        "nowhere in this run\n".to_owned()
    } else {
        losses.markdown()
    };
    format!("## Where {SUBJECT} loses\n\n{losses}\n{sentence}\n")
}
