//! Name lookups in a simulation, which take their time, and the descriptor that a loop keeps for when it has none.

use std::fmt;
use std::io;

use super::super::selector::Shared;
use crate::system::lookup::{self, Answer, Found, Job, Ticket};

use super::network::Network;
use super::trace::Note;

/// The lookups of one loop: their answers come when the network's time has come.
pub(crate) struct Lookups {
    network: Shared,
    machine: usize,
    next_ticket: Ticket,
}

impl Lookups {
    pub(crate) fn new(network: Shared, machine: usize) -> Self {
        Self {
            network,
            machine,
            next_ticket: 0,
        }
    }

    /// Has the question answered by `job`, and lays the answer by until it is due.
    pub(crate) fn ask(&mut self, job: Job) -> Ticket {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        // Somebody's own resolver may look at the simulation.
        let found = lookup::run(job);
        let mut network = self.network.borrow_mut();
        network.answer_later(self.machine, ticket, found);
        ticket
    }

    /// The next answer, of those that have come.
    pub(crate) fn next_answer(&self) -> Option<Answer> {
        self.network.borrow_mut().machines[self.machine]
            .answers
            .pop_front()
    }
}

impl Drop for Lookups {
    /// Nobody is left who would hear.
    fn drop(&mut self) {
        let mut network = self.network.borrow_mut();
        let machine = self.machine;
        network.answers.retain(|(_, of, _), _| *of != machine);
        network.machines[machine].answers.clear();
    }
}

impl fmt::Debug for Lookups {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Lookups")
            .field("machine", &self.machine)
            .finish_non_exhaustive()
    }
}

/// A descriptor that is held for nothing.
pub(crate) struct SpareDescriptor {
    pub(in crate::system) network: Shared,
    pub(in crate::system) machine: usize,
}

impl Drop for SpareDescriptor {
    fn drop(&mut self) {
        self.network.borrow_mut().machines[self.machine].spares -= 1;
    }
}

impl fmt::Debug for SpareDescriptor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SpareDescriptor")
            .field("machine", &self.machine)
            .finish_non_exhaustive()
    }
}

/// How long a resolver waits for a name server before it asks the next one (`resolv.conf(5)`), in seconds.
const SERVER_PATIENCE: u64 = 5;

/// How many name servers may fail one after the other.
const MOST_SILENT_SERVERS: u64 = 8;

impl Network {
    /// Lays `answer` by for as long as a lookup takes, with what may go wrong.
    fn answer_later(&mut self, machine: usize, ticket: u64, mut answer: Found) {
        let mut at = self.lookup_end();
        if self.random.chance(self.options.faults.slow_lookups) {
            at += SERVER_PATIENCE * (1 + self.random.below(MOST_SILENT_SERVERS)) * 1_000_000_000;
        }
        if self.random.chance(self.options.faults.failed_lookups) {
            answer = Err(io::Error::new(
                io::ErrorKind::WouldBlock,
                "temporary failure in name resolution",
            ));
        }
        self.answers.insert((at, machine, ticket), answer);
    }

    /// Hands out the answers that are due.
    pub(in crate::system) fn hand_out_answers(&mut self, now: u64) {
        while let Some(entry) = self.answers.first_entry() {
            let &(at, machine, ticket) = entry.key();
            if at > now {
                return;
            }
            let answer = entry.remove();
            self.trace.note(Note::Answer, ticket, at);
            self.moved += 1;
            self.machines[machine].answers.push_back((ticket, answer));
            self.machines[machine].wake();
        }
    }
}
