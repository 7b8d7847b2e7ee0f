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

/// Returns a number of the status of this process, such as `VmRSS:`. Zero where there is none.
pub(crate) fn status(name: &str) -> u64 {
    let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.unwrap_or(0)
}
