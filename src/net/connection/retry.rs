//! The retries of one half of a connection whose calls fail for now: by a signal (EINTR), or a lack of memory (ENOBUFS,
//! ENOMEM). During a *rest* the half makes no call unless the kernel reports.

/// The number of interrupted calls in a row that are tried again without a rest.
const INTERRUPTIONS: u8 = 16;

/// The first and the longest rest, in ticks. Each rest is twice as long as the one before, up to the longest.
const FIRST_REST_TICKS: u64 = 10;
const LONGEST_REST_TICKS: u64 = 1_000;

/// The limit on the rests in a row that a passed deadline waits for: 150 ms in total.
const RESTS_OF_A_DEADLINE: u8 = 4;

/// The number of rests in a row after which a lack of memory fails the connection: 10 s in total.
const RESTS_OF_A_SHORTAGE: u8 = 16;

/// The failures in a row of one half. The kernel does not report that they are over: the half tries again by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Retry {
    interruptions: u8,
    rests: u8,
}

impl Retry {
    /// Counts an interrupted call. Returns whether the call is tried again at once, and not after a rest.
    pub(super) fn is_at_once(&mut self) -> bool {
        self.interruptions = self.interruptions.saturating_add(1);
        self.interruptions <= INTERRUPTIONS
    }

    pub(super) fn next_rest(&mut self) -> u64 {
        let doubled = FIRST_REST_TICKS << self.rests.min(10);
        self.rests = self.rests.saturating_add(1);
        doubled.min(LONGEST_REST_TICKS)
    }

    /// Whether a passed deadline waits no longer for this half, because the half has rested too often.
    pub(super) fn is_hopeless(self) -> bool {
        self.rests > RESTS_OF_A_DEADLINE
    }

    /// Whether a lack of memory has lasted too long. The connection then fails with the error of the last call.
    pub(super) fn is_exhausted(self) -> bool {
        self.rests >= RESTS_OF_A_SHORTAGE
    }

    fn has_grown_since(self, before: Self) -> bool {
        self.interruptions > before.interruptions || self.rests > before.rests
    }
}

/// The tick at which a rest ends, by its low bits: all connections hold one.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RestEnd(u16);

impl RestEnd {
    pub(super) fn at(tick: u64) -> Self {
        let [first, second, ..] = tick.to_le_bytes();
        Self(u16::from_le_bytes([first, second]))
    }

    /// Returns the tick of the end; `None` if the rest is over at `tick`.
    pub(super) fn after(self, tick: u64) -> Option<u64> {
        let left = u64::from(self.0.wrapping_sub(Self::at(tick).0));
        (1..=LONGEST_REST_TICKS)
            .contains(&left)
            .then(|| tick + left)
    }
}

/// The failures of both halves of a connection. The caller compares the failures before and after a service.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Retries {
    pub(super) inbound: Retry,
    pub(super) outbound: Retry,
}

impl Retries {
    /// Whether a half has failed since `before`, and is still worth the wait for its next try.
    pub(super) fn are_worth_waiting(self, before: Self) -> bool {
        let is_worth = |now: Retry, before| now.has_grown_since(before) && !now.is_hopeless();
        is_worth(self.inbound, before.inbound) || is_worth(self.outbound, before.outbound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rests_double_up_to_a_second() {
        let mut retry = Retry::default();
        let rests: Vec<u64> = (0..9).map(|_| retry.next_rest()).collect();
        assert_eq!(rests, [10, 20, 40, 80, 160, 320, 640, 1_000, 1_000]);
        for _ in 0..1_000 {
            assert!(retry.next_rest() <= LONGEST_REST_TICKS);
        }
    }

    #[test]
    fn a_rest_ends_at_its_tick() {
        for end in [10, 65_540, 1 << 40] {
            let rest = RestEnd::at(end);
            assert_eq!(rest.after(end - 10), Some(end));
            assert_eq!(rest.after(end - 1), Some(end));
            assert_eq!(rest.after(end), None);
            assert_eq!(rest.after(end + 60_000), None, "after a stall");
        }
    }

    #[test]
    fn a_shortage_is_waited_out_for_ten_seconds() {
        let mut retry = Retry::default();
        let mut ticks = 0;
        while !retry.is_exhausted() {
            ticks += retry.next_rest();
        }
        assert_eq!(ticks, 10_270);
    }

    #[test]
    fn a_deadline_waits_for_four_rests_in_a_row() {
        let mut retries = Retries {
            inbound: Retry::default(),
            outbound: Retry::default(),
        };
        assert!(!retries.are_worth_waiting(retries), "without a failure");
        for number in 1..=1_000 {
            let before = retries;
            retries.inbound.next_rest();
            assert_eq!(retries.are_worth_waiting(before), number <= 4, "{number}");
        }
        let before = retries;
        retries.inbound = Retry::default();
        assert!(!retries.are_worth_waiting(before), "after a success");
        retries.outbound.is_at_once();
        assert!(retries.are_worth_waiting(before), "of the other half");
    }

    #[test]
    fn interruptions_rest_after_sixteen_in_a_row() {
        let mut retry = Retry::default();
        assert!((0..16).all(|_| retry.is_at_once()));
        for _ in 0..1_000 {
            assert!(!retry.is_at_once());
        }
    }
}
