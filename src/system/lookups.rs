//! Name lookups, which run on threads of their own, except in a simulation.

use super::lookup::{Answer, Job, Ticket, Unasked};
use super::native::LookupThreads;
#[cfg(feature = "simulation")]
use super::simulated;

/// The lookups of one loop: those that wait or run, and those whose answer the loop has not taken yet.
#[derive(Debug)]
pub(crate) enum Lookups {
    Threads(LookupThreads),
    /// Jobs run within [`ask`](Self::ask), and their answers are delayed by virtual time.
    #[cfg(feature = "simulation")]
    Simulated(simulated::Lookups),
}

impl Lookups {
    /// Starts a lookup, whose end wakes the loop. Fails if too many lookups wait already, or if there is no thread.
    pub(crate) fn ask(&mut self, job: Job) -> Result<Ticket, Unasked> {
        match self {
            Self::Threads(threads) => threads.ask(job),
            #[cfg(feature = "simulation")]
            Self::Simulated(lookups) => lookups.ask(job),
        }
    }

    /// Whether a lookup still waits for a thread, so that its resolver was not asked yet.
    pub(crate) fn waits_for_thread(&self, ticket: Ticket) -> bool {
        match self {
            Self::Threads(threads) => threads.waits_for_thread(ticket),
            #[cfg(feature = "simulation")]
            Self::Simulated(_) => false,
        }
    }

    /// Gives up a lookup. A lookup that waits for a thread is removed. A lookup that runs goes on, and another thread
    /// may replace its thread. The caller drops the answer if one comes.
    pub(crate) fn cancel(&self, ticket: Ticket) {
        match self {
            Self::Threads(threads) => threads.cancel(ticket),
            // The job has run within `ask`, so there is nothing to remove.
            #[cfg(feature = "simulation")]
            Self::Simulated(_) => {}
        }
    }

    pub(crate) fn next_answer(&self) -> Option<Answer> {
        match self {
            Self::Threads(threads) => threads.next_answer(),
            #[cfg(feature = "simulation")]
            Self::Simulated(lookups) => lookups.next_answer(),
        }
    }
}
