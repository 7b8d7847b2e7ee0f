//! Makes space for a write when the unsent bytes of all sockets together have reached their limit.

use crate::net::connection::{Connection, Overflow};
use crate::net::values::{Flow, SocketId};

use super::Net;

/// A write is long if its unsent part exceeds the limit on all unsent bytes divided by this number. Only a long write
/// counts as unsent bytes of its writer in `make_space`. So for an ordinary message, a writer whose peer reads is not
/// the one to close.
const LONG_WRITE: usize = 16;

impl Net {
    /// Carries out a write that does not fit into the limit. First the kernel is offered all waiting bytes and the
    /// write. Then the connections with the most unsent bytes are closed. If the writer has the most, or no other
    /// connection has any, the writer closes.
    #[cold]
    #[inline(never)]
    pub(super) fn write_at_limit(&mut self, id: SocketId, mut overflow: Overflow<'_>) -> Flow {
        self.offer_waiting(id);
        self.with_connection(id, |connection, registration, outbox| {
            connection.offer_overflow(&mut overflow, registration, outbox);
        });
        if !self.connection(id).is_some_and(Connection::is_writable) {
            // The writer has closed or failed, perhaps in this offer: no other socket need close for its write.
            return Flow::Closed;
        }
        if self.make_space(id, overflow.rest()) {
            let written = self.with_connection(id, |connection, registration, outbox| {
                connection.write_rest(overflow, registration, outbox)
            });
            return written.unwrap_or(Flow::Closed);
        }
        self.close_to_make_space(id);
        Flow::Closed
    }

    /// Offers the kernel the bytes that wait for a flush, and drops those of sockets that are closed.
    fn offer_waiting(&mut self, writer: SocketId) {
        let closing: Vec<_> = self.reactor.closing().collect();
        for key in closing {
            self.with_connection(SocketId(key), |connection, _, outbox| {
                if connection.is_closed() {
                    connection.lose_unsent(outbox);
                }
            });
        }
        self.flush();
        // `flush` leaves out the socket whose callback runs.
        let current = self.reactor.in_callback().map(SocketId);
        for id in current.into_iter().chain([writer]) {
            self.with_connection(id, Connection::flush);
        }
    }

    /// Closes the sockets with the most unsent bytes until `rest` bytes fit. `false` if `writer` has the most.
    fn make_space(&mut self, writer: SocketId, rest: usize) -> bool {
        let is_long = rest > self.outbox.limit() / LONG_WRITE;
        while rest > self.outbox.free_capacity() {
            let own = self.unsent_bytes(writer) + if is_long { rest } else { 0 };
            let longest = self
                .socket_ids()
                .filter(|id| *id != writer)
                .map(|id| (self.unsent_bytes(id), id))
                .max_by_key(|(bytes, _)| *bytes);
            match longest {
                Some((bytes, id)) if bytes > own => self.close_to_make_space(id),
                _ => return false,
            }
        }
        true
    }

    fn unsent_bytes(&self, id: SocketId) -> usize {
        let unsent = self.connection(id).map_or(0, Connection::unsent_bytes);
        unsent + self.outbox.own_bytes(id)
    }

    fn close_to_make_space(&mut self, id: SocketId) {
        let is_closed_now = self.with_connection(id, Connection::close_to_make_space);
        self.tally.closed_over_total += u64::from(is_closed_now == Some(true));
    }
}
