//! The methods of a loop for its owner, and the options of the loop.

// Rustdoc shows the methods of a type in the order of its modules: those that most programs need come first.
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
