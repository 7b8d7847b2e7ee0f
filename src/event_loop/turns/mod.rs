//! The turns of a loop: the phases, the limits on a turn, and the calls of the handlers.
//!
//! `turn` runs the phases, and `limited_turn` those of a turn with a budget. `dispatch` calls the handler of each event,
//! and `datagrams` those of UDP sockets. `wait` has the limits and the result of a turn.

// Rustdoc shows the methods of a type in the order of its modules.
mod turn;

mod flushing;

mod datagrams;
mod dispatch;
mod handshakes;
mod limited_turn;
mod read_buffer;
mod rounds;
mod socket_calls;
mod step_meter;
mod wait;

pub use wait::{Budget, RunEnd, Turn, Wait};

pub(crate) use limited_turn::Part;
pub(crate) use read_buffer::ReadBuffer;
pub(crate) use wait::Limit;
