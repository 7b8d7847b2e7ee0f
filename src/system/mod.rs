//! The seam: every use of the operating system goes through this module, except the handlers of signals (feature
//! `signals`). Each type of socket is one flat enum of all its kinds. So a simulated network under a virtual clock can
//! replace the system, without a generic parameter in any public type.
//!
//! `native` is the operating system, `faults` is the same with injected faults, and `simulated` is a network in memory.

mod acceptor;
mod afd;
mod caught_panic;
mod descriptor;
pub(crate) mod errno;
mod factory;
#[cfg(feature = "simulation")]
pub(crate) mod faults;
mod lookup;
mod lookups;
mod monotonic_clock;
mod native;
mod options;
mod owned_path;
mod owner_process;
mod packet_info;
mod platform;
mod reserve;
mod selector;
#[cfg(feature = "simulation")]
pub(crate) mod simulated;
mod stream;
mod stream_options;
pub(crate) mod threading;
mod udp;
mod wake_listener;
mod waker;

pub(crate) use acceptor::Acceptor;
pub(crate) use caught_panic::catch_panic;
pub(crate) use errno::is_out_of_registrations;
pub(crate) use factory::System;
pub(crate) use lookup::{Job, LookupLimits, Ticket, Unasked};
pub(crate) use lookups::Lookups;
pub(crate) use monotonic_clock::MonotonicClock;
pub(crate) use native::Adopted;
#[cfg(unix)]
pub use native::Descriptor;
pub(crate) use native::tcp::ConnectStep;
pub use options::MulticastInterface;
pub(crate) use options::{Binding, KeepAliveTimes, Membership, UdpBinding, UdpOption};
pub(crate) use owned_path::OwnedPath;
pub(crate) use owner_process::OwnerProcess;
#[cfg(feature = "udp-batch")]
pub use packet_info::Ecn;
#[cfg(not(feature = "udp-batch"))]
pub(crate) use packet_info::PacketInfo;
#[cfg(feature = "udp-batch")]
pub use packet_info::PacketInfo;
pub(crate) use platform::{SHORT_READ_EXHAUSTS, SHORT_WRITE_EXHAUSTS};
pub(crate) use reserve::Reserve;
pub(crate) use selector::Selector;
pub(crate) use stream::Stream;
pub(crate) use udp::Udp;
pub(crate) use wake_listener::WakeListener;
#[cfg(test)]
pub(crate) use waker::ScriptedWaker;
pub(crate) use waker::{WakeHandle, Waker};
