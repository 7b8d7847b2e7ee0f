//! Name lookups as values: the question, its ticket and its answer.

use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A closure that finds the addresses of a name; it may block.
pub(crate) type Job = Box<dyn FnOnce() -> io::Result<Vec<SocketAddr>> + Send>;

/// The number of a question, by which its answer is recognised.
pub(crate) type Ticket = u64;

/// The addresses that a lookup has found, or the reason why it failed.
pub(crate) type Found = io::Result<Vec<SocketAddr>>;

/// The result of a lookup, with the ticket of the question.
pub(crate) type Answer = (Ticket, Found);

/// Runs `job`, and turns a panic in it into an error.
pub(crate) fn run(job: Job) -> Found {
    catch_unwind(AssertUnwindSafe(job))
        .unwrap_or_else(|_| Err(io::Error::other("the resolver panicked")))
}
