//! Formatted writes.

use std::fmt;
use std::mem;

use crate::net::outbox::{DIRECT_BYTES, Payload};
use crate::net::values::{Flow, SocketId};

use super::Net;

impl Net {
    /// Formats `arguments` and writes the text in one piece. Of several writes, the connection might refuse the last
    /// ones, and so cut the text. Each would also have a cost of its own.
    pub(crate) fn write_formatted(&mut self, id: SocketId, arguments: fmt::Arguments<'_>) -> Flow {
        if let Some(literal) = arguments.as_str() {
            return self.write(id, Payload::Static(literal.as_bytes()));
        }
        // Taken out of `self`: if the user's `Display` panics, half a text must not stay for the next write.
        let mut text = mem::take(&mut self.scratch);
        fmt::write(&mut text, arguments)
            .expect("a `Display` of the arguments failed, as `format!` would say");
        if text.len() >= DIRECT_BYTES {
            // A long text is given away without a copy, and no scratch buffer of that size is kept.
            return self.write(id, Payload::Owned(text.into_bytes()));
        }
        let flow = self.write_bytes(id, text.as_bytes());
        text.clear();
        self.scratch = text;
        flow
    }
}
