//! The protocol of Redis (RESP 2 and 3), without I/O: commands from bytes, and replies to bytes.

mod inline;
mod integer;
mod parser;
mod replies;

pub(crate) use integer::parse_integer;
pub(crate) use parser::{Arguments, MAX_BULK_BYTES, MAX_COMMAND_BYTES, Parser};
pub(crate) use replies::{Replies, Version};
