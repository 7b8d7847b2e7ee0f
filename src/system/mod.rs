//! The seam: everything that touches the operating system goes through here, and nothing else does.
//!
//! Polling and the clock are in [`Selector`], connections in [`Stream`], listeners in [`Acceptor`]. Each is an
//! enum of what the system offers, so that another variant (a simulated network under a virtual clock) can
//! stand here without a generic parameter in any type that a user sees. The floors above never name `mio::net`,
//! a descriptor or a clock.

mod acceptor;
mod factory;
#[cfg(feature = "simulation")]
pub(crate) mod faults;
mod lookup;
#[cfg(unix)]
mod native;
mod selector;
#[cfg(feature = "simulation")]
pub(crate) mod simulated;
mod stream;
mod stream_options;

pub(crate) use acceptor::{Acceptor, Binding, OwnedPath, Reserve};
pub(crate) use factory::System;
pub(crate) use lookup::{Job, Lookups, Ticket};
#[cfg(feature = "simulation")]
use selector::with_abort;
pub(crate) use selector::{Selector, Waker};
pub(crate) use stream::{ConnectStep, Stream};
pub(crate) use stream_options::KeepAliveTimes;

/// Whether a read or write that moved less than it could proves that the kernel has no more for now.
///
/// True for the edge-triggered selectors: the next byte is a new edge. False for AFD and `poll(2)`, which re-arm
/// only when a call would block (tokio#5866), so there every drain ends with `WouldBlock`.
pub(crate) const SHORT_TRANSFER_DRAINS: bool = cfg!(all(
    any(
        target_os = "android",
        target_os = "dragonfly",
        target_os = "freebsd",
        target_os = "illumos",
        target_os = "ios",
        target_os = "linux",
        target_os = "macos",
        target_os = "netbsd",
        target_os = "openbsd",
        target_os = "redox",
        target_os = "tvos",
        target_os = "visionos",
        target_os = "watchos",
    ),
    not(mio_unsupported_force_poll_poll),
));

/// Whether the kernel takes a descriptor out of the selector by itself when the last duplicate of it is closed
/// (`epoll(7)`, question 6). kqueue does too, but nobody has measured there what the call costs.
pub(crate) const CLOSE_DEREGISTERS: bool = cfg!(all(
    any(target_os = "linux", target_os = "android"),
    not(mio_unsupported_force_poll_poll)
));
