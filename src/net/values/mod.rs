//! The values that users set and are told.

mod event;
mod ids;
mod keep_alive;
mod options;
mod status;

pub use ids::{ServerId, SocketId, TimerId};
pub use keep_alive::KeepAlive;
pub use options::{ConnectOptions, ListenOptions, SocketOptions};
pub use status::{CloseReason, Flow, State};

pub(crate) use event::{Event, ServerEvent, SocketEvent};
