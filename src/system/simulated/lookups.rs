//! Name lookups of a simulated loop.

use std::fmt;

use crate::system::lookup::{self, Answer, Job, LookupLimits, Ticket, Unasked};

use super::kernel::{MachineId, Shared};

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

    /// Runs `job` at once; its answer arrives after the time of a lookup. Refuses `job` if too many are under way.
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
