//! The values that users set and are told: ids, endpoints, options, answers. And the events that the state machines
//! report to `Net`.

mod endpoint;
mod event;
mod ids;
mod keep_alive;
mod socket_options;
mod standard;
mod status;

pub use endpoint::{Endpoint, Family};
pub use ids::{ServerId, SocketId, TimerId};
pub use keep_alive::KeepAlive;
pub use socket_options::SocketOptions;
pub use standard::{StdListener, StdStream};
pub use status::{CloseReason, Flow, State};

pub(crate) use event::{Event, SocketEvent};
