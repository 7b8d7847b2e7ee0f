//! A machine of the network, as the system that a loop runs on.

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use mio::{Poll, Registry};

use super::kernel::{MachineId, Shared};
use super::lookups::Lookups;
use super::names::Names;
use super::spare_descriptor::SpareDescriptor;

/// The system that a simulated loop runs on: a machine of the network.
#[derive(Clone)]
pub(crate) struct MachineHandle {
    network: Shared,
    machine: MachineId,
    /// A selector of the real kernel, which is never waited on.
    ///
    /// mio's types ask for a registry to register with, and a program may ask for the descriptor of its loop.
    poll: Rc<Poll>,
    names: Arc<Names>,
}

impl MachineHandle {
    /// Adds a machine to `network`.
    pub(crate) fn new(network: Shared, poll: Rc<Poll>, names: Arc<Names>) -> Self {
        let machine = network.borrow_mut().add_machine();
        Self {
            network,
            machine,
            poll,
            names,
        }
    }

    pub(super) fn network(&self) -> &Shared {
        &self.network
    }

    pub(super) fn registry(&self) -> &Registry {
        self.poll.registry()
    }

    /// The table of names that replaces the system's resolver.
    pub(crate) fn names(&self) -> Arc<Names> {
        Arc::clone(&self.names)
    }

    /// Makes the lookups of the loop.
    pub(crate) fn lookups(&self) -> Lookups {
        Lookups::new(Shared::clone(&self.network), self.machine)
    }

    /// Opens a descriptor to be kept in reserve, if there is one.
    pub(crate) fn spare_descriptor(&self) -> Option<SpareDescriptor> {
        SpareDescriptor::open(&self.network, self.machine)
    }

    pub(crate) fn id(&self) -> MachineId {
        self.machine
    }

    /// Whether a poll would find an event or a wake.
    pub(crate) fn has_events(&self) -> bool {
        self.network.borrow().has_events(self.machine)
    }

    /// Whether it is a machine of `network`.
    pub(crate) fn is_of(&self, network: &Shared) -> bool {
        Rc::ptr_eq(&self.network, network)
    }
}

impl fmt::Debug for MachineHandle {
    /// Without the network, which is large and belongs to all machines.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("MachineHandle")
            .field("machine", &self.machine)
            .finish_non_exhaustive()
    }
}
