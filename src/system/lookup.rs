//! The values of a name lookup: the job, its ticket and its answer.

use std::io;
use std::net::SocketAddr;

use super::caught_panic::catch_panic;

/// A closure that finds the addresses of one name. The closure may block.
pub(crate) type Job = Box<dyn FnOnce() -> io::Result<Vec<SocketAddr>> + Send>;

/// The number of a lookup. The answer to the lookup has the same number.
pub(crate) type Ticket = u64;

/// The addresses that a lookup has found, or its error.
pub(crate) type Found = io::Result<Vec<SocketAddr>>;

/// The result of a lookup, with its ticket.
pub(crate) type Answer = (Ticket, Found);

/// The reason for which a lookup was not begun.
#[derive(Debug)]
pub(crate) enum Unasked {
    /// The number of lookups that wait for a thread has reached the limit.
    QueueIsFull,
    /// There is no thread, and the system cannot start one.
    NoThread(io::Error),
}

/// The limits on the lookups of one loop.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LookupLimits {
    /// The limit on the threads. Invariant: at least 1.
    pub(crate) threads: usize,
    /// The limit on the lookups that wait for a thread; `None` for no limit.
    pub(crate) waiting: Option<usize>,
}

impl LookupLimits {
    /// Whether a further lookup may be asked, while `waiting` lookups wait for a thread. `free` is the number of
    /// threads, started or not, that run no lookup. That many lookups get a thread soon, and do not count as waiting.
    pub(crate) fn allow(self, waiting: usize, free: usize) -> bool {
        self.waiting
            .is_none_or(|most| waiting < most.saturating_add(free))
    }
}

/// Runs `job`, and turns a panic in it into an error with the text of the panic.
pub(crate) fn run(job: Job) -> Found {
    catch_panic("the resolver panicked", job).unwrap_or_else(|text| Err(io::Error::other(text)))
}
