//! The times of the limits, shortened.

use std::time::Duration;

use netloop::{Limits, MinRate};

/// The times of the limits for strangers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub(super) first_byte: Duration,
    pub(super) idle: Duration,
    pub(super) write_stall: Duration,
    pub(super) grace: Duration,
    pub(super) close: Duration,
    pub(super) half_open: Duration,
    /// The deadline of a whole request, which the server sets.
    pub(super) request: Duration,
}

impl Times {
    /// Returns the times, each shorter by `factor`.
    pub(super) fn shorter(factor: u32) -> Self {
        let seconds = |seconds| Duration::from_secs(seconds) / factor;
        Self {
            first_byte: seconds(10),
            idle: seconds(75),
            write_stall: seconds(30),
            grace: seconds(5),
            close: seconds(10),
            half_open: seconds(60),
            request: seconds(30),
        }
    }

    /// Returns `Limits::internet` with these times.
    pub(super) fn limits(&self) -> Limits {
        let rate = MinRate::per_second(240).grace(self.grace);
        Limits::internet()
            .first_byte_timeout(self.first_byte)
            .idle_timeout(self.idle)
            .write_stall_timeout(self.write_stall)
            .min_receive_rate(rate)
            .min_send_rate(rate)
            .close_timeout(self.close)
            .linger_timeout(self.close)
            .half_open_timeout(self.half_open)
    }
}
