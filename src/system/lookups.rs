//! Name lookups that never block the loop's thread.

use std::io;

use super::lookup::{Answer, Job, Ticket};
use super::native::LookupThreads;
#[cfg(feature = "simulation")]
use super::simulated;

/// The lookups of one loop: waiting, running, or answered and not taken yet.
#[derive(Debug)]
pub(crate) enum Lookups {
    /// Jobs run on helper threads.
    Threads(LookupThreads),
    /// Jobs run within [`ask`](Self::ask), and their answers are delayed by virtual time.
    #[cfg(feature = "simulation")]
    Simulated(simulated::Lookups),
}

impl Lookups {
    /// Starts a lookup, whose end wakes the loop. Then [`next_answer`](Self::next_answer) returns the result.
    ///
    /// # Errors
    ///
    /// `ResourceBusy` if too many lookups wait already, or the system's error if it cannot start the first thread.
    pub(crate) fn ask(&mut self, job: Job) -> io::Result<Ticket> {
        match self {
            Self::Threads(threads) => threads.ask(job),
            #[cfg(feature = "simulation")]
            Self::Simulated(lookups) => Ok(lookups.ask(job)),
        }
    }

    /// Removes a lookup that waits for a thread. Any other lookup goes on, and the caller drops its answer.
    pub(crate) fn cancel(&self, ticket: Ticket) {
        match self {
            Self::Threads(threads) => threads.cancel(ticket),
            // The resolver was asked already.
            #[cfg(feature = "simulation")]
            Self::Simulated(_) => {}
        }
    }

    /// Takes the next answer.
    pub(crate) fn next_answer(&self) -> Option<Answer> {
        match self {
            Self::Threads(threads) => threads.next_answer(),
            #[cfg(feature = "simulation")]
            Self::Simulated(lookups) => lookups.next_answer(),
        }
    }
}
