//! The further rounds of polling and serving before many sends (D19 in `benches/DECISIONS.md`).

use std::time::Duration;

use crate::event_loop::{EventLoop, Turn, Wait};
use crate::net::Result;

use super::wait::Limit;

/// The number of waiting sends from which on the loop polls again before it sends. The poll takes less than a hundredth
/// of the time of so many sends, and may save half of them.
const MANY_SENDS: usize = 64;

/// The approximate time of one send.
const SEND_TIME: Duration = Duration::from_micros(5);

impl<S> EventLoop<S> {
    /// Polls and serves again before a large flush, so that broadcasts coalesce. When 16 clients send at once, the
    /// first message wakes the loop before the others have come. A further round reads the others, and all messages
    /// leave in the same sends. No further round begins once the rounds have taken as long as the sends take.
    #[inline]
    pub(super) fn serve_before_many_sends(
        &mut self,
        shared: &mut S,
        limit: &mut Limit,
        turn: &mut Turn,
    ) -> Result<()> {
        match self.net.waiting_to_flush() < MANY_SENDS {
            true => Ok(()),
            false => self.poll_and_serve_again(shared, limit, turn),
        }
    }

    #[inline(never)]
    fn poll_and_serve_again(
        &mut self,
        shared: &mut S,
        limit: &mut Limit,
        turn: &mut Turn,
    ) -> Result<()> {
        let (before, began) = (turn.events, self.net.read_clock());
        let (mut now, mut read_before) = (began, 0);
        for round in 0_u32.. {
            let sends = u32::try_from(self.net.waiting_to_flush()).unwrap_or(u32::MAX);
            // Each round counts as one event more, so that rounds whose sources only send, without an event, end too.
            let served = round + (turn.events - before);
            if served >= sends
                || now.duration_since(began) >= SEND_TIME.saturating_mul(sends)
                // A source that has used up its share of this turn would get a second share in a further round.
                || self.may_have_more_to_deliver(limit.read_bytes() - read_before)
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
            // The poll was a step. If the time is up, the sources that it has found are served in the next turn.
            limit.end_step();
            if limit.pass(&self.net) {
                break;
            }
            read_before = limit.read_bytes();
            self.serve_ready(shared, limit, turn);
            now = self.net.read_clock();
        }
        Ok(())
    }

    /// Whether a source that waits may have more to deliver. Where a short read does not prove that nothing is left
    /// (AFD, kqueue, `poll(2)`, Unix sockets), a connection waits even if it has delivered everything. So the bytes
    /// decide: a full read takes at least half of the read buffer. If all reads of the round together took less, none
    /// was full.
    fn may_have_more_to_deliver(&self, read: u64) -> bool {
        let least_full_read = (self.options.read_buffer_length() / 2) as u64;
        self.net.waiting_to_be_served() > 0
            && (read >= least_full_read || !self.net.only_connections_wait_to_be_served())
    }
}
