//! The simulation's side of the seam: a loop's selector, whose waiting moves the clock instead of passing the time.

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mio::{Poll, Registry};

use crate::readiness::Readiness;

use super::kernel::Network;
use super::kernel::lookups::{Lookups, SpareDescriptor};
use super::names::Names;

/// What all sockets of one simulation share.
pub(crate) type Shared = Rc<RefCell<Network>>;

/// The system that a simulated loop runs on: a machine of the network.
#[derive(Clone)]
pub(crate) struct Host {
    pub(super) network: Shared,
    pub(super) machine: usize,
    /// Of the real kernel, and never waited on: registering goes through mio's types, which ask for one, and a host
    /// may ask for the descriptor of its loop.
    poll: Rc<Poll>,
    names: Arc<Names>,
}

impl Host {
    pub(crate) fn new(network: Shared, poll: Rc<Poll>, names: Arc<Names>) -> Self {
        let machine = network.borrow_mut().add_machine();
        Self {
            network,
            machine,
            poll,
            names,
        }
    }

    /// What stands for the system's resolver.
    pub(crate) fn names(&self) -> Arc<Names> {
        Arc::clone(&self.names)
    }

    /// What does the loop's lookups.
    pub(crate) fn lookups(&self) -> Lookups {
        Lookups::new(Shared::clone(&self.network), self.machine)
    }

    /// A descriptor for nothing, if there is one.
    pub(crate) fn spare_descriptor(&self) -> Option<SpareDescriptor> {
        let is_there = self.network.borrow_mut().take_spare(self.machine);
        is_there.then(|| SpareDescriptor {
            network: Shared::clone(&self.network),
            machine: self.machine,
        })
    }

    pub(crate) fn machine(&self) -> usize {
        self.machine
    }

    /// Whether a poll would find anything.
    pub(crate) fn has_events(&self) -> bool {
        self.network.borrow().has_events(self.machine)
    }

    /// Whether both are of one simulation.
    pub(crate) fn is_of(&self, network: &Shared) -> bool {
        Rc::ptr_eq(&self.network, network)
    }
}

impl fmt::Debug for Host {
    /// Without the network, which is large and everybody's.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Host")
            .field("machine", &self.machine)
            .finish_non_exhaustive()
    }
}

/// A loop's selector.
#[derive(Debug)]
pub(crate) struct Selector {
    host: Host,
    batch: Vec<(usize, Readiness)>,
}

impl Selector {
    pub(crate) fn new(host: Host) -> Self {
        Self {
            host,
            batch: Vec::new(),
        }
    }

    pub(crate) fn capacity(&self) -> usize {
        self.host.network.borrow().options().batch.max(1)
    }

    pub(crate) fn now(&self) -> Instant {
        self.host.network.borrow().now()
    }

    pub(crate) fn waker(&self) -> Waker {
        let network = self.host.network.borrow();
        Waker(Arc::clone(&network.machine(self.host.machine).woken))
    }

    pub(crate) fn registry(&self) -> &Registry {
        self.host.poll.registry()
    }

    /// Waits: the clock moves on to the next thing that happens, or by `timeout`.
    ///
    /// # Errors
    ///
    /// A wait without end in a network where nothing is under way would never end. It is an error that says so.
    pub(crate) fn poll(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let mut network = self.host.network.borrow_mut();
        let machine = self.host.machine;
        network.pass_moment();
        let deadline = timeout.map(|timeout| network.now().checked_add(timeout));
        loop {
            network.arrive();
            let is_woken = network.machine(machine).take_wake();
            let had_events = network.has_events(machine);
            network.collect(machine, &mut self.batch);
            let is_early = had_events && self.batch.is_empty();
            if is_woken || is_early || !self.batch.is_empty() || timeout == Some(Duration::ZERO) {
                return Ok(());
            }
            let until = match (network.next_arrival(), deadline) {
                (Some(arrival), Some(Some(deadline))) if deadline < arrival => deadline,
                (Some(arrival), _) => arrival,
                (None, Some(Some(deadline))) => deadline,
                (None, _) => return Err(io::Error::other(NOTHING_COMES)),
            };
            network.pass_until(until);
            if deadline.flatten().is_some_and(|deadline| deadline <= until) {
                network.arrive();
                network.collect(machine, &mut self.batch);
                return Ok(());
            }
        }
    }

    pub(crate) fn batch(&self) -> &[(usize, Readiness)] {
        &self.batch
    }
}

/// Ends the wait of a simulated loop, from any thread.
#[derive(Clone, Debug)]
pub(crate) struct Waker(Arc<AtomicBool>);

impl Waker {
    pub(crate) fn wake(&self) {
        self.0.store(true, Ordering::Release);
    }
}

const NOTHING_COMES: &str =
    "the loop waits without end, and nothing in the simulated network can end the wait";
