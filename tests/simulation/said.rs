//! The bytes of one side of a room, which no pattern tells.

use std::fmt;

/// The bytes that a side was to send.
#[derive(Default)]
pub(crate) struct Said(pub(crate) Vec<u8>);

impl fmt::Debug for Said {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} bytes", self.0.len())
    }
}
