//! Name lookups that never block the loop's thread.

use std::io;

use super::lookup::{Answer, Job, Ticket};
use super::native::LookupThreads;
#[cfg(feature = "simulation")]
use super::simulated;

/// The lookups of one loop that are waiting, under way, or answered.
#[derive(Debug)]
pub(crate) enum Lookups {
    /// Jobs run on helper threads.
    Threads(LookupThreads),
    /// Jobs run at once, and their answers take the time of a simulation.
    #[cfg(feature = "simulation")]
    Simulated(simulated::Lookups),
}

impl Lookups {
    /// Asks a question. The answer comes with [`next_answer`](Self::next_answer), after the loop was woken.
    ///
    /// # Errors
    ///
    /// `ResourceBusy` if too many questions wait already, or the system's error if it refuses the first thread.
    pub(crate) fn ask(&mut self, job: Job) -> io::Result<Ticket> {
        match self {
            Self::Threads(threads) => threads.ask(job),
            #[cfg(feature = "simulation")]
            Self::Simulated(lookups) => Ok(lookups.ask(job)),
        }
    }

    /// Takes the next answer that has come. The answer to an abandoned question comes too.
    pub(crate) fn next_answer(&self) -> Option<Answer> {
        match self {
            Self::Threads(threads) => threads.next_answer(),
            #[cfg(feature = "simulation")]
            Self::Simulated(lookups) => lookups.next_answer(),
        }
    }
}
