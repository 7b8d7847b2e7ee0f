//! The selector of a simulated loop. A wait moves the virtual clock on and takes no real time.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mio::Registry;

use crate::readiness::Readiness;

use super::machine_handle::MachineHandle;

#[derive(Debug)]
pub(crate) struct Selector {
    machine: MachineHandle,
    batch: Vec<(usize, Readiness)>,
}

impl Selector {
    pub(crate) fn new(machine: MachineHandle) -> Self {
        Self {
            machine,
            batch: Vec::new(),
        }
    }

    pub(crate) fn capacity(&self) -> usize {
        self.machine.network().borrow().batch_size()
    }

    pub(crate) fn events_of_source(&self) -> usize {
        self.machine.network().borrow().events_of_source()
    }

    pub(crate) fn now(&self) -> Instant {
        self.machine.now()
    }

    pub(crate) fn machine(&self) -> &MachineHandle {
        &self.machine
    }

    pub(crate) fn waker(&self) -> Waker {
        Waker(self.machine.network().borrow().woken(self.machine.id()))
    }

    pub(crate) fn registry(&self) -> &Registry {
        self.machine.registry()
    }

    /// Moves the clock on from arrival to arrival, until there is an event or a wake, or `timeout` has passed. Also
    /// ends if a fault or the flavour hides events. Fails if nothing in the network can end the wait.
    pub(crate) fn poll(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let mut network = self.machine.network().borrow_mut();
        let id = self.machine.id();
        network.begin_poll(id);
        let deadline = timeout.map(|timeout| network.now().checked_add(timeout));
        loop {
            network.deliver();
            let is_woken = network.take_wake(id);
            network.poll(id, &mut self.batch);
            let is_early = self.batch.is_empty() && network.has_events(id);
            if is_woken || is_early || !self.batch.is_empty() || timeout == Some(Duration::ZERO) {
                return Ok(());
            }
            let until = match (network.next_arrival(), deadline) {
                (Some(arrival), Some(Some(deadline))) if deadline < arrival => deadline,
                (Some(arrival), _) => arrival,
                (None, Some(Some(deadline))) => deadline,
                (None, _) => return Err(io::Error::other(NO_END)),
            };
            network.advance_to(until);
            if deadline.flatten().is_some_and(|deadline| deadline <= until) {
                network.deliver();
                network.poll(id, &mut self.batch);
                return Ok(());
            }
        }
    }

    pub(crate) fn batch(&self) -> &[(usize, Readiness)] {
        &self.batch
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Waker(Arc<AtomicBool>);

impl Waker {
    pub(crate) fn wake(&self) {
        self.0.store(true, Ordering::Release);
    }
}

const NO_END: &str =
    "the loop waits without end, and nothing in the simulated network can end the wait";
