//! The kinds of servers and clients that seeds run.

/// A kind of server and clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Workload {
    Echo,
    Firehose,
    Flood,
    Proxy,
    Chaos,
    Shutdown,
    /// Names with several addresses, good and bad ones, looked up and raced for.
    Dialing,
    /// More connections than there are descriptors for.
    Crowded,
    /// The bytes of each member are broadcast to the others.
    Room,
    /// More guests than the server takes at a time.
    Limited,
    /// A server that pipes its clients to another one.
    Pipe,
    /// Idle timeouts in loops that stall, in a network that hides nothing.
    Stalled,
}

impl Workload {
    pub(crate) const ALL: [Self; 12] = [
        Self::Echo,
        Self::Firehose,
        Self::Flood,
        Self::Proxy,
        Self::Chaos,
        Self::Shutdown,
        Self::Dialing,
        Self::Crowded,
        Self::Room,
        Self::Limited,
        Self::Pipe,
        Self::Stalled,
    ];

    /// Whether what comes back is what was sent.
    pub(crate) fn is_echo(self) -> bool {
        matches!(
            self,
            Self::Echo
                | Self::Proxy
                | Self::Shutdown
                | Self::Crowded
                | Self::Limited
                | Self::Pipe
                | Self::Stalled
        )
    }
}
