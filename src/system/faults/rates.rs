//! The faults that calls can have, and how often.

/// The rate of each fault, in calls of a thousand. All are faults that real systems have.
///
/// ```
/// use netloop::simulation::Faults;
///
/// let faults = Faults { resets: 0, ..Faults::uniform(20) };
/// assert_eq!(faults.interruptions, 20);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// A read or a write moves less than it could; the rest is announced later.
    pub short_transfers: u16,
    /// A signal interrupts a call (EINTR).
    pub interruptions: u16,
    /// A call would block although the socket was reported as ready; it is reported again later.
    pub spurious_blocks: u16,
    /// The kernel has no memory to send with (ENOBUFS). No event announces the end of it.
    pub missing_buffers: u16,
    /// The connection is reset between two calls.
    pub resets: u16,
    /// A connection is gone when it is accepted (ECONNABORTED).
    pub aborted_accepts: u16,
    /// There is no descriptor for a waiting connection: the process has none left (EMFILE), or the whole system
    /// (ENFILE).
    pub exhausted_accepts: u16,
    /// There is no descriptor to connect with, as above.
    pub exhausted_connects: u16,
    /// A lookup fails for now (EAI_AGAIN).
    pub failed_lookups: u16,
    /// A lookup takes a multiple of five seconds longer, as if so many name servers did not answer.
    pub slow_lookups: u16,
    /// A wait ends early, without events.
    pub empty_polls: u16,
    /// A socket is reported as ready and is not.
    pub spurious_events: u16,
    /// A connect to a local port without a listener connects to itself (simultaneous open).
    pub self_connects: u16,
    /// An option of a socket is refused (EINVAL, which macOS returns once the peer has gone).
    pub refused_options: u16,
}

impl Faults {
    /// No fault at all.
    pub const NONE: Self = Self {
        short_transfers: 0,
        interruptions: 0,
        spurious_blocks: 0,
        missing_buffers: 0,
        resets: 0,
        aborted_accepts: 0,
        exhausted_accepts: 0,
        exhausted_connects: 0,
        failed_lookups: 0,
        slow_lookups: 0,
        empty_polls: 0,
        spurious_events: 0,
        self_connects: 0,
        refused_options: 0,
    };

    /// Every fault, each in `per_mille` calls of a thousand.
    pub const fn uniform(per_mille: u16) -> Self {
        Self {
            short_transfers: per_mille,
            interruptions: per_mille,
            spurious_blocks: per_mille,
            missing_buffers: per_mille,
            resets: per_mille,
            aborted_accepts: per_mille,
            exhausted_accepts: per_mille,
            exhausted_connects: per_mille,
            failed_lookups: per_mille,
            slow_lookups: per_mille,
            empty_polls: per_mille,
            spurious_events: per_mille,
            self_connects: per_mille,
            refused_options: per_mille,
        }
    }
}
