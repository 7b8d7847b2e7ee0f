//! Postpones the close timeout while bytes still move. The first time any byte is enough; later times need [`RATE`].

/// The least rate, in bytes a second, at which bytes must move to postpone the close timeout after the first time.
const RATE: u64 = 240;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct MovedBytes {
    /// The received bytes. Zero if the close waits for the queue alone, because received bytes are then no progress.
    pub(super) received: u64,
    pub(super) sent: u64,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct CloseProgress {
    /// The tick from which the close timeout counts, unless this side has ended later.
    since: u64,
    /// The tick of the last postponement, and the bytes that had moved until then. A pause moves the tick on, because
    /// the rate does not count the pause.
    look: Option<(u64, MovedBytes)>,
}

impl CloseProgress {
    pub(super) fn since(&self, ended: u64) -> u64 {
        self.since.max(ended)
    }

    /// Postpones the timeout, which has passed at `tick`, if enough bytes have moved. It then counts from `last_byte`.
    pub(super) fn put_off(&mut self, ended: u64, last_byte: u64, tick: u64, moved: MovedBytes) {
        let is_enough = match self.look {
            None => true,
            Some((looked, before)) => {
                let bytes = moved.received.saturating_sub(before.received)
                    + moved.sent.saturating_sub(before.sent);
                bytes > 0 && bytes.saturating_mul(1_000) >= (tick - looked).saturating_mul(RATE)
            }
        };
        if is_enough && last_byte > self.since(ended) {
            self.since = last_byte;
            self.look = Some((tick, moved));
        }
    }

    /// Leaves a pause from `began` to `tick` out of the timeout. The last byte before `tick` came at `last_byte`.
    pub(super) fn skip_rest(&mut self, ended: u64, last_byte: u64, began: u64, tick: u64) {
        let since = match self.look {
            // Any byte is enough for the first postponement, so the timeout counts from the last byte.
            None => self.since(ended).max(last_byte),
            Some(_) => self.since,
        };
        self.since = tick - began.saturating_sub(since).min(tick);
        if let Some((looked, _)) = &mut self.look {
            *looked += tick.saturating_sub(began.max(*looked));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::activity::later;
    use super::*;

    const TIMEOUT: Duration = Duration::from_millis(500);

    /// Receives `bytes` at each tick that `arrives` accepts. Returns the tick of the close, if it comes before `end`.
    /// Both `arrives` and the result count from the end of this side, at the tick 1,000.
    fn decided_at(end: u64, bytes: u64, arrives: impl Fn(u64) -> bool) -> Option<u64> {
        let ended = 1_000;
        let mut progress = CloseProgress::default();
        let (mut moved, mut last_byte) = (MovedBytes::default(), 900);
        for tick in ended..end {
            if arrives(tick - ended) {
                moved.received += bytes;
                last_byte = tick;
            }
            let deadline = |it: &CloseProgress| later(it.since(ended), TIMEOUT);
            if deadline(&progress) <= tick {
                progress.put_off(ended, last_byte, tick, moved);
                if deadline(&progress) <= tick {
                    return Some(tick - ended);
                }
            }
        }
        None
    }

    #[test]
    fn silence_decides_after_the_timeout() {
        assert_eq!(decided_at(10_000, 1, |_| false), Some(501));
        assert_eq!(decided_at(10_000, 1, |tick| tick == 200), Some(701));
        assert_eq!(decided_at(10_000, 1 << 20, |tick| tick == 450), Some(951));
    }

    // Without a rate, one byte each 0.3 s would keep a socket open for ever.
    #[test]
    fn a_trickle_puts_the_timeout_off_only_once() {
        for period in 1..500 {
            let decided = decided_at(100_000, 1, |tick| tick % period == period - 1);
            match period {
                // These bytes come at 240 a second or more.
                1..=4 => assert_eq!(decided, None, "{period}"),
                _ => assert!(decided.unwrap() <= 1_005, "{period}: {decided:?}"),
            }
        }
    }

    #[test]
    fn bytes_at_the_rate_put_the_timeout_off_for_ever() {
        for period in [10, 50, 250, 490] {
            let bytes = RATE * 2 * period / 1_000 + 1;
            assert_eq!(decided_at(200_000, bytes, |tick| tick % period == 0), None);
        }
    }

    #[test]
    fn a_rest_takes_nothing_from_the_close_timeout() {
        // This side ended at 1,000, and the pause lasts from 1,030 to 5,000. The 30 ms between count.
        let mut progress = CloseProgress::default();
        progress.skip_rest(1_000, 900, 1_030, 5_000);
        assert_eq!(progress.since(1_000), 4_970);
        // A byte that is sent during the pause begins the timeout anew.
        let mut progress = CloseProgress::default();
        progress.skip_rest(1_000, 4_000, 1_030, 5_000);
        assert_eq!(progress.since(1_000), 5_000);
    }

    // The peer cannot send while this side does not read, so its rate is not measured.
    #[test]
    fn the_rate_is_not_measured_over_a_rest() {
        let moved = |received| MovedBytes { received, sent: 0 };
        let mut progress = CloseProgress::default();
        progress.put_off(1_000, 1_400, 1_501, moved(10));
        assert_eq!(progress.since(1_000), 1_400);
        progress.skip_rest(1_000, 1_400, 1_600, 9_600);
        assert_eq!(progress.since(1_000), 9_400);
        // Without the pause, 300 ms have passed since 1,501. At 240 bytes a second that is 72 bytes.
        let mut enough = progress;
        enough.put_off(1_000, 9_700, 9_801, moved(10 + 72));
        assert_eq!(enough.since(1_000), 9_700);
        progress.put_off(1_000, 9_700, 9_801, moved(10 + 71));
        assert_eq!(progress.since(1_000), 9_400);
    }
}
