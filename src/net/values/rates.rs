//! The rates of [`Limits`](super::Limits): the least rate of bytes, and the highest rate of accepts.

use std::time::Duration;

/// The least rate at which bytes have to move, with a grace at the beginning.
///
/// A peer begins with a credit of time: the grace plus one second. The credit runs down with time, and the socket
/// closes at zero. Each byte adds the time that it takes at the rate, but the credit never exceeds its first value. So
/// a short silence harms no peer that is fast otherwise. With the default grace, a silent peer lasts 6 s, and a peer at
/// half of the rate 12 s. A peer at the rate lasts for ever.
///
/// The loop counts the bytes only when the credit is used up, not at each read or send. So a peer that falls silent
/// after a burst lasts up to twice the credit: 12 s.
///
/// ```
/// use std::time::Duration;
/// use netloop::MinRate;
///
/// let rate = MinRate::per_second(240).grace(Duration::from_secs(5));
/// assert_eq!(rate, MinRate::per_second(240));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MinRate {
    pub(crate) bytes_per_second: u64,
    pub(crate) grace: Duration,
}

impl MinRate {
    /// A rate of `bytes` a second, after a grace of 5 s; 0 is no limit.
    pub fn per_second(bytes: u64) -> Self {
        Self {
            bytes_per_second: bytes,
            grace: Duration::from_secs(5),
        }
    }

    /// Sets the grace: the time at the beginning in which a peer may be slower than the rate. Later, a silence of about
    /// the same length is allowed. Default: 5 s.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }
}

/// The highest rate of accepts, with the number that may come at once.
///
/// ```
/// use netloop::AcceptRate;
///
/// let rate = AcceptRate::per_second(1_000).burst(2_000);
/// # let _ = rate;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AcceptRate {
    pub(crate) per_second: u32,
    pub(crate) burst: u32,
}

impl AcceptRate {
    /// A rate of `accepts` a second, with a [burst](Self::burst) of the same number; 0 counts as 1.
    pub fn per_second(accepts: u32) -> Self {
        let accepts = accepts.max(1);
        Self {
            per_second: accepts,
            burst: accepts,
        }
    }

    /// Sets the number of connections that are taken at once after a silence. Default: the number of accepts a second;
    /// 0 counts as 1.
    pub fn burst(mut self, accepts: u32) -> Self {
        self.burst = accepts.max(1);
        self
    }
}
