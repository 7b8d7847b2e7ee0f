//! The system calls that std and socket2 do not wrap, through rustix and nix.
//!
//! The floor and the load generator stand directly on these, so that neither owes anything to mio or to netloop.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use nix::unistd::Pid;
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::set_current_timer_slack;
use rustix::time::{ClockId, clock_gettime};

pub(crate) use netloop_benches::cores::{cores, on_core, pin};
pub(crate) use rustix::event::epoll::EventFlags;

/// The interests of a connection that is served by edges.
pub(crate) const EDGES: EventFlags = EventFlags::IN
    .union(EventFlags::OUT)
    .union(EventFlags::RDHUP)
    .union(EventFlags::ET);
/// The peer has finished sending, or the connection is broken.
pub(crate) const HANG_UP: EventFlags = EventFlags::RDHUP
    .union(EventFlags::HUP)
    .union(EventFlags::ERR);
/// There are bytes to read, or an end of stream.
pub(crate) const READABLE: EventFlags = EventFlags::IN.union(EventFlags::RDHUP);

/// The page size that buffers are aligned to.
const PAGE: usize = 4096;

/// An epoll instance with capacity for the events that it reports.
pub(crate) struct Epoll {
    descriptor: OwnedFd,
    events: Vec<Event>,
}

impl Epoll {
    pub(crate) fn new(capacity: usize) -> io::Result<Self> {
        Ok(Self {
            descriptor: epoll::create(CreateFlags::CLOEXEC)?,
            events: Vec::with_capacity(capacity),
        })
    }

    pub(crate) fn add(&self, source: impl AsFd, token: u64, flags: EventFlags) -> io::Result<()> {
        Ok(epoll::add(
            &self.descriptor,
            source,
            EventData::new_u64(token),
            flags,
        )?)
    }

    /// Waits, without a limit if `timeout` is `None`, and returns how many events [`Self::event`] can give.
    pub(crate) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<usize> {
        let timeout = timeout.map(timespec);
        self.events.clear();
        match epoll::wait(
            &self.descriptor,
            spare_capacity(&mut self.events),
            timeout.as_ref(),
        ) {
            Err(rustix::io::Errno::INTR) => Ok(0),
            result => Ok(result?),
        }
    }

    /// Returns the token and the flags of an event of the last [`Self::wait`].
    #[inline]
    pub(crate) fn event(&self, place: usize) -> (usize, EventFlags) {
        let event = self.events[place];
        let token = usize::try_from(event.data.u64()).expect("tokens are made of usize");
        (token, event.flags)
    }

    /// Sleeps until an event is ready or `duration` is over, to the microsecond. `epoll_wait` knows milliseconds only,
    /// which is too coarse for a sender that keeps a schedule.
    pub(crate) fn sleep_until_ready(&self, duration: Duration) {
        let mut descriptor = [PollFd::new(&self.descriptor, PollFlags::IN)];
        // An interrupted sleep ends early, and the caller looks at the clock in any case.
        let _ = poll(&mut descriptor, Some(&timespec(duration)));
    }
}

fn timespec(duration: Duration) -> Timespec {
    duration.try_into().expect("benches wait for seconds")
}

/// Returns the CPU time, user and system, of all threads of a process, of ended threads too.
pub(crate) fn process_cpu(process: u32) -> io::Result<Duration> {
    let process = i32::try_from(process).map_err(io::Error::other)?;
    let clock = nix::time::clock_getcpuclockid(Pid::from_raw(process))?;
    Ok(clock.now()?.into())
}

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
    let memory = vec![0; length + PAGE].leak();
    let start = memory.as_ptr().align_offset(PAGE);
    &mut memory[start..start + length]
}
