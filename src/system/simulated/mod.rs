//! A simulated network in place of the operating system: sockets, kernels, packets and a clock in memory, all driven by
//! one seed. The network follows the rules of Linux, as far as a program can observe them. These rules decide which
//! bytes stay readable after a RST, which call returns an error, and what closing with unread bytes does. The network
//! may lose, double and reorder datagrams of UDP. It does not do so with the packets of TCP, because TCP would hide all
//! three from programs. The network does not simulate urgent data or Unix sockets.

mod acceptor;
mod flavour;
mod kernel;
mod lookups;
mod machine_handle;
mod names;
mod options;
mod selector;
mod spare_descriptor;
mod stream;
mod udp;

pub(super) use acceptor::Acceptor;
pub use flavour::Flavour;
pub use kernel::{CallCounts, Route};
pub(crate) use kernel::{MachineId, Network, Shared};
pub(super) use lookups::Lookups;
pub(crate) use machine_handle::MachineHandle;
pub(crate) use names::Names;
pub use options::Options;
pub(super) use selector::{Selector, Waker};
pub(super) use spare_descriptor::SpareDescriptor;
pub(super) use stream::Stream;
pub(super) use udp::Udp;
