//! The machine and the process: CPU time, descriptors, heap, memory.

use std::fs;
use std::time::Duration;

/// Returns the CPU time of the calling thread. Zero where no safe call tells it.
pub(crate) fn thread_cpu() -> Duration {
    #[cfg(target_os = "linux")]
    {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        time.try_into().unwrap_or_default()
    }
    #[cfg(not(target_os = "linux"))]
    Duration::ZERO
}

/// Returns the number of descriptors that this process has open. Zero where there is no list of them.
pub(crate) fn descriptors() -> u64 {
    // The listing has one itself.
    fs::read_dir("/proc/self/fd").map_or(0, |list| list.count() as u64 - 1)
}
