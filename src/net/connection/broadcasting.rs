//! The part that a connection has in what several sockets are to be sent in this turn.

use crate::net::core::Supplies;
use crate::net::outbox::Broadcast;
use crate::reactor::{Interest, Registration};

use super::{Connection, Stage};

impl Connection {
    /// Takes `word` as its part of the broadcast, and says whether it could: nothing else may be queued.
    #[inline]
    pub(crate) fn hear(
        &mut self,
        word: &[u8],
        registration: &mut Registration<'_>,
        broadcast: &mut Broadcast,
    ) -> bool {
        let room = usize::from(self.room_to_reply(registration));
        let Some(part) = broadcast.begin(word, room) else {
            return false;
        };
        self.part = part;
        registration.flush_soon();
        true
    }

    /// Takes `word` too, if it has a part already and waits for its flush. Nothing else changes, so nobody needs to look
    /// at its place in the reactor.
    #[inline]
    pub(crate) fn hear_more(&mut self, word: &[u8], broadcast: &mut Broadcast) -> bool {
        !self.part.is_empty() && broadcast.extend(&mut self.part, word)
    }

    /// Takes the word that has just moved another's part, as [`hear_more`](Self::hear_more) would.
    #[inline]
    pub(crate) fn follow(&mut self, broadcast: &Broadcast) -> bool {
        broadcast.follow(&mut self.part)
    }

    /// Moves its part to the queue, before anything else is done to the connection.
    #[inline]
    pub(crate) fn queue_part(&mut self, supplies: &mut Supplies) {
        if !self.part.is_empty() {
            self.copy_part(supplies);
        }
    }

    #[cold]
    fn copy_part(&mut self, supplies: &mut Supplies) {
        let Supplies {
            pool, broadcast, ..
        } = supplies;
        self.count_written(self.part.len());
        self.queue.copy(broadcast.bytes(self.part), pool);
        broadcast.release(std::mem::take(&mut self.part));
    }

    /// Sends its part, if it has one, and then what is queued.
    #[inline]
    pub(crate) fn flush_all(
        &mut self,
        registration: &mut Registration<'_>,
        supplies: &mut Supplies,
    ) {
        let Supplies {
            pool, broadcast, ..
        } = supplies;
        if self.part.is_empty() {
            self.flush(registration, pool);
        } else if self.stage == Stage::Open
            && !self.has_failed()
            && registration.readiness().serves(Interest::WRITABLE)
        {
            let part = std::mem::take(&mut self.part);
            self.send_first(broadcast.bytes(part), registration, pool);
            broadcast.release(part);
        } else {
            self.queue_part(supplies);
            self.flush(registration, &mut supplies.pool);
        }
    }
}
