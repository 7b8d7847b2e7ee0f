//! Writes to the outbox, and the callbacks during which the outbox gathers them.

use std::collections::VecDeque;
use std::rc::Rc;

use crate::net::outbox::{DIRECT_BYTES, Payload};
use crate::net::values::{Flow, SocketId};
use crate::reactor::{CallbackScope, Phase};
use crate::send_buffer::KEEP_BYTES;

use super::Net;
use super::source::{SharedResources, Source};

impl Net {
    /// Frees the memory that is only kept for later writes, sockets and timers.
    pub(crate) fn trim(&mut self) {
        self.reactor.shrink();
        self.reclaim();
        self.outbox.trim();
        for place in 0..self.servers.len() {
            if let Some(listener) = self.listener_mut(self.servers[place]) {
                listener.shrink();
            }
        }
    }

    pub(crate) fn reclaims_soon(&self) -> bool {
        self.reactor.reclaims_soon()
    }

    /// Frees unused memory without the wait of [`Reactor::reclaim_soon`](crate::reactor::Reactor::reclaim_soon).
    pub(crate) fn reclaim_now(&mut self) {
        self.reactor.reclaim();
        self.reclaim();
    }

    /// Frees memory that a spike has left, after the reactor has freed its own.
    pub(super) fn reclaim(&mut self) {
        if self.scratch.is_empty() {
            self.scratch = String::new();
        }
        if self.answers.is_empty() {
            self.answers = VecDeque::new();
        }
        if self.planned_dials.is_empty() {
            self.planned_dials = VecDeque::new();
        }
        if self.put_off.is_empty() {
            self.put_off = Vec::new();
        }
        self.servers.shrink_to_fit();
        self.datagrams.shrink_to_fit();
        self.socket_timers.shrink();
        self.outbox.reclaim();
        self.notice_slack();
    }

    pub(crate) fn notice_slack(&mut self) {
        if self.outbox.has_slack() {
            self.reactor.reclaim_soon();
        }
    }

    /// Returns the bytes written to a socket; of a refused write, those that the kernel has taken.
    pub(crate) fn bytes_written(&self, id: SocketId) -> u64 {
        let Some(connection) = self.connection(id) else {
            return 0;
        };
        connection.bytes_written() + self.outbox.own_bytes(id) as u64
    }

    /// Returns the sum of the bytes that all sockets have sent, of received datagrams, and of bytes that filters have
    /// received without an event.
    pub(crate) fn moved_bytes(&self) -> u64 {
        self.outbox.moved_bytes()
    }

    /// Whether the caller has still to [take](Self::take_pressure) the news that all unsent bytes are near their limit.
    #[inline]
    pub(crate) fn has_pressure(&self) -> bool {
        self.outbox.has_pressure()
    }

    /// Returns the unsent bytes of all sockets and their limit.
    pub(crate) fn take_pressure(&mut self) -> (usize, usize) {
        self.outbox.take_pressure();
        (self.outbox.waiting(), self.outbox.limit())
    }

    /// Returns the written bytes that the kernel has not taken, or that were lost at a failure or the close.
    pub(crate) fn queued_bytes(&self, id: SocketId) -> usize {
        let Some(connection) = self.connection(id) else {
            return 0;
        };
        connection.queued_bytes() + self.outbox.own_bytes(id)
    }

    /// Fast path: in the socket's own callback, the bytes only gather in the outbox.
    // Always inlined: nearly every call is two comparisons and a copy.
    #[inline(always)]
    pub(crate) fn write_bytes(&mut self, id: SocketId, bytes: &[u8]) -> Flow {
        if bytes.len() < DIRECT_BYTES && self.outbox.put_own(id, bytes) {
            return Flow::Open;
        }
        self.write_to_connection(id, Payload::Borrowed(bytes))
    }

    pub(crate) fn write(&mut self, id: SocketId, payload: Payload<'_>) -> Flow {
        if payload.is_better_copied() && self.outbox.put_own(id, payload.as_bytes()) {
            return Flow::Open;
        }
        self.write_to_connection(id, payload)
    }

    /// Gathers `payload` in a longer buffer of the callback, adds it to a span, or else passes it to the connection.
    #[inline(never)]
    fn write_to_connection(&mut self, id: SocketId, payload: Payload<'_>) -> Flow {
        if payload.is_better_copied() {
            let bytes = payload.as_bytes();
            if self.outbox.put_own_in_longer(id, bytes) || self.put_in_span(id, bytes) {
                return Flow::Open;
            }
        }
        let written = self.with_connection(id, |connection, registration, outbox| {
            connection.write(payload, registration, outbox)
        });
        match written {
            Some(Ok(flow)) => flow,
            Some(Err(overflow)) => self.write_at_limit(id, overflow),
            None => Flow::Closed,
        }
    }

    /// Writes to each of `sockets`. Returns those that did not answer `Open`, with their answers.
    pub(crate) fn broadcast(
        &mut self,
        sockets: impl IntoIterator<Item = SocketId>,
        bytes: &[u8],
    ) -> Vec<(SocketId, Flow)> {
        let mut sockets = sockets.into_iter();
        let mut others = Vec::new();
        let mut write = |net: &mut Self, id, payload| {
            let flow = net.write(id, payload);
            if flow != Flow::Open {
                others.push((id, flow));
            }
        };
        if bytes.len() < KEEP_BYTES {
            self.outbox.begin_broadcast();
            while let Some(id) = self.advance_spans(&mut sockets) {
                if !self.put_in_span(id, bytes) {
                    write(self, id, Payload::Borrowed(bytes));
                }
            }
        } else {
            // A long message is stored once. Each queue that needs it holds a reference.
            let bytes: Rc<[u8]> = bytes.into();
            for id in sockets {
                write(self, id, Payload::Shared(Rc::clone(&bytes)));
            }
        }
        others
    }

    /// Lets the spans of `sockets` take in the message, up to the first that cannot. Returns that span's socket.
    #[inline]
    fn advance_spans(&mut self, sockets: &mut impl Iterator<Item = SocketId>) -> Option<SocketId> {
        let mut moves = self.outbox.span_moves();
        sockets.find(|id| {
            let connection = self.reactor.source_mut(id.0);
            let connection = connection.and_then(Source::connection_mut);
            !connection.is_some_and(|it| it.advance_span(&mut moves))
        })
    }

    /// Adds `bytes` to the span of a socket, or begins one. Returns whether a span took them.
    #[inline]
    fn put_in_span(&mut self, id: SocketId, bytes: &[u8]) -> bool {
        let outbox = &mut self.outbox;
        let put = self.reactor.visit(id.0, |source, registration| {
            let connection = source.connection_mut();
            connection.is_some_and(|it| it.put_in_span(bytes, registration, outbox))
        });
        put == Some(true)
    }

    /// Begins a callback of a socket. Mostly the read before it has begun to gather already, because the read had the
    /// connection at hand.
    #[inline(always)]
    pub(super) fn begin_callback(&mut self, id: SocketId) -> CallbackScope {
        if !self.outbox.gathers_for(id) {
            self.begin_gathering(id);
        }
        self.reactor.begin_callback(id.0)
    }

    /// Begins to gather. The capacity is zero if the connection cannot send at once.
    #[inline(never)]
    fn begin_gathering(&mut self, id: SocketId) {
        if let Some((Source::Connection(connection), readiness)) =
            self.reactor.get_with_readiness(id.0)
        {
            let capacity = connection.callback_capacity(readiness);
            self.outbox.begin_callback(id, capacity);
        }
    }

    /// Ends a callback that panicked. The caller calls this before the next callback.
    pub(crate) fn abandon_callback(&mut self) {
        self.reactor.abandon_callback();
    }

    /// Sends the bytes that a callback gathered, or flushes its socket's queue if it asked for a flush.
    #[inline(always)]
    pub(super) fn end_callback(&mut self, scope: CallbackScope) {
        if !self.outbox.end_callback() {
            return self.end_callback_by_flush(scope);
        }
        let outbox = &mut self.outbox;
        self.reactor
            .end_callback_by(scope, |source, registration| match source {
                Source::Connection(connection) => connection.reply(registration, outbox),
                Source::Listener(_)
                | Source::Attempt(_)
                | Source::Datagrams(_)
                | Source::Custom(_) => true,
            });
    }

    fn end_callback_by_flush(&mut self, scope: CallbackScope) {
        let mut resources = SharedResources {
            buffer: &mut [],
            outbox: &mut self.outbox,
            loop_admission: &mut self.loop_admission,
        };
        self.reactor.end_callback(scope, &mut resources);
    }
}

impl Net {
    /// Flushes the sources that have asked for it, except the one whose callback runs.
    pub(crate) fn flush(&mut self) {
        self.reactor.begin(Phase::Flush);
        self.reactor.flush(&mut SharedResources {
            buffer: &mut [],
            outbox: &mut self.outbox,
            loop_admission: &mut self.loop_admission,
        });
    }

    pub(crate) fn begin_flushing(&mut self) {
        self.reactor.begin(Phase::Flush);
    }

    pub(crate) fn flush_next(&mut self) -> bool {
        self.reactor.flush_next(&mut SharedResources {
            buffer: &mut [],
            outbox: &mut self.outbox,
            loop_admission: &mut self.loop_admission,
        })
    }
}
