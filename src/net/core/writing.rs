//! From a write to where its bytes wait: the three places, and who leaves them when.
//!
//! | written | waits in | leaves |
//! |---|---|---|
//! | by a socket, in its own `on_data` | [`Gathered`](crate::net::outbox::Gathered) | when the callback is done |
//! | to another socket, that nothing is queued for | [`Broadcast`](crate::net::outbox::Broadcast) | in the flush phase |
//! | where the kernel has no room, or anything else stands in the way | the connection's own queue | as the kernel takes it |
//!
//! The first two are one piece of memory for all sockets, and hold what is short. Whoever is about to do anything else to
//! a connection moves what waits for it to its queue first, so that nobody else needs to know of them.

use std::rc::Rc;

use crate::net::outbox::{DIRECT_BYTES, Payload};
use crate::net::values::{Flow, SocketId};
use crate::reactor::CallbackScope;
use crate::send_buffer::KEEP_BYTES;

use super::Net;
use super::source::{Lent, Resident, Supplies};

impl Net {
    /// Moves what `id` has written in its callback to its queue, before anything else is done to it.
    #[cold]
    pub(crate) fn queue_gathered(&mut self) {
        let Supplies { gathered, pool, .. } = &mut self.supplies;
        let Some((id, bytes)) = gathered.end() else {
            return;
        };
        self.reactor.visit(id.0, |resident, registration| {
            if let Some(connection) = resident.connection_mut() {
                connection.queue_gathered(bytes, registration, pool);
            }
        });
        gathered.clear();
    }

    /// Gives back the memory that is only kept for the next writes and the next sockets.
    pub(crate) fn trim(&mut self) {
        self.supplies.pool.trim();
        self.scratch.shrink_to_fit();
        self.reactor.shrink();
        self.socket_timers.shrink();
        // What lies here belongs to a callback or to a flush that is still to come.
        self.supplies.gathered.shrink();
        self.supplies.broadcast.shrink();
    }

    /// How many bytes `id` has written that its connection does not know of yet.
    pub(crate) fn gathered_bytes(&self, id: SocketId) -> usize {
        self.supplies.gathered.length_of(id)
    }

    /// Takes `bytes`, which a socket is to be sent.
    // Always: two comparisons and a copy are left of nearly every one.
    #[inline(always)]
    pub(crate) fn write_bytes(&mut self, id: SocketId, bytes: &[u8]) -> Flow {
        if bytes.len() < DIRECT_BYTES && self.supplies.gathered.take(id, bytes) {
            return Flow::Open;
        }
        self.write_elsewhere(id, Payload::Borrowed(bytes))
    }

    /// Takes what a socket is to be sent.
    pub(crate) fn write(&mut self, id: SocketId, payload: Payload<'_>) -> Flow {
        if payload.is_better_gathered() && self.supplies.gathered.take(id, payload.as_bytes()) {
            return Flow::Open;
        }
        self.write_elsewhere(id, payload)
    }

    /// Takes what is not gathered: as a part of the broadcast if that is enough, else into the connection's queue.
    #[inline(never)]
    fn write_elsewhere(&mut self, id: SocketId, payload: Payload<'_>) -> Flow {
        let is_short = payload.is_better_gathered();
        if is_short {
            let connection = self.reactor.source_mut(id.0);
            let connection = connection.and_then(Resident::connection_mut);
            let bytes = payload.as_bytes();
            if connection.is_some_and(|it| it.hear_more(bytes, &mut self.supplies.broadcast)) {
                return Flow::Open;
            }
        }
        if self.supplies.gathered.is_of(id) {
            self.queue_gathered();
        }
        let Self {
            reactor, supplies, ..
        } = self;
        let flow = reactor.visit(id.0, |resident, registration| {
            let connection = resident.connection_mut()?;
            if is_short
                && connection.hear(payload.as_bytes(), registration, &mut supplies.broadcast)
            {
                return Some(Flow::Open);
            }
            connection.queue_part(supplies);
            Some(connection.write(payload, registration, &mut supplies.pool))
        });
        flow.flatten().unwrap_or(Flow::Closed)
    }

    /// [`write`](Self::write) of `bytes` to each of `sockets`. Says who did not just take them.
    pub(crate) fn broadcast(
        &mut self,
        sockets: impl IntoIterator<Item = SocketId>,
        bytes: &[u8],
    ) -> Vec<(SocketId, Flow)> {
        let mut others = Vec::new();
        let mut write = |net: &mut Self, id, payload| {
            let flow = net.write(id, payload);
            if flow != Flow::Open {
                others.push((id, flow));
            }
        };
        if bytes.len() < KEEP_BYTES {
            self.supplies.broadcast.begin_word();
            for id in sockets {
                if !self.follow(id) {
                    write(self, id, Payload::Borrowed(bytes));
                }
            }
        } else {
            // Those who cannot be sent it at once keep it by reference.
            let bytes: Rc<[u8]> = bytes.into();
            for id in sockets {
                write(self, id, Payload::Shared(Rc::clone(&bytes)));
            }
        }
        others
    }

    #[inline]
    fn follow(&mut self, id: SocketId) -> bool {
        let connection = self
            .reactor
            .source_mut(id.0)
            .and_then(Resident::connection_mut);
        connection.is_some_and(|connection| connection.follow(&self.supplies.broadcast))
    }

    /// Ends the callback of a socket: what it gathered and what it queued leaves now.
    #[inline(always)]
    pub(super) fn end_callback(&mut self, scope: CallbackScope) {
        let Supplies { gathered, pool, .. } = &mut self.supplies;
        let Some((_, bytes)) = gathered.end() else {
            return self.end_callback_by_flush(scope);
        };
        self.reactor
            .end_callback_by(scope, |resident, registration| match resident {
                // Not by `connection_mut`: to send a reply at once leaves a connection as it is.
                Resident::Connection(connection) => connection.reply(bytes, registration, pool),
                Resident::Listener(_) | Resident::Attempt(_) => true,
            });
        gathered.clear();
    }

    fn end_callback_by_flush(&mut self, scope: CallbackScope) {
        let mut lent = Lent {
            buffer: &mut [],
            supplies: &mut self.supplies,
        };
        self.reactor.end_callback(scope, &mut lent);
    }
}
