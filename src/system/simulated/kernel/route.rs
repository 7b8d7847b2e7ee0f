//! How an address can be reached: what its network does with a connect.

use std::time::Duration;

/// What becomes of connects to an address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// They arrive, and are answered by whoever listens there, or refused.
    #[default]
    Normal,
    /// They arrive so much later.
    Slow(Duration),
    /// They are lost, as behind a firewall that drops them: only a timeout ends the attempt.
    Silent,
    /// The system knows no way there, and says so at once (ENETUNREACH), as it does of IPv6 where there is none.
    Unreachable,
}
