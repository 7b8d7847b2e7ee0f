//! The answers of name lookups that are under way, and the faults that lookups meet.

use std::collections::BTreeMap;
use std::io;

use crate::system::lookup::{Found, Ticket};

use super::machine::MachineId;
use super::trace::Note;
use super::world::World;

/// The number of seconds for which a resolver waits for a name server before it asks the next one (`resolv.conf(5)`).
const SERVER_TIMEOUT: u64 = 5;

/// The largest number of name servers that one slow lookup waits for in vain, one after the other.
const MOST_FAILED_SERVERS: u64 = 8;

#[derive(Debug, Default)]
pub(super) struct LookupQueue {
    /// The key of an answer is its time of arrival, the machine that asked, and the ticket of the lookup.
    answers: BTreeMap<(u64, MachineId, Ticket), Found>,
}

impl LookupQueue {
    /// Queues an answer, delayed by the time of a lookup. A fault may delay it further, or replace it with an error.
    pub(super) fn schedule(
        &mut self,
        world: &mut World,
        machine: MachineId,
        ticket: Ticket,
        mut found: Found,
    ) {
        let mut at = world.lookup_end();
        if world.strikes(|faults| faults.slow_lookups) {
            let servers = 1 + world.random.below(MOST_FAILED_SERVERS);
            at += SERVER_TIMEOUT * servers * 1_000_000_000;
        }
        if world.strikes(|faults| faults.failed_lookups) {
            found = Err(io::Error::new(
                io::ErrorKind::ResourceBusy,
                "the simulated name servers failed for now",
            ));
        }
        self.answers.insert((at, machine, ticket), found);
    }

    pub(super) fn under_way(&self, machine: MachineId) -> usize {
        let askers = self.answers.keys();
        askers.filter(|(_, asker, _)| *asker == machine).count()
    }

    pub(super) fn next_arrival(&self) -> Option<u64> {
        self.answers.first_key_value().map(|((at, ..), _)| *at)
    }

    pub(super) fn deliver(&mut self, world: &mut World) {
        while let Some(entry) = self.answers.first_entry() {
            let &(at, machine, ticket) = entry.key();
            if at > world.clock.nanoseconds() {
                return;
            }
            let found = entry.remove();
            world.trace.note(Note::Answer, ticket, at);
            world.progress += 1;
            let machine = world.machines.get_mut(machine);
            machine.answers.push_back((ticket, found));
            machine.wake();
        }
    }

    pub(super) fn cancel(&mut self, machine: MachineId) {
        self.answers.retain(|(_, asker, _), _| *asker != machine);
    }
}
