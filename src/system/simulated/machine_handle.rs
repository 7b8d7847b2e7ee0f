//! The handle of a simulated machine, which is the operating system under one simulated loop.

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use mio::{Poll, Registry};

use crate::system::lookup::LookupLimits;

use super::kernel::{MachineId, Shared};
use super::lookups::Lookups;
use super::names::Names;
use super::spare_descriptor::SpareDescriptor;

#[derive(Clone)]
pub(crate) struct MachineHandle {
    network: Shared,
    machine: MachineId,
    /// A selector of the real kernel, on which no loop waits. mio's traits need its `Registry`, and a program may ask
    /// for the descriptor of its loop.
    poll: Rc<Poll>,
    names: Arc<Names>,
}

impl MachineHandle {
    pub(crate) fn new(network: Shared, poll: Rc<Poll>, names: Arc<Names>) -> Self {
        let machine = network.borrow_mut().add_machine();
        Self {
            network,
            machine,
            poll,
            names,
        }
    }

    pub(crate) fn now(&self) -> Instant {
        self.network.borrow().now()
    }

    pub(super) fn network(&self) -> &Shared {
        &self.network
    }

    pub(super) fn registry(&self) -> &Registry {
        self.poll.registry()
    }

    /// Returns the table of names that replaces the system's resolver.
    pub(crate) fn names(&self) -> Arc<Names> {
        Arc::clone(&self.names)
    }

    pub(crate) fn lookups(&self, limits: LookupLimits) -> Lookups {
        Lookups::new(Shared::clone(&self.network), self.machine, limits)
    }

    pub(crate) fn spare_descriptor(&self) -> Option<SpareDescriptor> {
        SpareDescriptor::open(&self.network, self.machine)
    }

    pub(crate) fn id(&self) -> MachineId {
        self.machine
    }

    pub(crate) fn has_events(&self) -> bool {
        self.network.borrow().has_events(self.machine)
    }

    pub(crate) fn is_of(&self, network: &Shared) -> bool {
        Rc::ptr_eq(&self.network, network)
    }
}

impl fmt::Debug for MachineHandle {
    /// Prints the machine's number, but not the network, which is large and belongs to all machines.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("MachineHandle")
            .field("machine", &self.machine)
            .finish_non_exhaustive()
    }
}
