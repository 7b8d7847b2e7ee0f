//! The machines of a network, each of which runs one loop.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::readiness::Readiness;
use crate::slots::Key;
use crate::system::lookup::Answer;

use super::call_counts::CallCounts;

/// The number of a machine, from 0 on.
pub(crate) type MachineId = usize;

/// A source on a ready list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Watched {
    /// One end of a connection.
    TcpSocket(Key),
    /// A listening socket.
    Listener(Key),
}

/// The kernel of one machine, as far as it belongs to no single socket.
#[derive(Debug, Default)]
pub(super) struct Machine {
    /// The sources with unreported readiness, in the order in which it came.
    pub(super) ready: VecDeque<Watched>,
    /// Events that were reported before, for the adversary to repeat.
    pub(super) history: Vec<(usize, Readiness)>,
    /// Set from any thread, to end a wait.
    woken: Arc<AtomicBool>,
    /// Whether it is cut off from all other machines.
    pub(super) is_partitioned: bool,
    /// The number of open sockets.
    pub(super) sockets: usize,
    /// The number of descriptors in reserve.
    pub(super) spares: usize,
    /// The answers of lookups that the loop has not taken yet.
    pub(super) answers: VecDeque<Answer>,
    /// The calls that the loop has made.
    pub(super) calls: CallCounts,
}

impl Machine {
    pub(super) fn descriptors(&self) -> usize {
        self.sockets + self.spares
    }

    /// The flag that ends a wait when it is set.
    pub(super) fn woken(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.woken)
    }

    pub(super) fn wake(&self) {
        self.woken.store(true, Ordering::Release);
    }

    pub(super) fn take_wake(&self) -> bool {
        self.woken.swap(false, Ordering::AcqRel)
    }

    /// Whether a poll would find an event or a wake.
    pub(super) fn has_events(&self) -> bool {
        !self.ready.is_empty() || self.woken.load(Ordering::Acquire)
    }
}

/// All machines, by their numbers.
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

    /// Whether no packet gets from `one` machine to the `other`.
    pub(super) fn are_partitioned(&self, one: MachineId, other: MachineId) -> bool {
        one != other && (self.0[one].is_partitioned || self.0[other].is_partitioned)
    }

    pub(super) fn open_sockets(&self) -> usize {
        self.0.iter().map(|machine| machine.sockets).sum()
    }
}
