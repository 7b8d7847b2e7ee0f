//! A descriptor that a simulated machine keeps open only to close it when descriptors run out.

use std::fmt;

use super::kernel::{MachineId, Shared};

pub(crate) struct SpareDescriptor {
    network: Shared,
    machine: MachineId,
}

impl SpareDescriptor {
    pub(super) fn open(network: &Shared, machine: MachineId) -> Option<Self> {
        let is_there = network.borrow_mut().take_spare(machine);
        is_there.then(|| Self {
            network: Shared::clone(network),
            machine,
        })
    }
}

impl Drop for SpareDescriptor {
    fn drop(&mut self) {
        self.network.borrow_mut().close_spare(self.machine);
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
