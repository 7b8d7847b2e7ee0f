//! The lookups that are under way, with the sources that wait for each. Sources with equal queries share a lookup.

use std::collections::HashSet;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::net::error::{Error, to_io};
use crate::net::values::Family;
use crate::reactor::Key;
use crate::system::{Job, LookupLimits, Lookups, Ticket, Unasked};

use super::resolver::{HostQuery, SharedResolver};

/// The length of the longest name in DNS (RFC 1035). No resolver is asked for a longer name.
const LONGEST_NAME: usize = 253;

/// The age from which on a lookup counts as slow, and may hang: most name servers answer sooner. The next source that
/// asks may then start another lookup, and all sources of the name wait for both.
const SLOW: Duration = Duration::from_millis(100);

struct PendingLookup {
    ticket: Ticket,
    began: Instant,
    host: String,
    family: Option<Family>,
    resolver: SharedResolver,
    /// Invariant: not empty, and the same for all lookups of one query. A lookup that no source waits for is given up.
    askers: Vec<Key>,
    /// Whether the sources of this lookup wait for a further one too, because this one may hang.
    is_overdue: bool,
}

impl PendingLookup {
    fn is_for(&self, query: &HostQuery<'_>, resolver: &SharedResolver) -> bool {
        self.host == query.host && self.family == query.family && self.resolver.is_same(resolver)
    }

    fn is_slow(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.began) >= SLOW
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Departure {
    /// The source has closed. This is no sign that the lookup hangs.
    Left,
    /// The source has waited until its timeout, so the lookup may hang.
    TimedOut,
}

pub(crate) struct PendingLookups {
    lookups: Lookups,
    pending: Vec<PendingLookup>,
    limits: LookupLimits,
    counts: LookupCounts,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LookupCounts {
    /// Includes the lookups that were given up before a resolver was asked.
    pub(crate) started: u64,
    /// The lookups that were not started, because too many waited for a thread. A refused second lookup of a slow name
    /// does not count: its sources still have the first.
    pub(crate) refused: u64,
    /// Counts the sources that waited until their timeout, not the lookups.
    pub(crate) timed_out: u64,
}

impl PendingLookups {
    pub(crate) fn new(lookups: Lookups, limits: LookupLimits) -> Self {
        Self {
            lookups,
            pending: Vec::new(),
            limits,
            counts: LookupCounts::default(),
        }
    }

    pub(crate) fn counts(&self) -> LookupCounts {
        self.counts
    }

    /// Returns the limit on the lookups of one query that are under way.
    fn most_of_a_query(&self) -> usize {
        self.limits.threads.saturating_sub(1).max(2)
    }

    /// Returns the error for a timeout of `asker`, if it waits for lookups and none of them has got a thread.
    pub(crate) fn unasked(&self, asker: Key) -> Option<io::Error> {
        let own = self.pending.iter();
        let mut own = own.filter(|lookup| lookup.askers.contains(&asker));
        let waits = |lookup: &PendingLookup| self.lookups.waits_for_thread(lookup.ticket);
        let is_unasked = waits(own.next()?) && own.all(waits);
        is_unasked.then(|| {
            let text = format!(
                "no thread was free to look the name up: all {} (`Limits::lookup_threads`) looked up other names",
                self.limits.threads
            );
            io::Error::new(io::ErrorKind::TimedOut, text)
        })
    }

    /// Starts a lookup for the source `asker`, or adds it to the equal ones. If the newest of these is slow, starts
    /// another for all their sources.
    pub(crate) fn ask(
        &mut self,
        query: &HostQuery<'_>,
        resolver: &SharedResolver,
        asker: Key,
        now: Instant,
    ) -> io::Result<()> {
        let host = query.host;
        if host.is_empty() || host.len() > LONGEST_NAME || host.contains('\0') {
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                "this cannot be a host's name",
            ));
        }
        let mut newest = None;
        for lookup in &mut self.pending {
            if lookup.is_for(query, resolver) {
                lookup.askers.push(asker);
                newest = newest.max(Some(lookup.ticket));
            }
        }
        let Some(newest) = newest else {
            let (host, askers) = (host.to_owned(), vec![asker]);
            let started = self.start(host, query.family, resolver.clone(), askers, now);
            return started.map_err(|unasked| self.refuse(unasked));
        };
        self.look_up_again_if_slow(newest, now);
        Ok(())
    }

    fn start(
        &mut self,
        host: String,
        family: Option<Family>,
        resolver: SharedResolver,
        askers: Vec<Key>,
        now: Instant,
    ) -> Result<(), Unasked> {
        let job: Job = {
            let (host, resolver) = (host.clone(), resolver.clone());
            Box::new(move || {
                let query = HostQuery::new(&host, family);
                resolver.resolve(&query).map_err(to_io)
            })
        };
        let ticket = self.lookups.ask(job)?;
        self.counts.started += 1;
        self.pending.push(PendingLookup {
            ticket,
            began: now,
            host,
            family,
            resolver,
            askers,
            is_overdue: false,
        });
        Ok(())
    }

    #[cold]
    fn refuse(&mut self, unasked: Unasked) -> io::Error {
        if let Unasked::NoThread(error) = unasked {
            return error;
        }
        self.counts.refused += 1;
        let most = self.limits.waiting.unwrap_or(usize::MAX);
        let text =
            format!("{most} lookups wait for a thread already (`Limits::max_waiting_lookups`)");
        Error::with_code("EAGAIN", text).into()
    }

    /// Returns the sources that wait for lookups of `query`. A source is there once for each lookup that it waits for.
    pub(crate) fn askers_of(&self, query: &HostQuery<'_>, resolver: &SharedResolver) -> Vec<Key> {
        let same = |lookup: &&PendingLookup| lookup.is_for(query, resolver);
        let same = self.pending.iter().filter(same);
        same.flat_map(|lookup| lookup.askers.iter().copied())
            .collect()
    }

    /// Gives up each lookup that only `asker` waits for. The sources of its other lookups may get a further lookup.
    pub(crate) fn depart(&mut self, asker: Key, departure: Departure, now: Instant) {
        let mut waited_for: Vec<Ticket> = Vec::new();
        let mut place = 0;
        while let Some(lookup) = self.pending.get_mut(place) {
            let before = lookup.askers.len();
            lookup.askers.retain(|key| *key != asker);
            if lookup.askers.len() < before {
                waited_for.push(lookup.ticket);
            }
            match lookup.askers.is_empty() {
                true => self.give_up(place),
                false => place += 1,
            }
        }
        if departure == Departure::TimedOut && !waited_for.is_empty() {
            self.counts.timed_out += 1;
        }
        match (departure, &*waited_for) {
            (_, []) => {}
            (Departure::TimedOut, [only]) => self.look_up_again(*only, now),
            // A departure before the timeout, or from several lookups, proves no hang of the newest: its age decides
            // whether another lookup begins.
            (_, [first, others @ ..]) => {
                let newest = others.iter().fold(*first, |newest, it| newest.max(*it));
                self.look_up_again_if_slow(newest, now);
            }
        }
    }

    fn look_up_again_if_slow(&mut self, ticket: Ticket, now: Instant) {
        let mut pending = self.pending.iter();
        let Some(lookup) = pending.find(|lookup| lookup.ticket == ticket) else {
            return;
        };
        let query = HostQuery::new(&lookup.host, lookup.family);
        let same = self.pending.iter();
        let same = same.filter(|it| it.is_for(&query, &lookup.resolver));
        if lookup.is_slow(now) && same.count() < self.most_of_a_query() {
            self.look_up_again(ticket, now);
        }
    }

    /// Starts another lookup for the sources of lookup `ticket`, unless that one is overdue already or was given up.
    fn look_up_again(&mut self, ticket: Ticket, now: Instant) {
        let mut pending = self.pending.iter();
        let overdue = pending.find(|lookup| lookup.ticket == ticket && !lookup.is_overdue);
        let Some(lookup) = overdue else {
            return;
        };
        let (host, resolver) = (lookup.host.clone(), lookup.resolver.clone());
        let (family, askers) = (lookup.family, lookup.askers.clone());
        // If no lookup can be started, the sources still wait for the one that is under way.
        let is_started = self.start(host, family, resolver, askers, now).is_ok();
        let mut pending = self.pending.iter_mut();
        if let Some(lookup) = pending.find(|lookup| lookup.ticket == ticket) {
            lookup.is_overdue = is_started;
        }
    }

    /// Takes the sources that have got this answer out of the other lookups of the same query.
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

    /// A late answer to the lookup is dropped.
    fn give_up(&mut self, place: usize) {
        let lookup = self.pending.swap_remove(place);
        self.lookups.cancel(lookup.ticket);
    }

    pub(crate) fn is_waiting(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Drops the answers of lookups that were given up. A source may be gone when the caller gives it the answer.
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

#[cfg(test)]
mod tests;
