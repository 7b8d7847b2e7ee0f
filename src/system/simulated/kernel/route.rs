//! The route to an address, which decides the fate of connects.

use std::time::Duration;

/// The fate of connects to one address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Route {
    /// Connects arrive: a listener answers, or the kernel refuses.
    #[default]
    Normal,
    /// Connects arrive later than usual, by this time.
    Delayed(Duration),
    /// Connects are lost, as behind a firewall that drops packets. Only a timeout ends the attempt.
    Blackhole,
    /// The kernel has no route, and the connect returns ENETUNREACH at once, as on a machine without IPv6.
    Unreachable,
}
