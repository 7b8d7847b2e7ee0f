//! The alarm of a selector: a timerfd in its poll set. A timerfd is finer than the milliseconds of epoll, and makes the
//! selector's descriptor readable.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

/// The loop never reads the timerfd: the kernel reports each expiry as an edge of its own.
#[derive(Debug)]
pub(super) struct Alarm {
    descriptor: OwnedFd,
    set_to: Option<Instant>,
}

impl Alarm {
    pub(super) fn open(registry: &Registry, token: Token) -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let descriptor = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        let number = descriptor.as_raw_fd();
        registry.register(&mut SourceFd(&number), token, Interest::READABLE)?;
        Ok(Self {
            descriptor,
            set_to: None,
        })
    }

    /// Lets the alarm ring at `deadline`, or earlier if it is set to an earlier time that has not come. One ring in
    /// vain costs less than the system calls that set the alarm later whenever a deadline is put off.
    pub(super) fn set(&mut self, deadline: Instant) -> io::Result<()> {
        let now = Instant::now();
        if self.set_to.is_some_and(|set| now < set && set <= deadline) {
            return Ok(());
        }
        // Zero would turn the alarm off.
        let left = deadline.saturating_duration_since(now);
        let left = left.max(Duration::from_nanos(1));
        let spec = Itimerspec {
            it_interval: Timespec {
                tv_sec: 0,
                tv_nsec: 0,
            },
            it_value: Timespec {
                tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: left.subsec_nanos().into(),
            },
        };
        timerfd_settime(&self.descriptor, TimerfdTimerFlags::empty(), &spec)?;
        self.set_to = Some(deadline);
        Ok(())
    }
}
