//! A correction of the readiness that AFD, the selector of Windows, reports.

use crate::readiness::Readiness;

/// Adds `ERROR` where `WRITE_CLOSED` is set. AFD reports a reset as the end of both directions, and not as an error.
/// mio derives `WRITE_CLOSED` only from `POLL_ABORT` and `POLL_CONNECT_FAIL`, so this bit always means a failure there.
/// Without `ERROR` a paused connection would not learn of the reset.
pub(crate) fn abort_as_error(readiness: Readiness) -> Readiness {
    match readiness.contains(Readiness::WRITE_CLOSED) {
        true => readiness | Readiness::ERROR,
        false => readiness,
    }
}
