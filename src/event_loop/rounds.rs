//! The further rounds of polling and serving before many sends (D19 in `benches/DECISIONS.md`).

use std::time::Duration;

use crate::net::Result;

use super::wait::Limit;
use super::{EventLoop, Turn, Wait};

/// The number of sends from which on the loop polls once more before a flush. The poll takes less than a hundredth of
/// the time of so many sends, and may save half of them.
const MANY_SENDS: usize = 64;

/// The approximate time of one send.
const SEND_TIME: Duration = Duration::from_micros(5);

impl<S> EventLoop<S> {
    /// Polls and serves again before a large flush, so that broadcasts coalesce. When 16 clients send at once, the
    /// first wakes the loop alone. Their messages then leave in the same sends as the first client's. The rounds end
    /// before they have delayed the sends by more time than the sends take.
    pub(super) fn serve_before_many_sends(
        &mut self,
        shared: &mut S,
        limit: &mut Limit,
        turn: &mut Turn,
    ) -> Result<()> {
        if self.net.waiting_to_flush() < MANY_SENDS {
            return Ok(());
        }
        let (before, began) = (turn.events, self.net.read_clock());
        let mut now = began;
        for round in 0_u32.. {
            let sends = u32::try_from(self.net.waiting_to_flush()).unwrap_or(u32::MAX);
            // A round without an event counts too, because its sources were served although they only sent.
            let served = round + (turn.events - before);
            if served >= sends
                || now.duration_since(began) >= SEND_TIME.saturating_mul(sends)
                // A source that has used up its share of this turn would get a second share in a further round.
                || self.net.waiting_to_be_served() > 0
                || limit.is_reached()
            {
                break;
            }
            self.poll(Wait::No)?;
            // This poll may have consumed the wake-up for answers of lookups.
            self.net.take_answers();
            if self.net.waiting_to_be_served() == 0 {
                break;
            }
            self.net.refresh_now();
            // The poll was a step. What it has found is served in the next turn if the time is up.
            limit.end_step();
            if limit.pass(&self.net) {
                break;
            }
            self.serve_ready(shared, limit, turn);
            now = self.net.read_clock();
        }
        Ok(())
    }
}
