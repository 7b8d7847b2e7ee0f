//! The clock, the limit and the buffers of this process.

use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::set_current_timer_slack;
use rustix::time::{ClockId, clock_gettime};

/// The page size that buffers are aligned to.
const PAGE: usize = 4096;

/// Returns the CPU time of the calling thread.
pub(crate) fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.try_into().unwrap_or_default()
}

/// Makes the sleeps of the calling thread exact; by default they end 50 µs late.
pub(crate) fn sleep_exactly() {
    // Inexact sleeps make the generator late, which its latencies from the intended time show.
    let _ = set_current_timer_slack(std::num::NonZeroU64::new(1));
}

/// Raises the soft limit of open files to the hard one, for this process and its children, and returns it.
pub(crate) fn raise_open_file_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum.unwrap_or(u64::MAX),
        Err(_) => limit.current.unwrap_or(1024),
    }
}

/// Returns a buffer of `length` bytes that begins `offset` bytes behind a page boundary of `memory`, which is made larger for
/// it. On some processors the kernel copies at half the speed into a buffer that begins a little behind a page boundary, as
/// large vectors do.
pub(crate) fn behind_page(memory: &mut Vec<u8>, length: usize, offset: usize) -> &mut [u8] {
    memory.resize(length + PAGE + offset, 0);
    let start = memory.as_ptr().align_offset(PAGE) + offset;
    &mut memory[start..start + length]
}

/// Returns a buffer that begins at a page boundary, for the life of a server.
pub(crate) fn page_buffer(length: usize) -> &'static mut [u8] {
    behind_page(Box::leak(Box::default()), length, 0)
}
