//! The readiness of one source, as the selector of its machine reports it.

use mio::Interest;

use crate::readiness::Readiness;
use crate::system::simulated::flavour::Flavour;

use super::machine::MachineId;

/// The entry of one source in the selector of its machine.
#[derive(Debug)]
pub(super) struct Watch {
    /// The machine that the source is open on.
    pub(super) machine: MachineId,
    /// The token of its events; `None` if it is not registered.
    token: Option<usize>,
    /// Invariant: whether it is on the ready list of its machine.
    is_queued: bool,
    /// The readiness that has changed since the last report, for kqueue's two filters.
    changed: Readiness,
    /// The readiness that may be reported; AFD takes out each bit that it reports.
    armed: Readiness,
    /// The readiness that is worth a report: all, or all but `WRITABLE` for a source registered for reading only.
    interest: Readiness,
}

/// The bits that kqueue's read filter reports.
const INWARD: Readiness = Readiness::READABLE.union(Readiness::READ_CLOSED);
/// The bits that kqueue's write filter reports.
const OUTWARD: Readiness = Readiness::WRITABLE.union(Readiness::WRITE_CLOSED);

impl Watch {
    pub(super) fn new(machine: MachineId) -> Self {
        Self {
            machine,
            token: None,
            is_queued: false,
            changed: Readiness::empty(),
            armed: Readiness::all(),
            interest: Readiness::all(),
        }
    }

    pub(super) fn register(&mut self, token: usize, directions: Interest) {
        self.token = Some(token);
        self.armed = Readiness::all();
        self.changed = Readiness::all();
        self.interest = match directions.is_writable() {
            true => Readiness::all(),
            false => Readiness::all().difference(Readiness::WRITABLE),
        };
    }

    pub(super) fn deregister(&mut self) {
        self.token = None;
    }

    pub(super) fn token(&self) -> Option<usize> {
        self.token
    }

    /// Notes a change of `readiness`. Returns whether the source must be put on the ready list.
    #[must_use]
    pub(super) fn change(&mut self, readiness: Readiness) -> bool {
        self.changed = self.changed | readiness;
        readiness.intersects(self.interest) && self.queue()
    }

    /// Arms AFD again, for all bits, after a call that has blocked. Returns whether the source must be put on the ready
    /// list.
    #[must_use]
    pub(super) fn rearm(&mut self) -> bool {
        self.armed = Readiness::all();
        self.queue()
    }

    fn queue(&mut self) -> bool {
        self.token.is_some() && !std::mem::replace(&mut self.is_queued, true)
    }

    /// Takes the source off the ready list. Returns its events in the manner of `flavour`, given the present `level`.
    pub(super) fn report(&mut self, level: Readiness, flavour: Flavour) -> Reports {
        self.is_queued = false;
        let changed = std::mem::take(&mut self.changed);
        if self.token.is_none() {
            return Reports::default();
        }
        let level = level.intersection(self.interest);
        match flavour {
            Flavour::Epoll | Flavour::Adversary => Reports([level, Readiness::empty()]),
            Flavour::Kqueue => {
                let inward = match level.intersects(INWARD) && changed.intersects(INWARD) {
                    true => level.intersection(INWARD | Readiness::ERROR),
                    false => Readiness::empty(),
                };
                let has_outward = level.intersects(OUTWARD) && changed.intersects(OUTWARD);
                let outward = match has_outward && self.interest.contains(Readiness::WRITABLE) {
                    true => level.intersection(OUTWARD | Readiness::ERROR),
                    false => Readiness::empty(),
                };
                Reports([inward, outward])
            }
            Flavour::Afd => {
                let report = level.intersection(self.armed);
                self.armed = self.armed.difference(report);
                Reports([report, Readiness::empty()])
            }
        }
    }
}

/// The events of one source. An empty one is not reported.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reports(pub(super) [Readiness; 2]);

impl Default for Reports {
    fn default() -> Self {
        Self([Readiness::empty(); 2])
    }
}
