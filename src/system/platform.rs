//! Properties of the selectors that mio uses, which differ from system to system.

/// Whether a short read or write proves that the kernel has no more bytes, or no more space, for now.
///
/// True for the edge-triggered selectors: the next byte is a new edge. False for AFD (Windows) and `poll(2)`, which
/// report again only after a call that would block (tokio#5866). With both, a reader must go on until `WouldBlock`.
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

/// Whether the kernel deregisters a descriptor by itself when its last duplicate is closed (`epoll(7)`, question 6).
///
/// kqueue does so too. The constant is `false` there, because the time that it would save has not been measured.
pub(crate) const CLOSE_DEREGISTERS: bool = cfg!(all(
    any(target_os = "linux", target_os = "android"),
    not(mio_unsupported_force_poll_poll)
));
