//! Panics of user code that the library calls where no panic may pass.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Calls `call`. After a panic, returns the text `what`, followed by the text of the panic.
#[inline]
pub(crate) fn catch_panic<T>(what: &str, call: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|payload| {
        let said = payload
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        let text = match said {
            Some(said) => format!("{what}: {said}"),
            None => what.to_owned(),
        };
        // The drop of the payload is user code, which may panic too.
        if let Err(further) = catch_unwind(AssertUnwindSafe(move || drop(payload))) {
            std::mem::forget(further);
        }
        text
    })
}
