//! The values that users set or receive: ids, endpoints, options and answers; and the events of the state machines.

mod accept_limit;
mod endpoint;
mod event;
mod ids;
mod keep_alive;
mod limits;
mod rates;
mod socket_options;
mod socket_settings;
mod standard;
mod status;

#[cfg(unix)]
pub use crate::system::Descriptor;
pub use crate::system::MulticastInterface;
#[cfg(feature = "udp-batch")]
pub use crate::system::{Ecn, PacketInfo};
pub use accept_limit::AcceptLimit;
pub use endpoint::{Endpoint, Family};
pub use ids::{DatagramId, ServerId, SocketId, SourceId, TimerId};
pub use keep_alive::KeepAlive;
pub use limits::{Limits, Refusal};
pub use rates::{AcceptRate, MinRate};
pub use socket_options::SocketOptions;
pub use standard::{StdListener, StdStream};
pub use status::{CloseReason, Flow, State};

// `view` and `event_loop` import these two from here, because they may not import from the reactor directly.
pub(crate) use crate::reactor::{Interest, Readiness};
pub(crate) use event::{Event, SocketEvent, SourceEvent};
pub(crate) use socket_settings::SocketSettings;
