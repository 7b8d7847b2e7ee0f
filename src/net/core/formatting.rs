//! Formatted writes: the text is made whole in the loop's scratch buffer, and then written once.

use std::fmt;
use std::mem;

use crate::net::outbox::{DIRECT_BYTES, Payload};
use crate::net::values::{Flow, SocketId};

use super::Net;

impl Net {
    /// Takes `arguments`, which a socket is to be sent as text, in one write.
    ///
    /// To write piece by piece would tear the text where a piece meets the limit of the queue, and ask the connection
    /// once a piece.
    pub(crate) fn write_formatted(&mut self, id: SocketId, arguments: fmt::Arguments<'_>) -> Flow {
        if let Some(literal) = arguments.as_str() {
            return self.write(id, Payload::Static(literal.as_bytes()));
        }
        // Taken out, so that a panic of a user's `Display` leaves half a text to no later write.
        let mut text = mem::take(&mut self.scratch);
        fmt::write(&mut text, arguments)
            .expect("a `Display` of the arguments failed, as `format!` would say");
        if text.len() >= DIRECT_BYTES {
            // Given away without a copy. A scratch buffer that large would be kept for the sake of one write.
            return self.write(id, Payload::Owned(text.into_bytes()));
        }
        let flow = self.write_bytes(id, text.as_bytes());
        text.clear();
        self.scratch = text;
        flow
    }
}
