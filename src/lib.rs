//! A single-threaded network event loop with the semantics of Node's `net`.
#![forbid(unsafe_code)]

pub mod slots;
pub mod readiness;
pub mod wheel;
pub mod send_buffer;
pub mod schedule;
pub mod text;
mod system;
pub mod reactor;
