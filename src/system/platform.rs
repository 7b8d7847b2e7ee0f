//! Properties of the selectors that mio uses, which differ from system to system.

/// Whether a read or write that moved less than it could proves that the kernel has no more for now.
///
/// True for the edge-triggered selectors: the next byte is a new edge. False for AFD and `poll(2)`, which re-arm
/// only when a call would block (tokio#5866). There every drain ends with `WouldBlock`.
pub(crate) const SHORT_TRANSFER_EXHAUSTS: bool = cfg!(all(
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

/// Whether the kernel itself deregisters a descriptor when its last duplicate is closed (`epoll(7)`, question 6).
///
/// kqueue does so too, but the cost of the call has not been measured there.
pub(crate) const CLOSE_DEREGISTERS: bool = cfg!(all(
    any(target_os = "linux", target_os = "android"),
    not(mio_unsupported_force_poll_poll)
));
