//! The machines of a network, each of which runs one loop.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::readiness::Readiness;
use crate::slots::Key;
use crate::system::lookup::Answer;

use super::call_counts::CallCounts;

/// The number of a machine, counted from 0.
pub(crate) type MachineId = usize;

/// A source that can be on a ready list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Watched {
    /// A connected or connecting socket.
    TcpSocket(Key),
    /// A listening socket.
    Listener(Key),
}

/// The state of one machine's kernel that belongs to no single socket.
#[derive(Debug, Default)]
pub(super) struct Machine {
    /// The ready list: the sources with unreported readiness, in the order in which they became ready.
    pub(super) ready: VecDeque<Watched>,
    /// A sample of former events, some of which the flavour `Adversary` reports again.
    pub(super) history: Vec<(usize, Readiness)>,
    /// The flag that ends a wait. Any thread may set it.
    woken: Arc<AtomicBool>,
    /// Whether a partition cuts the machine off from all other machines.
    pub(super) is_partitioned: bool,
    /// The number of open sockets.
    pub(super) sockets: usize,
    /// The number of open spare descriptors.
    pub(super) spares: usize,
    /// The answers of lookups that have arrived and that the loop has not taken.
    pub(super) answers: VecDeque<Answer>,
    /// The numbers of system calls that the loop has made.
    pub(super) calls: CallCounts,
}

impl Machine {
    pub(super) fn descriptors(&self) -> usize {
        self.sockets + self.spares
    }

    /// Returns the flag that ends a wait.
    pub(super) fn woken(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.woken)
    }

    pub(super) fn wake(&self) {
        self.woken.store(true, Ordering::Release);
    }

    pub(super) fn take_wake(&self) -> bool {
        self.woken.swap(false, Ordering::AcqRel)
    }

    /// Whether a poll of the machine would find an event or a wake.
    pub(super) fn has_events(&self) -> bool {
        !self.ready.is_empty() || self.woken.load(Ordering::Acquire)
    }
}

/// All machines. The number of a machine is its index.
#[derive(Debug, Default)]
pub(super) struct Machines(Vec<Machine>);

impl Machines {
    pub(super) fn add(&mut self) -> MachineId {
        self.0.push(Machine::default());
        self.0.len() - 1
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn get(&self, machine: MachineId) -> &Machine {
        &self.0[machine]
    }

    pub(super) fn get_mut(&mut self, machine: MachineId) -> &mut Machine {
        &mut self.0[machine]
    }

    /// Whether a partition lies between the machines `one` and `other`.
    pub(super) fn are_partitioned(&self, one: MachineId, other: MachineId) -> bool {
        one != other && (self.0[one].is_partitioned || self.0[other].is_partitioned)
    }

    pub(super) fn open_sockets(&self) -> usize {
        self.0.iter().map(|machine| machine.sockets).sum()
    }
}
