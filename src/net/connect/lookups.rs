//! The lookups that are under way, with the sources that wait for each. A source with an equal query joins a lookup
//! that is under way.

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
    askers: Vec<Key>,
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

    /// Starts a lookup of `query` by `resolver` for the source `asker`, or joins an equal lookup that is under way.
    pub(crate) fn ask(
        &mut self,
        query: &HostQuery<'_>,
        resolver: &SharedResolver,
        asker: Key,
    ) -> io::Result<()> {
        let &HostQuery { host, family } = query;
        if host.is_empty() || host.len() > LONGEST_NAME || host.contains('\0') {
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                "this cannot be a host's name",
            ));
        }
        let same = self.pending.iter_mut().find(|lookup| {
            lookup.host == host && lookup.family == family && lookup.resolver.is_same(resolver)
        });
        if let Some(lookup) = same {
            lookup.askers.push(asker);
            return Ok(());
        }
        let job: Job = {
            let (host, resolver) = (host.to_owned(), resolver.clone());
            Box::new(move || {
                let query = HostQuery::new(&host, family);
                resolver.resolve(&query).map_err(to_io)
            })
        };
        let ticket = self.lookups.ask(job)?;
        self.pending.push(PendingLookup {
            ticket,
            host: host.to_owned(),
            family,
            resolver: resolver.clone(),
            askers: vec![asker],
        });
        Ok(())
    }

    /// Whether a lookup is under way.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Takes the next answer that has arrived, with the keys of all sources that asked. A source may be gone by now.
    pub(crate) fn next_answer(&mut self) -> Option<(Vec<Key>, io::Result<Vec<SocketAddr>>)> {
        let (ticket, answer) = self.lookups.next_answer()?;
        let place = self
            .pending
            .iter()
            .position(|lookup| lookup.ticket == ticket)?;
        let lookup = self.pending.swap_remove(place);
        Some((lookup.askers, answer))
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
