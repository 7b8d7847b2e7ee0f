//! The registration of one source with the selector of its simulated machine.

use std::fmt;

use mio::Interest;

use crate::readiness::Readiness;
use crate::system::simulated::flavour::Flavour;

use super::machine::MachineId;

#[derive(Debug)]
pub(super) struct Watch {
    pub(super) machine: MachineId,
    /// The token of the source's events; `None` while it is not registered.
    token: Option<usize>,
    /// Invariant: `true` exactly while the source is on the ready list of its machine.
    is_queued: bool,
    /// The bits that have changed since the last report. kqueue reports only the directions with a changed bit.
    changed: Readiness,
    /// The bits that the AFD flavour (Windows) may report. A report removes its bits; [`rearm`](Self::rearm) and
    /// [`register`](Self::register) set all.
    armed: Readiness,
    /// The bits that a report may have: all, or all but `WRITABLE` for a source that is registered for reading only.
    interest: Readiness,
}

/// The bits, besides an error, that kqueue's read filter reports.
const INWARD: Readiness = Readiness::READABLE.union(Readiness::READ_CLOSED);
/// The bits, besides an error, that kqueue's write filter reports.
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

    /// Notes that the bits in `readiness` have changed. Returns whether the caller must put the source on the ready
    /// list.
    #[must_use]
    pub(super) fn change(&mut self, readiness: Readiness) -> bool {
        self.changed = self.changed | readiness;
        readiness.intersects(self.interest) && self.queue()
    }

    /// Arms all bits of the AFD flavour (Windows) after a call that would have blocked. Returns as `change` does.
    #[must_use]
    pub(super) fn rearm(&mut self) -> bool {
        self.armed = Readiness::all();
        self.queue()
    }

    fn queue(&mut self) -> bool {
        self.token.is_some() && !std::mem::replace(&mut self.is_queued, true)
    }

    /// Notes that the source has left the ready list. Returns its token and its events, as `flavour` reports `level`.
    pub(super) fn report(
        &mut self,
        level: Readiness,
        flavour: Flavour,
    ) -> Option<(usize, Reports)> {
        self.is_queued = false;
        let changed = std::mem::take(&mut self.changed);
        let token = self.token?;
        let level = level.intersection(self.interest);
        let reports = match flavour {
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
        };
        Some((token, reports))
    }
}

/// The events of one source in one poll: at most two, by kqueue's two filters. An empty set is not reported.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reports(pub(super) [Readiness; 2]);

impl fmt::Display for Reports {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [one, other] = self.0;
        let words = [
            (Readiness::READABLE, "readable"),
            (Readiness::WRITABLE, "writable"),
            (Readiness::READ_CLOSED, "the peer has ended"),
            (Readiness::WRITE_CLOSED, "writing has ended"),
            (Readiness::ERROR, "an error"),
        ];
        let told = words.iter().filter(|(bit, _)| (one | other).contains(*bit));
        let told: Vec<&str> = told.map(|(_, word)| *word).collect();
        match told.is_empty() {
            true => formatter.write_str("nothing new"),
            false => formatter.write_str(&told.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_that_left_the_list_unregistered_is_queued_again() {
        let mut watch = Watch::new(0);
        watch.register(1, Interest::READABLE);
        assert!(watch.change(Readiness::READABLE));
        watch.deregister();
        assert!(watch.report(Readiness::READABLE, Flavour::Epoll).is_none());
        watch.register(2, Interest::READABLE);
        assert!(watch.change(Readiness::READABLE));
        let (token, _) = watch.report(Readiness::READABLE, Flavour::Epoll).unwrap();
        assert_eq!(token, 2);
    }
}
