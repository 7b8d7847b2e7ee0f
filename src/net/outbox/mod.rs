//! Where written bytes wait before the queue of their own connection.

mod broadcast;
mod gathered;
mod payload;

pub(crate) use broadcast::{Broadcast, Part};
pub(crate) use gathered::Gathered;
pub(crate) use payload::{DIRECT_BYTES, Payload};
