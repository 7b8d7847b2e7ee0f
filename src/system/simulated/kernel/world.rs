//! The state on which every part of the network depends.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::system::faults::Faults;
use crate::system::faults::call_error::CallError;
use crate::system::faults::random::Random;
use crate::system::simulated::options::Options;

use super::clock::{VirtualClock, nanoseconds};
use super::log::Log;
use super::machine::{MachineId, Machines, Watched};
use super::trace::Trace;
use super::wire::Link;

#[derive(Debug)]
pub(super) struct World {
    pub(super) options: Options,
    pub(super) random: Random,
    pub(super) clock: VirtualClock,
    pub(super) trace: Trace,
    pub(super) machines: Machines,
    /// The latency in nanoseconds of each pair of machines that has its own. The lower number of a pair comes first.
    pub(super) latencies: BTreeMap<(MachineId, MachineId), u64>,
    /// The log for people; `None` unless a test asked for it.
    pub(super) log: Option<Log>,
    /// The number of transfers, arrivals and answers so far. A turn that does not change this number moves no data.
    pub(super) progress: u64,
}

impl World {
    pub(super) fn new(seed: u64, options: Options) -> Self {
        Self {
            options,
            random: Random::new(seed),
            clock: VirtualClock::new(),
            trace: Trace::new(),
            machines: Machines::default(),
            latencies: BTreeMap::new(),
            log: None,
            progress: 0,
        }
    }

    pub(super) fn strikes(&mut self, rate: impl FnOnce(&Faults) -> u16) -> bool {
        let rate = rate(&self.options.faults);
        self.random.chance(rate)
    }

    /// Draws the arrival time of a packet that is sent now over `link`.
    pub(super) fn arrival(&mut self, link: Link) -> u64 {
        let pair = (link.from.min(link.to), link.from.max(link.to));
        let latency = match self.latencies.is_empty() {
            true => None,
            false => self.latencies.get(&pair).copied(),
        };
        let latency = latency.unwrap_or_else(|| nanoseconds(self.options.latency));
        self.clock.nanoseconds() + latency + self.jitter()
    }

    pub(super) fn lookup_end(&mut self) -> u64 {
        let time = nanoseconds(self.options.lookup_time);
        self.clock.nanoseconds() + time + self.jitter()
    }

    /// Adds `text` to the log, if there is one. `socket` has the addresses of the socket and of its peer.
    #[inline]
    pub(super) fn record(
        &mut self,
        machine: MachineId,
        socket: Option<(SocketAddr, SocketAddr)>,
        text: impl FnOnce() -> String,
    ) {
        if let Some(log) = &mut self.log {
            log.add(self.clock.elapsed(), Some(machine), socket, &text());
        }
    }

    fn jitter(&mut self) -> u64 {
        let jitter = nanoseconds(self.options.jitter);
        self.random.below(jitter + 1)
    }

    pub(super) fn enqueue(&mut self, machine: MachineId, source: Watched) {
        self.machines.get_mut(machine).ready.push_back(source);
    }

    pub(super) fn has_descriptor(&self, machine: MachineId) -> bool {
        let taken = self.machines.get(machine).descriptors();
        self.options.descriptors.is_none_or(|most| taken < most)
    }

    pub(super) fn open_socket(&mut self, machine: MachineId) -> Result<(), CallError> {
        if !self.has_descriptor(machine) {
            return Err(self.shortage());
        }
        self.machines.get_mut(machine).sockets += 1;
        Ok(())
    }

    /// Draws the error of a call that finds no free descriptor in the process (EMFILE) or in the whole system (ENFILE).
    pub(super) fn shortage(&mut self) -> CallError {
        self.random
            .choose(&[CallError::TooManyFiles, CallError::TableFull])
    }
    pub(super) fn accept_shortage(&mut self, machine: MachineId) -> CallError {
        let calls = &mut self.machines.get_mut(machine).calls;
        calls.exhausted_accepts += 1;
        self.shortage()
    }
}
