//! The options of a whole loop, which are fixed when the loop is made.

use std::time::Duration;

use crate::event_loop::watch::PanicPolicy;
use crate::net::{Limits, Result, out_of_range};

/// The limit on [`EventLoopOptions::events_per_poll`]. With epoll on x86-64, each of these events takes 12 bytes.
const MOST_EVENTS_PER_POLL: usize = 1 << 20;

/// The limit on [`EventLoopOptions::read_buffer_bytes`].
const LONGEST_READ_BUFFER: usize = 1 << 30;

/// The smallest length of the read buffer. A socket with unsent bytes reads into half of it, which must not be empty.
const LEAST_READ_BUFFER_BYTES: usize = 1 << 10;

/// The options of a whole loop, such as the sizes of its buffers, its limits and its policy for panics. The defaults
/// suit nearly every program ([`performance`](crate::performance) has figures).
///
/// ```
/// use std::time::Duration;
/// use netloop::{EventLoop, EventLoopOptions, Limits};
///
/// let options = EventLoopOptions::new()
///     .busy_poll(Duration::from_micros(50))
///     .limits(Limits::new().lookup_threads(8));
/// let event_loop: EventLoop = EventLoop::with_options(options.clone())?;
/// assert_eq!(*event_loop.options(), options);
/// # Ok::<(), netloop::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventLoopOptions {
    pub(super) events_per_poll: usize,
    read_buffer_bytes: usize,
    pub(crate) busy_poll: Duration,
    pub(crate) posts_capacity: usize,
    pub(super) pooled_bytes: usize,
    pub(crate) limits: Limits,
    pub(crate) panic_policy: PanicPolicy,
    #[cfg(all(feature = "precise", target_os = "linux"))]
    pub(super) is_precise: bool,
    #[cfg(all(feature = "precise", target_os = "linux"))]
    pub(super) is_descriptor_enough: bool,
}

impl EventLoopOptions {
    /// Options with every default; the method of each option states the default of that option.
    pub fn new() -> Self {
        Self {
            events_per_poll: 1024,
            read_buffer_bytes: 128 << 10,
            busy_poll: Duration::ZERO,
            posts_capacity: 65_536,
            pooled_bytes: 4 << 20,
            limits: Limits::new(),
            panic_policy: PanicPolicy::Propagate,
            #[cfg(all(feature = "precise", target_os = "linux"))]
            is_precise: false,
            #[cfg(all(feature = "precise", target_os = "linux"))]
            is_descriptor_enough: false,
        }
    }

    pub(crate) fn check(&self) -> Result<()> {
        let ranges = [
            (
                "events_per_poll",
                self.events_per_poll,
                MOST_EVENTS_PER_POLL,
            ),
            (
                "read_buffer_bytes",
                self.read_buffer_bytes,
                LONGEST_READ_BUFFER,
            ),
        ];
        for (option, value, most) in ranges {
            if value > most {
                return Err(out_of_range(option, &format!("at most {most}"), &value));
            }
        }
        Ok(())
    }

    /// Limits the events that one poll takes from the kernel. The kernel keeps all others for the next poll. Default:
    /// 1,024; 0 counts as 1. The constructors of the loop refuse more than 1,048,576.
    pub fn events_per_poll(mut self, events: usize) -> Self {
        self.events_per_poll = events;
        self
    }

    /// Sets the length of the loop's read buffer. One read, and so one `on_data`, has at most this number of bytes.
    /// Default: 128 KiB; less than 1 KiB counts as 1 KiB. The constructors of the loop refuse more than 1 GiB. A
    /// smaller buffer suits a program that counts every page of memory. Longer messages then take more system calls and
    /// more callbacks. A larger buffer gains next to nothing.
    // The default is more than 64 KiB, so that a read of exactly 64 KiB is seen to be short and needs no second call.
    #[doc(alias = "onread")]
    pub fn read_buffer_bytes(mut self, bytes: usize) -> Self {
        self.read_buffer_bytes = bytes;
        self
    }

    /// Makes every wait of the loop poll the kernel without sleeping for up to `duration`, before the thread sleeps.
    /// Default: zero, and the thread sleeps at once. Waking a thread takes longer than serving a message; 50
    /// microseconds are enough for a peer that answers at once. The thread uses its core all that time, so set this
    /// only for a loop that has a core of its own. A wait ends at the same events and deadline as without this option.
    pub fn busy_poll(mut self, duration: Duration) -> Self {
        self.busy_poll = duration;
        self
    }

    /// Limits the waiting [posts](crate::Remote::post) of other threads. A further post is refused. Default: 65,536.
    pub fn posts_capacity(mut self, posts: usize) -> Self {
        self.posts_capacity = posts;
        self
    }

    /// Limits the bytes of freed queue memory that the loop keeps for later writes. Default: 4 MiB. With less than 16
    /// KiB, the loop keeps nothing, and every burst of writes allocates.
    pub fn pooled_bytes(mut self, bytes: usize) -> Self {
        self.pooled_bytes = bytes;
        self
    }

    /// Sets the limits of the loop, of its servers and of its sockets. Default: [`Limits::new`].
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets the effect of a panic in a callback. Default: [`PanicPolicy::Propagate`]. With `panic = "abort"`, the process ends
    /// whatever the policy.
    ///
    /// ```
    /// use netloop::{EventLoop, EventLoopOptions, PanicPolicy};
    ///
    /// let options = EventLoopOptions::new().panic_policy(PanicPolicy::Close);
    /// let mut event_loop: EventLoop = EventLoop::with_options(options)?;
    /// event_loop.defer(|_| panic!("a fault of the program"));
    /// event_loop.run(&mut ())?;
    /// # Ok::<(), netloop::Error>(())
    /// ```
    pub fn panic_policy(mut self, policy: PanicPolicy) -> Self {
        self.panic_policy = policy;
        self
    }

    /// Makes waits and the deadlines of timers finer than a millisecond. A timerfd ends each wait, some microseconds
    /// late; epoll alone counts whole milliseconds. Default: no. Idle timeouts and the other deadlines of sockets stay
    /// in milliseconds. A wait that must end earlier than the timerfd is set to fire costs one more system call
    /// (`timerfd_settime(2)`). A loop of a simulation ignores the option.
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    /// use netloop::{Budget, EventLoop, EventLoopOptions, Wait};
    ///
    /// let options = EventLoopOptions::new().precise(true);
    /// let mut event_loop: EventLoop = EventLoop::with_options(options)?;
    /// let due = Instant::now() + Duration::from_micros(500);
    /// event_loop.run_until(&mut (), due)?;
    /// assert!(Instant::now() >= due);
    /// # Ok::<(), netloop::Error>(())
    /// ```
    #[cfg(all(feature = "precise", target_os = "linux"))]
    #[cfg_attr(docsrs, doc(cfg(all(feature = "precise", target_os = "linux"))))]
    pub fn precise(mut self, precise: bool) -> Self {
        self.is_precise = precise;
        self
    }

    /// Makes the loop's descriptor readable also when a deadline passes, and while work is queued. Default: no. A host
    /// without a timer then only calls [`turn`](crate::EventLoop::turn) with [`Wait::No`](crate::Wait::No) whenever the
    /// descriptor is readable. Each call of the host that may change the loop makes the descriptor readable, too. When
    /// the host has caught the panic of a callback, it calls `turn` without waiting for the descriptor.
    #[cfg(all(feature = "precise", target_os = "linux"))]
    #[cfg_attr(docsrs, doc(cfg(all(feature = "precise", target_os = "linux"))))]
    pub fn descriptor_only(mut self, descriptor_only: bool) -> Self {
        self.is_descriptor_enough = descriptor_only;
        self
    }

    pub(crate) fn read_buffer_length(&self) -> usize {
        self.read_buffer_bytes.max(LEAST_READ_BUFFER_BYTES)
    }
}

impl Default for EventLoopOptions {
    fn default() -> Self {
        Self::new()
    }
}
