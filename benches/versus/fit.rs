//! What fits into the time of a run, and what is left out of it: a run that takes three times as long as it was given is
//! no better than one that says what it did not do.

use std::time::Duration;

use crate::costs;
use crate::peers::Peer;
use crate::plan::{self, Plan};
use crate::workload::Workload;

/// What a run is to do.
pub(crate) struct Fit<'a> {
    pub(crate) workloads: Vec<Workload>,
    pub(crate) peers: Vec<&'a Peer>,
    pub(crate) plan: Plan,
    /// What had no room.
    pub(crate) left_out: Vec<String>,
}

impl<'a> Fit<'a> {
    /// Everything, which may take longer than it should.
    pub(crate) fn all(workloads: &[Workload], peers: &'a [Peer], plan: Plan) -> Self {
        Self {
            workloads: workloads.to_vec(),
            peers: peers.iter().collect(),
            plan,
            left_out: Vec::new(),
        }
    }

    /// Leaves out what does not fit into `time`: first repeated starts, then workloads, and when there is only one left
    /// the last peers of the roster, but for those that `is_needed`.
    pub(crate) fn shrink(&mut self, time: Duration, is_needed: impl Fn(&str) -> bool) {
        if self.least() > time {
            // Memory hardly differs from one start to the next.
            self.plan.fresh_rounds = self.plan.fresh_rounds.min(1);
        }
        while self.least() > time && self.workloads.len() > 1 {
            let workload = self.workloads.remove(self.most_dispensable());
            self.left_out.push(workload.name);
        }
        while self.least() > time && self.peers.len() > 2 {
            let needless = |peer: &&Peer| !is_needed(peer.descriptor.name);
            let Some(place) = self.peers.iter().rposition(needless) else {
                break;
            };
            self.left_out
                .push(self.peers.remove(place).descriptor.name.to_owned());
        }
    }

    /// The dearest of those of which there are others of the same kind, or the dearest of all: what a short run does
    /// comes after what it does not, and what counts operations after what does not.
    fn most_dispensable(&self) -> usize {
        let kind = |workload: &Workload| std::mem::discriminant(&workload.kind);
        let has_others = |workload: &Workload| {
            let same = |other: &&Workload| kind(other) == kind(workload);
            self.workloads.iter().filter(same).count() > 1
        };
        let rank = |place: &usize| {
            let workload = &self.workloads[*place];
            let cost = least(&self.plan, workload, &self.peers);
            (
                has_others(workload),
                workload.scope,
                !workload.counts_operations(),
                // What differs by less is as dear, and then the later one goes.
                cost.as_secs(),
            )
        };
        (0..self.workloads.len()).max_by_key(rank).unwrap_or(0)
    }

    /// How long it takes with the shortest slices and the fewest rounds.
    fn least(&self) -> Duration {
        let workloads = self.workloads.iter();
        workloads
            .map(|workload| least(&self.plan, workload, &self.peers))
            .sum()
    }

    /// Whether one of the workloads still fits into what is left of the time.
    pub(crate) fn has_time_for(&self, workload: &Workload, left: Duration) -> bool {
        least(&self.plan, workload, &self.peers) <= left
    }
}

/// How long a workload takes if it is given no time.
fn least(plan: &Plan, workload: &Workload, peers: &[&Peer]) -> Duration {
    let plan = Plan {
        time: Duration::ZERO,
        ..*plan
    };
    expected(&plan, workload, peers)
}

/// How long a workload takes, with the starts of its servers.
pub(crate) fn expected(plan: &Plan, workload: &Workload, peers: &[&Peer]) -> Duration {
    let able = plan::able(workload, peers);
    // The warm-up has the starts of the others in it.
    let starts = match workload.needs_fresh_server() {
        true => able.len() * plan.fresh_rounds,
        false => 0,
    };
    plan.expected(workload, &able)
        + costs::known().start * u32::try_from(starts).unwrap_or(u32::MAX)
}
