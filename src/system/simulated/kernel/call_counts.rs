//! How much a loop asks of its kernel.

/// How many calls a loop has made into its simulated kernel. Those that a signal ended and that are made again at once
/// (EINTR) count once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Calls {
    /// Looks for events, whether they waited or not.
    pub polls: u64,
    /// Connects that were begun, or failed at once.
    pub connects: u64,
    /// Attempts to accept, with and without success.
    pub accepts: u64,
    /// Of these, those that failed for want of a descriptor.
    pub exhausted_accepts: u64,
    /// Reads.
    pub reads: u64,
    /// Writes.
    pub writes: u64,
}
