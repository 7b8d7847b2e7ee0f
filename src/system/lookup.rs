//! The values of a name lookup: the job, its ticket and its answer.

use std::io;
use std::net::SocketAddr;

use super::caught_panic::catch_panic;

/// A closure that finds the addresses of one name, and may block.
pub(crate) type Job = Box<dyn FnOnce() -> io::Result<Vec<SocketAddr>> + Send>;

/// The number of a lookup and of its answer.
pub(crate) type Ticket = u64;

pub(crate) type Found = io::Result<Vec<SocketAddr>>;

pub(crate) type Answer = (Ticket, Found);

#[derive(Debug)]
pub(crate) enum Unasked {
    /// The number of lookups that wait for a thread has reached the limit.
    QueueIsFull,
    /// There is no thread, and the system cannot start one.
    NoThread(io::Error),
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct LookupLimits {
    /// The limit on the threads. Invariant: at least 1.
    pub(crate) threads: usize,
    /// The limit on the lookups that wait for a thread; `None` for no limit.
    pub(crate) waiting: Option<usize>,
}

impl LookupLimits {
    /// Whether a further lookup may be asked while `waiting` wait. `free` is the number of threads, started or not,
    /// that run no lookup. As many of the lookups get a thread soon, so they do not count as waiting.
    pub(crate) fn allow(self, waiting: usize, free: usize) -> bool {
        self.waiting
            .is_none_or(|most| waiting < most.saturating_add(free))
    }
}

pub(crate) fn run(job: Job) -> Found {
    catch_panic("the resolver panicked", job).unwrap_or_else(|text| Err(io::Error::other(text)))
}
