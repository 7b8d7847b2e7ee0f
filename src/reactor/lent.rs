//! Sources whose object is not in the reactor: the owner of the object lends it for each registration.

use std::io;

use mio::event;

use crate::schedule::Phase;
use crate::system::is_out_of_registrations;

use super::serving::{REARM_RETRY_TICKS, update_lists};
use super::source_state::{Flags, Signals, SourceState};
use super::{Burst, Handler, Interest, Key, Reactor, Readiness, Registration, Slot};

impl<T: Handler> Reactor<T> {
    /// Inserts `source`, whose [`Handler::source`] returns `None`, and registers `object` under its key. Without
    /// interest in writing, `object` is registered for reading alone. For a UDP socket the kernel would otherwise
    /// report the space that each sent datagram frees.
    pub(crate) fn insert_lent(
        &mut self,
        source: T,
        object: &mut dyn event::Source,
        interest: Interest,
    ) -> io::Result<Key> {
        let readiness = match interest.contains(Interest::WRITABLE) {
            true => Readiness::empty(),
            false => Readiness::WRITABLE,
        };
        let state = SourceState::new(interest, readiness);
        let directions = state.watched_directions();
        let key = self.slots.insert(Slot { source, state });
        if let Err(error) = self.selector.register(object, key.to_token(), directions) {
            self.slots.remove(key);
            return Err(error);
        }
        self.held += 1;
        Ok(key)
    }

    /// Registers the `object` of the source under `key` anew, so that the next poll reports its present readiness.
    pub(crate) fn rearm_lent(&mut self, key: Key, object: &mut dyn event::Source) {
        let Some(slot) = self.slots.get_mut(key) else {
            return;
        };
        let directions = slot.state.watched_directions();
        let rearmed = self.selector.rearm_for(object, key.to_token(), directions);
        match rearmed {
            Ok(()) => return,
            // No call of the source returns this error, so an entry on the wheel makes the reactor try again.
            Err(error) if is_out_of_registrations(&error) => {
                slot.state.signals.insert(Signals::REARM_REFUSED);
                let mut registration = Registration {
                    key,
                    state: &mut slot.state,
                    wheel: &mut self.wheel,
                    clock: &self.clock,
                };
                registration.wake_at(registration.tick() + REARM_RETRY_TICKS);
            }
            // The kernel reports nothing about the source now, so it is served: its read or write returns the error.
            Err(_) => slot.state.signals |= Signals::READABLE | Signals::WRITABLE,
        }
        update_lists(
            key,
            slot,
            self.in_callback,
            &mut self.schedule,
            &self.selector,
        );
    }

    /// Deregisters `object`. An error only means that `object` is not registered any more.
    pub(crate) fn deregister_lent(&self, object: &mut dyn event::Source) {
        let _ = self.selector.deregister(object);
    }

    pub(crate) fn interest(&self, key: Key) -> Interest {
        let slot = self.slots.get(key);
        slot.map_or(Interest::empty(), |slot| slot.state.interest)
    }

    pub(crate) fn readiness(&self, key: Key) -> Readiness {
        let slot = self.slots.get(key);
        slot.map_or(Readiness::empty(), |slot| slot.state.readiness())
    }

    /// Ends the callback of the source under `key` with `end`, which is told whether no other source waits. `end`
    /// returns how often in a row the reactor may then serve the source. With 0, the source comes after the other ready
    /// sources.
    pub(crate) fn end_lent_callback(
        &mut self,
        key: Key,
        end: impl FnOnce(&mut T, &mut Registration<'_>, bool) -> u32,
    ) {
        let is_alone = self.schedule.len(Phase::Serve) == 0 && self.burst.is_none();
        let Some(slot) = self.slots.get_mut(key) else {
            return;
        };
        let mut registration = Registration {
            key,
            state: &mut slot.state,
            wheel: &mut self.wheel,
            clock: &self.clock,
        };
        let left = end(&mut slot.source, &mut registration, is_alone);
        let state = &mut slot.state;
        let listed = Flags::QUEUED | Flags::CLOSING | Flags::WANTS_CLOSE;
        if state.has_work() && !state.flags.intersects(listed) {
            state.flags.insert(Flags::QUEUED);
            if left > 0 && self.burst.is_none() {
                self.burst = Some(Burst { key, left });
            } else {
                self.schedule.push_again(Phase::Serve, key);
            }
        }
        update_lists(
            key,
            slot,
            self.in_callback,
            &mut self.schedule,
            &self.selector,
        );
    }
}
