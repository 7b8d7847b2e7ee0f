//! Which lookups are under way, and for whom. The same question in flight is asked once.

use std::io;
use std::sync::Arc;

use crate::reactor::Key;
use crate::system::{Job, Lookups, Ticket};

use super::resolver::{SharedResolver, is_same};

/// The longest name that DNS knows (RFC 1035). Longer ones are refused before anybody is asked.
const LONGEST_NAME: usize = 253;

/// One question, and all who wait for its answer.
struct Inquiry {
    ticket: Ticket,
    host: String,
    resolver: SharedResolver,
    askers: Vec<Key>,
}

/// The questions that are in flight.
pub(crate) struct Inquiries {
    lookups: Lookups,
    in_flight: Vec<Inquiry>,
}

impl Inquiries {
    pub(crate) fn new(lookups: Lookups) -> Self {
        Self {
            lookups,
            in_flight: Vec::new(),
        }
    }

    /// Asks for the addresses of `host`, on behalf of `asker`.
    pub(crate) fn ask(
        &mut self,
        host: &str,
        resolver: &SharedResolver,
        asker: Key,
    ) -> io::Result<()> {
        if host.is_empty() || host.len() > LONGEST_NAME || host.contains('\0') {
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                "this cannot be a host's name",
            ));
        }
        let same = self
            .in_flight
            .iter_mut()
            .find(|inquiry| inquiry.host == host && is_same(&inquiry.resolver, resolver));
        if let Some(inquiry) = same {
            inquiry.askers.push(asker);
            return Ok(());
        }
        let job: Job = {
            let (host, resolver) = (host.to_owned(), Arc::clone(resolver));
            Box::new(move || resolver.resolve(&host))
        };
        let ticket = self.lookups.ask(job)?;
        self.in_flight.push(Inquiry {
            ticket,
            host: host.to_owned(),
            resolver: Arc::clone(resolver),
            askers: vec![asker],
        });
        Ok(())
    }

    /// Whether an answer is to be expected.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.in_flight.is_empty()
    }

    /// The next answer, with all who asked. They may be gone by now.
    pub(crate) fn next_answer(&mut self) -> Option<(Vec<Key>, io::Result<Vec<std::net::IpAddr>>)> {
        let (ticket, answer) = self.lookups.next_answer()?;
        let place = self
            .in_flight
            .iter()
            .position(|inquiry| inquiry.ticket == ticket)?;
        let inquiry = self.in_flight.swap_remove(place);
        Some((inquiry.askers, answer))
    }
}

impl std::fmt::Debug for Inquiries {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Inquiries")
            .field("in_flight", &self.in_flight.len())
            .field("lookups", &self.lookups)
            .finish()
    }
}
