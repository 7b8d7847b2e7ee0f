//! The operating system's own sockets, selector and lookups. `faults` adds faults to their calls.

mod adopted;
#[cfg(all(feature = "precise", target_os = "linux"))]
mod alarm;
#[cfg(feature = "udp-batch")]
mod batched_udp;
#[cfg(unix)]
mod descriptor;
#[cfg(unix)]
mod input;
mod listen;
mod lookup_threads;
#[cfg(unix)]
mod readable;
#[cfg(unix)]
mod reopening;
mod selector;
mod shared;
mod shared_ports;
mod socket;
pub(super) mod tcp;
pub(super) mod udp;
#[cfg(unix)]
pub(super) mod unix;

pub(crate) use adopted::Adopted;
#[cfg(feature = "udp-batch")]
pub(super) use batched_udp::BatchedUdp;
#[cfg(unix)]
pub use descriptor::Descriptor;
#[cfg(unix)]
pub(crate) use input::Input;
pub(super) use listen::{INHERITS_OPTIONS, adopt_tcp_listener, listen_tcp};
#[cfg(unix)]
pub(super) use listen::{adopt_unix_listener, listen_unix, widen_permissions};
pub(crate) use lookup_threads::LookupThreads;
pub(crate) use selector::Selector;
pub(crate) use shared::Shared;
