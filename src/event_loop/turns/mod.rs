//! The turns of a loop: the phases, the limits on a turn, and the calls of the handlers.

// Rustdoc shows the methods of a type in the order of its modules.
mod turn;

mod flushing;

mod datagrams;
mod dispatch;
mod handshakes;
mod limited_turn;
mod read_buffer;
mod rest_of_turn;
mod rounds;
mod socket_calls;
mod step_meter;
mod wait;

pub use wait::{Budget, RunEnd, Turn, Wait};

pub(crate) use limited_turn::Part;
pub(crate) use read_buffer::ReadBuffer;
pub(crate) use rest_of_turn::RestOfTurn;
pub(crate) use wait::Limit;
