//! Name lookups of a simulated loop.

use std::fmt;

use crate::system::lookup::{self, Answer, Job, Ticket};

use super::kernel::{MachineId, Shared};

/// The lookups of one loop. Virtual time passes until an answer arrives.
pub(crate) struct Lookups {
    network: Shared,
    machine: MachineId,
    next_ticket: Ticket,
}

impl Lookups {
    pub(super) fn new(network: Shared, machine: MachineId) -> Self {
        Self {
            network,
            machine,
            next_ticket: 0,
        }
    }

    /// Runs `job` at once, and queues its answer, which arrives after the time of a lookup.
    pub(crate) fn ask(&mut self, job: Job) -> Ticket {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        // The job runs before the network is borrowed: a resolver is user code, and may call the simulation.
        let found = lookup::run(job);
        let mut network = self.network.borrow_mut();
        network.answer_later(self.machine, ticket, found);
        ticket
    }

    pub(crate) fn next_answer(&self) -> Option<Answer> {
        self.network.borrow_mut().next_answer(self.machine)
    }
}

impl Drop for Lookups {
    /// Drops the answers under way, since no loop is left to take them.
    fn drop(&mut self) {
        self.network.borrow_mut().cancel_lookups(self.machine);
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
