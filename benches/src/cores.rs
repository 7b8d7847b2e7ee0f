//! The cores on which threads and processes run.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Returns the cores that this process may run on.
#[must_use]
pub fn cores() -> Vec<usize> {
    let set = sched_getaffinity(None).unwrap_or_default();
    (0..CpuSet::MAX_CPU)
        .filter(|core| set.is_set(*core))
        .collect()
}

/// Pins the calling thread to one core. Where that is refused the scheduler places the thread, which the report's busy
/// figures then show.
pub fn pin(core: usize) {
    let mut set = CpuSet::new();
    set.set(core);
    let _ = sched_setaffinity(None, &set);
}

/// Calls `call` on one core, and lets the calling thread run where it could before.
pub fn on_core<T>(core: usize, call: impl FnOnce() -> T) -> T {
    let before = sched_getaffinity(None);
    pin(core);
    let result = call();
    // As for `pin`.
    let _ = before.and_then(|before| sched_setaffinity(None, &before));
    result
}
