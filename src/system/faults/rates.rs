//! The faults that calls can meet, with their rates.

/// The rate of each fault, as a number of calls in a thousand. Real systems have all of these faults.
///
/// ```
/// use netloop::simulation::Faults;
///
/// let faults = Faults { resets: 0, ..Faults::uniform(20) };
/// assert_eq!(faults.interruptions, 20);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// A read or a write moves fewer bytes than are possible. A later event reports the rest.
    pub short_transfers: u16,
    /// A signal interrupts a call (EINTR).
    pub interruptions: u16,
    /// A call would block although the socket was reported as ready. A later event reports the socket again.
    pub spurious_blocks: u16,
    /// The kernel has no memory to send with (ENOBUFS). No event reports that memory is free again.
    pub missing_buffers: u16,
    /// The connection is reset between two calls.
    pub resets: u16,
    /// The peer has gone when its connection is accepted (ECONNABORTED).
    pub aborted_accepts: u16,
    /// An accept finds no free descriptor in the process (EMFILE) or in the whole system (ENFILE).
    pub exhausted_accepts: u16,
    /// A connect finds no free descriptor in the process (EMFILE) or in the whole system (ENFILE).
    pub exhausted_connects: u16,
    /// A lookup fails for now (EAI_AGAIN).
    pub failed_lookups: u16,
    /// A lookup takes 5 s longer, or a multiple of 5 s, as if name servers did not answer.
    pub slow_lookups: u16,
    /// A wait for events ends early, and returns no event.
    pub empty_polls: u16,
    /// An event reports a socket as ready although the socket is not ready.
    pub spurious_events: u16,
    /// A connect to a local port without a listener connects the socket to itself (simultaneous open).
    pub self_connects: u16,
    /// An option of a socket is refused (EINVAL, which macOS returns once the peer has gone).
    pub refused_options: u16,
}

impl Faults {
    /// No faults: every rate is 0.
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

    /// Makes a set of faults in which every rate is `per_mille` calls in a thousand.
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
