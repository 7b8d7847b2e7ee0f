//! The machines of a network, each of which runs one loop.

use std::collections::{BTreeSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::readiness::Readiness;
use crate::slots::Key;
use crate::system::lookup::Answer;

use super::call_counts::CallCounts;

/// The number of a machine, counted from 0.
pub(crate) type MachineId = usize;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Watched {
    TcpSocket(Key),
    Listener(Key),
    UdpSocket(Key),
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
    /// Whether the machine has crashed and was not restarted.
    pub(super) is_down: bool,
    /// The number of crashes. A peer that connected before the last crash has lost its connection.
    pub(super) crashes: u32,
    pub(super) sockets: usize,
    pub(super) spares: usize,
    /// The answers of lookups that have arrived and that the loop has not taken.
    pub(super) answers: VecDeque<Answer>,
    pub(super) calls: CallCounts,
}

impl Machine {
    pub(super) fn descriptors(&self) -> usize {
        self.sockets + self.spares
    }

    pub(super) fn woken(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.woken)
    }

    pub(super) fn wake(&self) {
        self.woken.store(true, Ordering::Release);
    }

    pub(super) fn take_wake(&self) -> bool {
        self.woken.swap(false, Ordering::AcqRel)
    }

    /// Forgets all that a crash destroys, except the sockets and the spare descriptor. `Network::crash` removes the
    /// sockets, and the loop's drop closes the spare.
    pub(super) fn crash(&mut self) {
        self.is_down = true;
        self.crashes += 1;
        self.ready.clear();
        self.history.clear();
        self.answers.clear();
        // A handle of the old loop must not wake the loop that a restart makes.
        self.woken = Arc::default();
    }

    /// Whether a poll of the machine may find an event, or would find a wake.
    pub(super) fn has_events(&self) -> bool {
        !self.ready.is_empty() || self.woken.load(Ordering::Acquire)
    }
}

/// All machines, with the partitions between them. A `MachineId` is an index in `all`.
#[derive(Debug, Default)]
pub(super) struct Machines {
    all: Vec<Machine>,
    /// The blocked links, each as its sender and its receiver. A partition blocks one direction or both.
    blocked: BTreeSet<(MachineId, MachineId)>,
}

impl Machines {
    pub(super) fn add(&mut self) -> MachineId {
        self.all.push(Machine::default());
        self.all.len() - 1
    }

    /// Returns the machine with this address. Machine `n - 1` has `fd00::n`, and `10.0.x.y` with `n` in the last bytes.
    pub(super) fn owner_of(&self, address: IpAddr) -> Option<MachineId> {
        let number = match address {
            IpAddr::V4(address) => match address.octets() {
                [10, 0, high, low] => u16::from_be_bytes([high, low]),
                _ => return None,
            },
            IpAddr::V6(address) => match address.segments() {
                [0xFD00, 0, 0, 0, 0, 0, 0, number] => number,
                _ => return None,
            },
        };
        let machine = MachineId::from(number).checked_sub(1)?;
        (machine < self.all.len()).then_some(machine)
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn get(&self, machine: MachineId) -> &Machine {
        &self.all[machine]
    }

    pub(super) fn get_mut(&mut self, machine: MachineId) -> &mut Machine {
        &mut self.all[machine]
    }

    pub(super) fn set_blocked(&mut self, from: MachineId, to: MachineId, is_blocked: bool) {
        match is_blocked {
            true => self.blocked.insert((from, to)),
            false => self.blocked.remove(&(from, to)),
        };
    }

    /// Ends all partitions. Machines that are down stay down.
    pub(super) fn heal(&mut self) {
        self.blocked.clear();
        for machine in &mut self.all {
            machine.is_partitioned = false;
        }
    }

    /// Whether packets from one machine reach the other: no partition lies in this direction, and the other is up.
    pub(super) fn reaches(&self, from: MachineId, to: MachineId) -> bool {
        let (sender, receiver) = (&self.all[from], &self.all[to]);
        from == to
            || !sender.is_partitioned
                && !receiver.is_partitioned
                && !receiver.is_down
                && (self.blocked.is_empty() || !self.blocked.contains(&(from, to)))
    }

    pub(super) fn are_in_touch(&self, one: MachineId, other: MachineId) -> bool {
        self.reaches(one, other) && self.reaches(other, one)
    }

    pub(super) fn open_sockets(&self) -> usize {
        self.all.iter().map(|machine| machine.sockets).sum()
    }
}
