//! The numbers of system calls that a simulated loop has made.

/// The numbers of system calls that a loop has made to its simulated kernel.
///
/// A call that a signal interrupts (EINTR) is not counted: the loop repeats it at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallCounts {
    /// Polls for events, with and without a wait.
    pub polls: u64,
    /// Connects, including those connects that failed at once.
    pub connects: u64,
    /// Accepts, with and without success.
    pub accepts: u64,
    /// Accepts that failed because no descriptor was free.
    pub exhausted_accepts: u64,
    /// Reads, with and without success.
    pub reads: u64,
    /// Writes, with and without success.
    pub writes: u64,
}
