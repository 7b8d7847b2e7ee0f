//! A simulated network behind the seam: sockets, kernels, wires and a clock in memory, all driven by one seed.
//!
//! [`Network`] is the network, and [`MachineHandle`] one machine of it, on which a loop runs. [`Selector`], [`Stream`] and
//! [`Acceptor`] are its variants of the types of the seam. Its rules are Linux's, as far as a program can observe
//! them. That includes the bytes that a RST leaves readable, the call that returns the error, and the effect of closing
//! with unread bytes. It has no loss and no duplication (TCP hides them), no urgent data and no Unix sockets.

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
