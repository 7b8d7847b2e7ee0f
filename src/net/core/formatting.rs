//! Formatted writes: the text is formatted completely in the loop's scratch buffer, and then written in one piece.

use std::fmt;
use std::mem;

use crate::net::outbox::{DIRECT_BYTES, Payload};
use crate::net::values::{Flow, SocketId};

use super::Net;

impl Net {
    /// Formats `arguments`, and writes the text to the socket `id` in one write.
    ///
    /// With one write for each piece, the text could be cut: the connection might accept the first pieces and refuse
    /// the next. Each write also has a cost of its own.
    pub(crate) fn write_formatted(&mut self, id: SocketId, arguments: fmt::Arguments<'_>) -> Flow {
        if let Some(literal) = arguments.as_str() {
            return self.write(id, Payload::Static(literal.as_bytes()));
        }
        // Take the buffer out of `self`: if the user's `Display` panics, half a text must not stay for the next write.
        let mut text = mem::take(&mut self.scratch);
        fmt::write(&mut text, arguments)
            .expect("a `Display` of the arguments failed, as `format!` would say");
        if text.len() >= DIRECT_BYTES {
            // A long text is given away without a copy. The loop keeps no scratch buffer of that size.
            return self.write(id, Payload::Owned(text.into_bytes()));
        }
        let flow = self.write_bytes(id, text.as_bytes());
        text.clear();
        self.scratch = text;
        flow
    }
}
