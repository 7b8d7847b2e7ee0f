//! A write that meets the limit on the unsent bytes of all sockets of the loop, and the close that frees capacity.

use crate::net::error::Error;
use crate::net::outbox::{Outbox, Payload};
use crate::net::values::{CloseReason, Flow};
use crate::reactor::{Interest, Registration};

use super::Connection;

/// A write whose unsent part does not fit into the limit.
#[derive(Debug)]
pub(crate) struct Overflow<'a> {
    pub(crate) payload: Payload<'a>,
    /// The number of bytes that the kernel has taken. If it is not zero, the queue before the payload is empty.
    pub(crate) sent: usize,
    /// The result of [`taken_while_waiting`](Connection::taken_while_waiting) before the write.
    pub(super) taken: Option<u64>,
}

impl Overflow<'_> {
    pub(crate) fn rest(&self) -> usize {
        self.payload.len() - self.sent
    }
}

impl Connection {
    /// Offers the kernel a write that has met the limit: bytes that the kernel takes need no capacity.
    pub(crate) fn offer_overflow(
        &mut self,
        overflow: &mut Overflow<'_>,
        registration: &mut Registration<'_>,
        outbox: &mut Outbox,
    ) {
        let can_send = !self.outbound.has_failed()
            && !self.outbound.is_corked()
            && registration.readiness().serves(Interest::WRITABLE);
        if can_send {
            let rest = &overflow.payload.as_bytes()[overflow.sent..];
            match self.send(rest, registration, outbox) {
                Ok(sent) => overflow.sent += sent,
                Err(error) => self.write_failed(error, registration),
            }
        }
    }

    /// Queues the unsent part of a write that has met the limit. The caller has made space.
    pub(crate) fn write_rest(
        &mut self,
        overflow: Overflow<'_>,
        registration: &mut Registration<'_>,
        outbox: &mut Outbox,
    ) -> Flow {
        if self.stage.is_closed() || self.outbound.has_failed() {
            return Flow::Closed;
        }
        let Overflow {
            payload,
            sent,
            taken,
        } = overflow;
        self.queue_rest(payload, sent, taken, registration, outbox)
    }

    /// Closes the connection to make space for bytes. Its unsent bytes are lost at once, and a TCP peer gets a RST.
    /// Returns `false` if it had closed or failed before.
    pub(crate) fn close_to_make_space(
        &mut self,
        registration: &mut Registration<'_>,
        outbox: &mut Outbox,
    ) -> bool {
        let is_open = !self.stage.is_closed() && !self.outbound.has_failed();
        if is_open {
            let limit = Error::total_queue_limit(outbox.limit(), self.stage.address());
            self.fail(limit, CloseReason::Limit, registration);
        }
        self.lose_unsent(outbox);
        is_open
    }

    /// Drops the unsent bytes of a connection that sends no more, and counts them as lost.
    pub(crate) fn lose_unsent(&mut self, outbox: &mut Outbox) {
        let lost = outbox.discard(&mut self.outbound.unsent);
        if lost > 0 {
            self.note_lost(lost);
        }
    }
}
