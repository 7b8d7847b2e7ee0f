//! Name lookups of a simulated loop.

use std::fmt;

use crate::system::lookup::{self, Answer, Job, LookupLimits, Ticket, Unasked};

use super::kernel::{MachineId, Shared};

/// The lookups of one loop. Virtual time passes until an answer arrives.
pub(crate) struct Lookups {
    network: Shared,
    machine: MachineId,
    next_ticket: Ticket,
    limits: LookupLimits,
}

impl Lookups {
    pub(super) fn new(network: Shared, machine: MachineId, limits: LookupLimits) -> Self {
        Self {
            network,
            machine,
            next_ticket: 0,
            limits,
        }
    }

    /// Runs `job` at once, and queues its answer, which arrives after the time of a lookup. Refuses `job` if the
    /// answers under way have reached the limit: the number of lookups that may run plus the number that may wait.
    pub(crate) fn ask(&mut self, job: Job) -> Result<Ticket, Unasked> {
        let under_way = self.network.borrow().lookups_under_way(self.machine);
        if !self.limits.allow(under_way, self.limits.threads) {
            return Err(Unasked::QueueIsFull);
        }
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        // The job runs before the network is borrowed: a resolver is user code, and may call the simulation.
        let found = lookup::run(job);
        let mut network = self.network.borrow_mut();
        network.answer_later(self.machine, ticket, found);
        Ok(ticket)
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
