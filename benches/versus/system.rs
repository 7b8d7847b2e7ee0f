//! The system calls that std and socket2 do not wrap, and the only unsafe code of the comparison.
//!
//! Each function wraps one call and hides no policy. The raw epoll floor and the load generator stand directly on
//! these wrappers, so that neither owes anything to mio or to the library that is being measured.
#![allow(
    unsafe_code,
    reason = "epoll, CPU clocks of other processes, affinity and process groups have no safe wrapper in std"
)]

use std::io;
use std::mem::MaybeUninit;
use std::net::TcpStream;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Readable, or the peer has finished.
pub(crate) const READABLE: u32 = libc::EPOLLIN as u32;
/// Writable.
pub(crate) const WRITABLE: u32 = libc::EPOLLOUT as u32;
/// The peer has finished sending, or the connection is broken.
pub(crate) const HANG_UP: u32 = (libc::EPOLLRDHUP | libc::EPOLLHUP | libc::EPOLLERR) as u32;
/// Asks for the peer's end of stream to be reported.
pub(crate) const PEER_END: u32 = libc::EPOLLRDHUP as u32;
/// Report edges instead of levels.
pub(crate) const EDGE: u32 = libc::EPOLLET as u32;

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// One epoll instance together with the room for what it reports.
pub(crate) struct Epoll {
    descriptor: OwnedFd,
    events: Vec<libc::epoll_event>,
}

impl Epoll {
    pub(crate) fn new(capacity: usize) -> io::Result<Self> {
        // SAFETY: no pointer is passed, and a returned descriptor is fresh and owned by nobody else.
        let descriptor =
            unsafe { OwnedFd::from_raw_fd(check(libc::epoll_create1(libc::EPOLL_CLOEXEC))?) };
        Ok(Self {
            descriptor,
            events: Vec::with_capacity(capacity),
        })
    }

    pub(crate) fn add(&self, source: &impl AsFd, token: u64, interests: u32) -> io::Result<()> {
        let mut event = libc::epoll_event {
            events: interests,
            u64: token,
        };
        // SAFETY: both descriptors are open for the length of the call, and the kernel copies the event.
        check(unsafe {
            libc::epoll_ctl(
                self.descriptor.as_raw_fd(),
                libc::EPOLL_CTL_ADD,
                source.as_fd().as_raw_fd(),
                &raw mut event,
            )
        })
        .map(drop)
    }

    /// Waits for at most `timeout_ms` (for ever when negative) and returns how many events [`Self::event`] can give.
    pub(crate) fn wait(&mut self, timeout_ms: i32) -> io::Result<usize> {
        let room = i32::try_from(self.events.capacity()).unwrap_or(i32::MAX);
        // SAFETY: the vector owns room for `room` events, and the kernel initialises as many as it returns.
        let count = unsafe {
            libc::epoll_wait(
                self.descriptor.as_raw_fd(),
                self.events.as_mut_ptr(),
                room,
                timeout_ms,
            )
        };
        if count < 0 {
            let error = io::Error::last_os_error();
            return if error.kind() == io::ErrorKind::Interrupted {
                Ok(0)
            } else {
                Err(error)
            };
        }
        let count = usize::try_from(count).unwrap_or(0);
        // SAFETY: the kernel has just initialised `count` events, and `count` is at most the capacity.
        unsafe { self.events.set_len(count) };
        Ok(count)
    }

    /// The token and the readiness bits of an event of the last [`Self::wait`].
    #[inline]
    pub(crate) fn event(&self, position: usize) -> (u64, u32) {
        let event = self.events[position];
        (event.u64, event.events)
    }

    /// Sleeps until something is ready or `duration` is over, to the microsecond. `epoll_wait` knows only
    /// milliseconds, which is 50 times too coarse for a sender that must keep a schedule.
    pub(crate) fn sleep_until_ready(&self, duration: Duration) {
        let mut descriptor = libc::pollfd {
            fd: self.descriptor.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        let length = libc::timespec {
            tv_sec: libc::time_t::try_from(duration.as_secs()).unwrap_or(libc::time_t::MAX),
            tv_nsec: duration.subsec_nanos().into(),
        };
        // SAFETY: one initialised pollfd and one timespec, both alive for the length of the call.
        unsafe { libc::ppoll(&raw mut descriptor, 1, &raw const length, std::ptr::null()) };
    }
}

/// `accept4` without the peer's address, already non-blocking: one call where std needs two.
pub(crate) fn accept(listener: &impl AsFd) -> io::Result<TcpStream> {
    // SAFETY: null address pointers are allowed, and the returned descriptor is fresh.
    unsafe {
        let descriptor = check(libc::accept4(
            listener.as_fd().as_raw_fd(),
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC,
        ))?;
        Ok(TcpStream::from(OwnedFd::from_raw_fd(descriptor)))
    }
}

/// Lets a bound but unconnected socket share its port, so that only the whole four-tuple has to be unique.
/// Without it a client that opens tens of thousands of connections a second runs out of ports.
pub(crate) fn choose_port_at_connect(socket: &impl AsFd) -> io::Result<()> {
    let enabled: libc::c_int = 1;
    let length = libc::socklen_t::try_from(size_of_val(&enabled)).expect("an int is small");
    // SAFETY: the option reads one int, which lives on this stack frame.
    check(unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            libc::IPPROTO_IP,
            libc::IP_BIND_ADDRESS_NO_PORT,
            (&raw const enabled).cast(),
            length,
        )
    })
    .map(drop)
}

/// The CPU time, user and system, that all threads of a process have used, those that have ended included.
pub(crate) fn process_cpu(process: u32) -> io::Result<Duration> {
    let mut clock: libc::clockid_t = 0;
    let process = libc::pid_t::try_from(process).map_err(io::Error::other)?;
    // SAFETY: the call writes one clock id to this stack frame.
    match unsafe { libc::clock_getcpuclockid(process, &raw mut clock) } {
        0 => read_clock(clock),
        code => Err(io::Error::from_raw_os_error(code)),
    }
}

/// The CPU time that the calling thread has used.
pub(crate) fn thread_cpu() -> Duration {
    read_clock(libc::CLOCK_THREAD_CPUTIME_ID).unwrap_or(Duration::ZERO)
}

/// The cores that this process may run on.
pub(crate) fn cores() -> Vec<usize> {
    // SAFETY: a zeroed cpu_set_t is the empty set, and the kernel fills at most its size.
    let set = unsafe {
        let mut set: libc::cpu_set_t = MaybeUninit::zeroed().assume_init();
        if libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &raw mut set) != 0 {
            return vec![0];
        }
        set
    };
    let most = usize::try_from(libc::CPU_SETSIZE).unwrap_or(1024);
    // SAFETY: every position is below CPU_SETSIZE.
    (0..most)
        .filter(|&core| unsafe { libc::CPU_ISSET(core, &set) })
        .collect()
}

/// Pins the calling thread to one core, and makes its sleeps exact instead of 50 µs late.
pub(crate) fn pin_thread(core: usize) {
    pin(core);
    // SAFETY: the call takes one integer.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1_u64) };
}

/// Makes the child run on one core, in a process group of its own, and die with the thread that starts it.
pub(crate) fn confine(command: &mut Command, core: usize) {
    command.process_group(0);
    // SAFETY: between fork and exec only async-signal-safe system calls are made, and nothing is allocated.
    unsafe {
        command.pre_exec(move || {
            pin(core);
            check(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL)).map(drop)
        });
    }
}

/// What a process has used over its whole life.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    pub(crate) cpu: Duration,
    pub(crate) voluntary_switches: u64,
    pub(crate) involuntary_switches: u64,
}

impl std::ops::AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.cpu += other.cpu;
        self.voluntary_switches += other.voluntary_switches;
        self.involuntary_switches += other.involuntary_switches;
    }
}

/// Kills the process group that [`confine`] made, by the id of the child, and waits for the child.
pub(crate) fn kill_group_and_wait(process: u32) -> Usage {
    let Ok(process) = libc::pid_t::try_from(process) else {
        return Usage::default();
    };
    // SAFETY: the child has not been waited for, so its id is still its own; rusage is filled by the kernel.
    let usage = unsafe {
        libc::kill(-process, libc::SIGKILL);
        let mut usage: libc::rusage = MaybeUninit::zeroed().assume_init();
        let mut status = 0;
        while libc::wait4(process, &raw mut status, 0, &raw mut usage) < 0
            && io::Error::last_os_error().kind() == io::ErrorKind::Interrupted
        {}
        usage
    };
    let duration = |value: libc::timeval| {
        Duration::from_secs(u64::try_from(value.tv_sec).unwrap_or(0))
            + Duration::from_micros(u64::try_from(value.tv_usec).unwrap_or(0))
    };
    Usage {
        cpu: duration(usage.ru_utime) + duration(usage.ru_stime),
        voluntary_switches: u64::try_from(usage.ru_nvcsw).unwrap_or(0),
        involuntary_switches: u64::try_from(usage.ru_nivcsw).unwrap_or(0),
    }
}

/// Raises the soft limit of open files to the hard one, for this process and its children, and returns it.
pub(crate) fn raise_open_file_limit() -> u64 {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: both calls work on one rlimit of this stack frame.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) != 0 {
            return 1024;
        }
        let before = limit.rlim_cur;
        limit.rlim_cur = limit.rlim_max;
        if libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) == 0 {
            limit.rlim_cur
        } else {
            before
        }
    }
}

/// How many bytes of all connections together the kernel keeps without a thought. Beyond that it takes them
/// reluctantly, and in the end not at all: two sides that both write then wait for each other.
pub(crate) fn tcp_memory() -> u64 {
    // SAFETY: the call takes one integer.
    let page = u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096);
    let limits = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_mem").unwrap_or_default();
    let pages = limits
        .split_whitespace()
        .next()
        .and_then(|most| most.parse::<u64>().ok());
    pages.map_or(u64::MAX, |pages| pages.saturating_mul(page))
}

/// From now on an interrupt from the keyboard only sets the flag that [`interrupted`] reads. A second one ends the
/// program.
pub(crate) fn catch_interrupt() {
    extern "C" fn note(_: libc::c_int) {
        INTERRUPTED.store(true, Ordering::Relaxed);
        // SAFETY: the call is async-signal-safe.
        unsafe { libc::signal(libc::SIGINT, libc::SIG_DFL) };
    }
    let handler: extern "C" fn(libc::c_int) = note;
    // SAFETY: the handler only stores to an atomic, which is async-signal-safe.
    unsafe { libc::signal(libc::SIGINT, handler as libc::sighandler_t) };
}

/// Whether the user has asked to stop.
pub(crate) fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

fn pin(core: usize) {
    // SAFETY: a zeroed set is empty, and `core` comes from [`cores`], which stays below CPU_SETSIZE.
    unsafe {
        let mut set: libc::cpu_set_t = MaybeUninit::zeroed().assume_init();
        libc::CPU_SET(core, &mut set);
        // Where affinity is refused the scheduler places the thread, which the report's busy figures then show.
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set);
    }
}

fn read_clock(clock: libc::clockid_t) -> io::Result<Duration> {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the call writes one timespec to this stack frame.
    check(unsafe { libc::clock_gettime(clock, &raw mut time) })?;
    Ok(Duration::from_secs(u64::try_from(time.tv_sec).unwrap_or(0))
        + Duration::from_nanos(u64::try_from(time.tv_nsec).unwrap_or(0)))
}

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}
