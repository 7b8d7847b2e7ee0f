//! Properties of the selectors that mio uses, which differ from system to system.

/// Whether a short read of TCP proves that the kernel has no more bytes for now. With EPOLLPRI it does: the next byte
/// is a new edge. Only the urgent mark ends a read early, and EPOLLPRI reports the mark. kqueue does not report it. AFD
/// (Windows) and `poll(2)` report again only after a call that would block (tokio#5866).
pub(crate) const SHORT_READ_EXHAUSTS: bool = REPORTS_PRIORITY;

/// Whether the selector reports urgent data of TCP.
pub(crate) const REPORTS_PRIORITY: bool = cfg!(all(
    any(target_os = "android", target_os = "linux"),
    not(mio_unsupported_force_poll_poll),
));

const IS_KQUEUE: bool = cfg!(all(
    any(
        target_os = "dragonfly",
        target_os = "freebsd",
        target_os = "ios",
        target_os = "macos",
        target_os = "netbsd",
        target_os = "openbsd",
        target_os = "tvos",
        target_os = "visionos",
        target_os = "watchos",
    ),
    not(mio_unsupported_force_poll_poll),
));

const IS_EPOLL: bool = cfg!(all(
    any(
        target_os = "android",
        target_os = "illumos",
        target_os = "linux",
        target_os = "redox",
    ),
    not(mio_unsupported_force_poll_poll),
));

/// Whether a short write of TCP proves that the kernel has no more space. True for every edge-triggered selector.
pub(crate) const SHORT_WRITE_EXHAUSTS: bool = IS_EPOLL || IS_KQUEUE;

/// The limit on the events that one poll returns for one source. kqueue has an event for each direction.
pub(crate) const EVENTS_OF_SOURCE: usize = if IS_KQUEUE { 2 } else { 1 };

/// Whether EPIPE from a socket that was not shut down proves that the peer's FIN had arrived. Linux returns EPIPE for a
/// reset after a FIN, and ECONNRESET for every other reset (`tcp_reset`). Other systems return one error for both.
pub(crate) const BROKEN_PIPE_PROVES_END: bool =
    cfg!(any(target_os = "linux", target_os = "android"));

/// Whether the kernel deregisters a descriptor by itself when its last duplicate is closed (`epoll(7)`, question 6).
/// kqueue does so too. The loop deregisters there nevertheless: the time that it would save was not measured.
pub(crate) const CLOSE_DEREGISTERS: bool = cfg!(all(
    any(target_os = "linux", target_os = "android"),
    not(mio_unsupported_force_poll_poll)
));

/// Whether a descriptor must be registered again after a call that would block, because the selector would not report
/// it any more. For sockets of its own types, mio does this itself.
pub(crate) const BLOCK_DISARMS: bool = cfg!(mio_unsupported_force_poll_poll);
