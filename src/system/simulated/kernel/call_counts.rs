//! The number of system calls that a loop makes.

/// The numbers of calls that a loop has made into its simulated kernel.
///
/// A call that a signal interrupted (EINTR) and that is repeated at once counts once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallCounts {
    /// Polls, whether they waited or not.
    pub polls: u64,
    /// Connects that were begun, or failed at once.
    pub connects: u64,
    /// Attempts to accept, with and without success.
    pub accepts: u64,
    /// Attempts to accept that failed for want of a descriptor.
    pub exhausted_accepts: u64,
    /// Reads.
    pub reads: u64,
    /// Writes.
    pub writes: u64,
}
