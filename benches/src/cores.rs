//! The cores on which threads and processes run.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Returns the cores that this process may run on.
pub fn cores() -> Vec<usize> {
    let set = sched_getaffinity(None).unwrap_or_default();
    (0..CpuSet::MAX_CPU)
        .filter(|core| set.is_set(*core))
        .collect()
}

/// Returns a core for the servers and one for the load, which are the same where there is one only.
pub fn ends() -> (usize, usize) {
    let cores = cores();
    let end = |core: Option<&usize>| core.copied().unwrap_or(0);
    (end(cores.first()), end(cores.last()))
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
