//! The methods of a loop for its owner: to make it and what it serves, to run it, to ask for later calls, and to wait
//! for it in a main loop of the owner. Also the options of the loop.

// Rustdoc shows the methods of a type in the order of its modules. So the module of the constructors comes first, and
// the methods that most programs need come before the others.
mod making;

mod requests;

mod running;

mod timed_requests;

mod daemon_requests;

mod datagram_requests;
mod host;
#[cfg(all(feature = "precise", target_os = "linux"))]
mod mirror;
mod options;

pub use options::EventLoopOptions;

#[cfg(all(feature = "precise", target_os = "linux"))]
pub(crate) use mirror::Mirror;
