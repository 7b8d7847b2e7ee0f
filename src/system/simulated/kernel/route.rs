//! The route to an address: what the network does with a connect.

use std::time::Duration;

/// The fate of connects to an address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Route {
    /// They arrive. A listener answers them, or the kernel refuses them.
    #[default]
    Normal,
    /// They arrive later by this time.
    Delayed(Duration),
    /// They are lost, as behind a firewall that drops them: only a timeout ends the attempt.
    Blackhole,
    /// The system has no route and returns ENETUNREACH at once, as for IPv6 where there is none.
    Unreachable,
}
