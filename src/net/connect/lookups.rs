//! The lookups that are under way, with the sources that wait for each. A source with an equal query joins a lookup
//! that is under way.

use std::collections::HashSet;
use std::io;
use std::net::SocketAddr;

use crate::net::error::to_io;
use crate::net::values::Family;
use crate::reactor::Key;
use crate::system::{Job, Lookups, Ticket};

use super::resolver::{HostQuery, SharedResolver};

/// The length of the longest name in DNS (RFC 1035). No resolver is asked for a longer name.
const LONGEST_NAME: usize = 253;

/// A lookup under way, with all sources that wait for its answer.
struct PendingLookup {
    ticket: Ticket,
    host: String,
    family: Option<Family>,
    resolver: SharedResolver,
    /// Invariant: not empty. A lookup that no source waits for is given up.
    askers: Vec<Key>,
    /// Whether a source has waited for this lookup in vain. No further source joins: the resolver may hang.
    is_overdue: bool,
}

impl PendingLookup {
    fn is_for(&self, query: &HostQuery<'_>, resolver: &SharedResolver) -> bool {
        self.host == query.host && self.family == query.family && self.resolver.is_same(resolver)
    }
}

/// The reason for which a source no longer waits for a lookup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Departure {
    /// The source has closed, and says nothing about the lookup.
    Left,
    /// The source has waited until its timeout, so the lookup may hang.
    TimedOut,
}

/// The lookups of one loop that are under way.
pub(crate) struct PendingLookups {
    lookups: Lookups,
    pending: Vec<PendingLookup>,
}

impl PendingLookups {
    pub(crate) fn new(lookups: Lookups) -> Self {
        Self {
            lookups,
            pending: Vec::new(),
        }
    }

    /// Starts a lookup of `query` by `resolver` for the source `asker`, or joins an equal lookup that is under way and
    /// not overdue.
    pub(crate) fn ask(
        &mut self,
        query: &HostQuery<'_>,
        resolver: &SharedResolver,
        asker: Key,
    ) -> io::Result<()> {
        let host = query.host;
        if host.is_empty() || host.len() > LONGEST_NAME || host.contains('\0') {
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                "this cannot be a host's name",
            ));
        }
        let same = self
            .pending
            .iter_mut()
            .find(|lookup| lookup.is_for(query, resolver) && !lookup.is_overdue);
        if let Some(lookup) = same {
            lookup.askers.push(asker);
            return Ok(());
        }
        self.start(host.to_owned(), query.family, resolver.clone(), vec![asker])
    }

    fn start(
        &mut self,
        host: String,
        family: Option<Family>,
        resolver: SharedResolver,
        askers: Vec<Key>,
    ) -> io::Result<()> {
        let job: Job = {
            let (host, resolver) = (host.clone(), resolver.clone());
            Box::new(move || {
                let query = HostQuery::new(&host, family);
                resolver.resolve(&query).map_err(to_io)
            })
        };
        let ticket = self.lookups.ask(job)?;
        self.pending.push(PendingLookup {
            ticket,
            host,
            family,
            resolver,
            askers,
            is_overdue: false,
        });
        Ok(())
    }

    /// Returns the sources that wait for a lookup of `query` by `resolver`.
    pub(crate) fn askers_of(&self, query: &HostQuery<'_>, resolver: &SharedResolver) -> Vec<Key> {
        let same = |lookup: &&PendingLookup| lookup.is_for(query, resolver);
        let same = self.pending.iter().filter(same);
        same.flat_map(|lookup| lookup.askers.iter().copied())
            .collect()
    }

    /// Notes that the source `asker` no longer waits. Gives up a lookup that no other source waits for. If the source has
    /// timed out, the name is looked up again for the others, which take the first answer of the two.
    pub(crate) fn depart(&mut self, asker: Key, departure: Departure) {
        // The source may wait for several lookups of its name. Only the oldest has had the whole timeout.
        let mut oldest: Option<Ticket> = None;
        let mut place = 0;
        while let Some(lookup) = self.pending.get_mut(place) {
            let before = lookup.askers.len();
            lookup.askers.retain(|key| *key != asker);
            if lookup.askers.len() < before {
                let ticket = lookup.ticket;
                oldest = Some(oldest.map_or(ticket, |oldest| oldest.min(ticket)));
            }
            match lookup.askers.is_empty() {
                true => self.give_up(place),
                false => place += 1,
            }
        }
        if let (Some(ticket), Departure::TimedOut) = (oldest, departure) {
            self.look_up_again(ticket);
        }
    }

    /// Marks the lookup `ticket` as overdue, and starts another for its sources. Does nothing if it is overdue already, or
    /// given up.
    fn look_up_again(&mut self, ticket: Ticket) {
        let mut pending = self.pending.iter_mut();
        let overdue = pending.find(|lookup| lookup.ticket == ticket && !lookup.is_overdue);
        let Some(lookup) = overdue else {
            return;
        };
        lookup.is_overdue = true;
        let (host, resolver) = (lookup.host.clone(), lookup.resolver.clone());
        let (family, askers) = (lookup.family, lookup.askers.clone());
        // If no lookup can be started, the sources still wait for the one that is under way.
        let _ = self.start(host, family, resolver, askers);
    }

    /// Removes the sources that have their answer now from the other lookups of the same name.
    fn release_from_others(&mut self, answered: &PendingLookup) {
        let query = HostQuery::new(&answered.host, answered.family);
        let is_other = |lookup: &PendingLookup| lookup.is_for(&query, &answered.resolver);
        if !self.pending.iter().any(is_other) {
            return;
        }
        let keys: HashSet<Key> = answered.askers.iter().copied().collect();
        let mut place = 0;
        while let Some(other) = self.pending.get_mut(place) {
            if is_other(other) {
                other.askers.retain(|key| !keys.contains(key));
            }
            match other.askers.is_empty() {
                true => self.give_up(place),
                false => place += 1,
            }
        }
    }

    /// Forgets the lookup at `place`. Its answer will be dropped, if one comes.
    fn give_up(&mut self, place: usize) {
        let lookup = self.pending.swap_remove(place);
        self.lookups.cancel(lookup.ticket);
    }

    /// Whether a lookup is under way.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Takes the next answer that has arrived, with the keys of all sources that wait for it. Drops the answers of
    /// lookups that were given up. A source may be gone by now.
    pub(crate) fn next_answer(&mut self) -> Option<(Vec<Key>, io::Result<Vec<SocketAddr>>)> {
        loop {
            let (ticket, answer) = self.lookups.next_answer()?;
            let place = self
                .pending
                .iter()
                .position(|lookup| lookup.ticket == ticket);
            let Some(place) = place else { continue };
            let answered = self.pending.swap_remove(place);
            self.release_from_others(&answered);
            return Some((answered.askers, answer));
        }
    }
}

impl std::fmt::Debug for PendingLookups {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("PendingLookups")
            .field("pending", &self.pending.len())
            .field("lookups", &self.lookups)
            .finish()
    }
}
