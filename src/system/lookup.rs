//! The values of a name lookup: the job, its ticket and its answer.

use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A closure that finds the addresses of one name. The closure may block.
pub(crate) type Job = Box<dyn FnOnce() -> io::Result<Vec<SocketAddr>> + Send>;

/// The number of a lookup, which its answer repeats.
pub(crate) type Ticket = u64;

/// The addresses that a lookup has found, or its error.
pub(crate) type Found = io::Result<Vec<SocketAddr>>;

/// The result of a lookup, with its ticket.
pub(crate) type Answer = (Ticket, Found);

/// Runs `job`, and turns a panic in it into an error.
pub(crate) fn run(job: Job) -> Found {
    catch_unwind(AssertUnwindSafe(job))
        .unwrap_or_else(|_| Err(io::Error::other("the resolver panicked")))
}
