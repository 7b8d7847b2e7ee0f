//! The passing of time, where that is what is tested.

use std::time::Duration;

/// The host does something else for a while, or a peer is silent. Nothing is waited for: what must hold afterwards
/// holds however much longer it takes.
pub(crate) fn let_time_pass(duration: Duration) {
    #[expect(
        clippy::disallowed_methods,
        reason = "deadlines of real sockets are kept by the real clock"
    )]
    std::thread::sleep(duration);
}
