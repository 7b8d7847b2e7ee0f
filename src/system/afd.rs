//! Readiness in the terms of AFD, the selector of Windows.

use crate::readiness::Readiness;

/// Adds `ERROR` to a readiness that has `WRITE_CLOSED`.
///
/// AFD reports a reset only as the end of writing, and reports nothing else that way: mio takes that bit from
/// `POLL_ABORT` and `POLL_CONNECT_FAIL`. Without `ERROR` a paused connection would not learn of the reset.
pub(crate) fn abort_as_error(readiness: Readiness) -> Readiness {
    match readiness.contains(Readiness::WRITE_CLOSED) {
        true => readiness | Readiness::ERROR,
        false => readiness,
    }
}
