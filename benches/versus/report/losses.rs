//! The losses of the subject: the part of a report that is read first, and that its author would rather leave out.

use netloop_benches::bars::{CPU, SUBJECT};
use netloop_benches::statistics::{Estimate, Interval};
use netloop_benches::table::Table;

use super::Report;
use super::table::estimate;
use crate::load::{Slice, idle, stalled};
use crate::section::{Section, ratios};

/// Of the figures that only some workloads have, these are costs; the others explain.
const COSTS: [&str; 4] = [
    idle::BYTES_PER_CONNECTION,
    idle::CPU_AT_REST,
    stalled::GROWTH_PER_READER,
    stalled::P99_OF_OTHERS,
];
/// An interval that ends this near to one on both sides has shown that no difference is worth a word.
const AS_GOOD_AS_ONE: f64 = 1.05;

/// One comparison of the subject with a peer.
pub(super) struct Comparison<'a> {
    pub(super) workload: &'a str,
    pub(super) peer: &'static str,
    pub(super) figure: &'static str,
    /// Subject by peer, turned so that more than one is worse.
    pub(super) ratio: Estimate,
}

/// The end of a comparison.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    /// The whole interval is on the wrong side of one.
    Behind,
    /// The interval contains one and is too wide to say that there is no difference.
    Undecided,
    /// There were too few rounds for an interval.
    NotJudged,
    /// The interval contains one and nothing that is far from it.
    Even,
    /// The whole interval is on the right side of one.
    Ahead,
}

impl Verdict {
    /// The verdict on a ratio of which more than one is worse.
    pub(super) fn of(ratio: &Estimate) -> Self {
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
}

/// Returns every comparison of the subject, the worst first.
pub(super) fn comparisons(report: &Report) -> Vec<Comparison<'_>> {
    let mut comparisons: Vec<_> = report.sections.iter().flat_map(of_section).collect();
    comparisons.sort_by(|one, other| other.ratio.median.total_cmp(&one.ratio.median));
    comparisons
}

fn of_section(section: &Section) -> Vec<Comparison<'_>> {
    let Some(subject) = section.row(SUBJECT) else {
        return Vec::new();
    };
    let mut comparisons = Vec::new();
    for row in section.valid_rows().filter(|row| row.peer != SUBJECT) {
        let mut compare = |figure: &'static str, value: &dyn Fn(&Slice) -> f64| {
            let ratio = Estimate::of(&ratios(subject, row, value));
            comparisons.extend(ratio.map(|ratio| Comparison {
                workload: &section.workload.name,
                peer: row.peer,
                figure,
                ratio,
            }));
        };
        if section.workload.load.counts_operations() {
            compare(CPU, &Slice::cpu_per_operation_ns);
            if section.workload.paced.is_some() || section.workload.connections == 1 {
                compare("p99", &|slice| slice.latency_ns(0.99));
            }
        }
        let has = |name: &&&str| row.slices[0].extra(name).is_some();
        for name in COSTS.iter().filter(has) {
            compare(name, &|slice| slice.extra(name).unwrap_or(0.0).max(1.0));
        }
    }
    comparisons
}

/// Returns the chapter that a report begins with.
pub(super) fn chapter(report: &Report) -> String {
    use Verdict::{Ahead, Behind, Even, NotJudged, Undecided};
    let comparisons = comparisons(report);
    let with = |verdict| {
        let all = comparisons.iter();
        all.filter(move |one| Verdict::of(&one.ratio) == verdict)
    };
    let mut losses = Table::new(&["workload", "against", "figure", "ratio (95 %)"]);
    for section in &report.sections {
        if let Some(fault) = section.fault(SUBJECT) {
            losses.push([&section.workload.name, "every peer", "VOID", fault]);
        }
    }
    for loss in with(Behind) {
        let ratio = estimate(&loss.ratio);
        losses.push([loss.workload, loss.peer, loss.figure, &ratio]);
    }
    let verdicts = [Ahead, Even, Undecided, Behind, NotJudged];
    let [ahead, even, undecided, behind, not_judged] = verdicts.map(|it| with(it).count());
    let sentence = format!(
        "Ahead in {ahead} comparisons, even in {even}, undecided in {undecided}, behind in {behind}; not judged in \
         {not_judged}. Behind means that the whole 95 % interval of the ratio is above one, where more than one is worse; even, \
         that it contains one and ends within 5 % of it on both sides; undecided, that it contains one and more; not judged, \
         that there were fewer than six rounds."
    );
    let losses = match losses.rows.is_empty() {
        true if comparisons.is_empty() => "Nothing was compared.".to_owned(),
        true => "Nowhere in this run.".to_owned(),
        false => losses.markdown(),
    };
    let mut parts = vec![losses, sentence];
    if undecided > 0 {
        let names = with(Undecided)
            .map(|one| format!("{} against {} ({})", one.workload, one.peer, one.figure));
        let names = names.collect::<Vec<_>>().join("; ");
        let hope = "Undecided, which more rounds or a quieter machine may decide";
        parts.push(format!("{hope}: {names}."));
    }
    super::chapter(&format!("Where {SUBJECT} loses"), &parts)
}

/// Returns why this run must not pass for one that measured something, a line for each reason.
pub(crate) fn fatal(report: &Report) -> Vec<String> {
    let mut failures = Vec::new();
    for section in &report.sections {
        let name = &section.workload.name;
        if !section.rows.is_empty() && section.rows.iter().all(|row| row.fault.is_some()) {
            failures.push(format!("{name}: every peer is void"));
        }
        for peer in [SUBJECT, report.baseline] {
            let fault = section.fault(peer);
            failures.extend(fault.map(|fault| format!("{name}: {peer}: {fault}")));
        }
    }
    failures.dedup();
    failures
}
