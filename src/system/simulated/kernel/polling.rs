//! How a simulated kernel says what is ready: one batch for one loop, in the manner of its flavour.

use crate::readiness::Readiness;
use crate::system::afd::abort_as_error;

use super::super::options::Flavour;
use super::endpoint::{Endpoint, Phase};
use super::network::Network;
use super::trace::Note;
use super::watch::{Reports, Watched};

/// How many old events the adversary remembers of a loop.
const MEMORY: usize = 32;

/// Of a thousand sources that are ready, how many the adversary keeps for a later poll, and how many polls repeat an
/// old event.
const ADVERSE: u16 = 150;

impl Network {
    /// Whether a poll of `machine` would find anything.
    pub(crate) fn has_events(&self, machine: usize) -> bool {
        let machine = &self.machines[machine];
        !machine.list.is_empty() || machine.is_woken()
    }

    /// Fills `batch` with what is ready on `machine`.
    pub(crate) fn collect(&mut self, machine: usize, batch: &mut Vec<(usize, Readiness)>) {
        batch.clear();
        self.machines[machine].calls.polls += 1;
        let is_adverse = self.options.flavour == Flavour::Adversary;
        let most = self.options.batch.max(1);
        if !self.random.chance(self.options.faults.empty_polls) {
            self.collect_ready(machine, most, is_adverse, batch);
        }
        if is_adverse {
            self.confuse(machine, most, batch);
        }
        if self.random.chance(self.options.faults.false_events) {
            self.add_false_event(machine, batch);
        }
        for &(token, readiness) in &*batch {
            self.trace
                .note(Note::Event, token as u64, u64::from(readiness.bits()));
        }
        self.trace
            .note(Note::Poll, machine as u64, batch.len() as u64);
    }

    fn collect_ready(
        &mut self,
        machine: usize,
        most: usize,
        is_adverse: bool,
        batch: &mut Vec<(usize, Readiness)>,
    ) {
        for _ in 0..self.machines[machine].list.len() {
            if batch.len() >= most {
                return;
            }
            let Some(watched) = self.machines[machine].list.pop_front() else {
                return;
            };
            if is_adverse && self.random.chance(ADVERSE) {
                self.machines[machine].list.push_back(watched);
                continue;
            }
            let Some((token, Reports(reports))) = self.look_at(watched) else {
                continue;
            };
            let reports = reports.into_iter().filter(|report| !report.is_empty());
            batch.extend(reports.map(|report| (token, report)));
        }
    }

    /// What there is to report of a source that was on the list.
    fn look_at(&mut self, watched: Watched) -> Option<(usize, Reports)> {
        let flavour = self.options.flavour;
        match watched {
            Watched::Endpoint(key) => {
                let endpoint = self.endpoints.get_mut(key)?;
                let level = level_of(endpoint, flavour);
                endpoint.outlet.was_polled();
                let token = endpoint.watch.token()?;
                Some((token, endpoint.watch.report(level, flavour)))
            }
            Watched::Listener(key) => {
                let listening = self.listeners.get_mut(key)?;
                let level = listening.readiness();
                let token = listening.watch.token()?;
                Some((token, listening.watch.report(level, flavour)))
            }
        }
    }

    /// Shuffles, and repeats something old, perhaps of a socket that is no more.
    fn confuse(&mut self, machine: usize, most: usize, batch: &mut Vec<(usize, Readiness)>) {
        for last in (1..batch.len()).rev() {
            let other = self.random.index(last + 1);
            batch.swap(last, other);
        }
        let memory = &mut self.machines[machine].memory;
        for &event in &*batch {
            if memory.len() < MEMORY {
                memory.push(event);
            } else {
                memory[self.random.index(MEMORY)] = event;
            }
        }
        if !memory.is_empty() && batch.len() < most && self.random.chance(ADVERSE) {
            let old = memory[self.random.index(memory.len())];
            batch.push(old);
        }
    }

    /// Reports some socket of `machine` as ready for what it need not be ready for.
    fn add_false_event(&mut self, machine: usize, batch: &mut Vec<(usize, Readiness)>) {
        let count = self.endpoints.len();
        if count == 0 {
            return;
        }
        let chosen = self.random.index(count);
        let readiness = match self.random.chance(500) {
            true => Readiness::READABLE,
            false => Readiness::WRITABLE,
        };
        let watch = self.endpoints.iter().nth(chosen).map(|(_, it)| &it.watch);
        if let Some(watch) = watch.filter(|watch| watch.machine == machine) {
            batch.extend(watch.token().map(|token| (token, readiness)));
        }
    }
}

/// All that is true of a socket, in the words of the flavour.
fn level_of(endpoint: &Endpoint, flavour: Flavour) -> Readiness {
    let level = endpoint.readiness();
    if flavour != Flavour::Afd || endpoint.peer.is_none() {
        return level;
    }
    // AFD reports a reset as the end of both directions, and no other end as one of writing; only a connect that failed
    // is an error to it. What the seam makes of that is the same as on Windows.
    let said = level - (Readiness::ERROR | Readiness::WRITE_CLOSED);
    abort_as_error(match endpoint.phase {
        Phase::Dead => said | Readiness::READ_CLOSED | Readiness::WRITE_CLOSED,
        Phase::Connecting | Phase::Connected => said,
    })
}
