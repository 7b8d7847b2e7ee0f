//! Settings of a whole loop, which are made before the loop is.

use std::time::Duration;

/// Settings of a whole loop: the sizes in which it works, and the memory that it keeps. The defaults suit nearly every
/// program ([`performance`](crate::performance) has figures).
///
/// ```
/// use std::time::Duration;
/// use netloop::{EventLoop, EventLoopOptions};
///
/// let options = EventLoopOptions::new()
///     .busy_poll(Duration::from_micros(50))
///     .lookup_threads(8);
/// let event_loop: EventLoop = EventLoop::with_options(options.clone())?;
/// assert_eq!(*event_loop.options(), options);
/// # Ok::<(), netloop::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventLoopOptions {
    /// The most events that are taken from the kernel at a time.
    pub(super) events_per_poll: usize,
    /// The length of the one read buffer.
    pub(super) read_buffer_bytes: usize,
    /// The time for which every wait polls before it sleeps.
    pub(super) busy_poll: Duration,
    /// The most posts of other threads that may wait.
    pub(super) posts_capacity: usize,
    /// The most threads that look up names.
    pub(super) lookup_threads: usize,
    /// The most bytes of free chunks that are kept for the queues of sockets.
    pub(super) pooled_bytes: usize,
}

impl EventLoopOptions {
    /// Returns every option at its default, which each method names.
    pub fn new() -> Self {
        Self {
            events_per_poll: 1024,
            read_buffer_bytes: 128 << 10,
            busy_poll: Duration::ZERO,
            posts_capacity: 65_536,
            lookup_threads: 4,
            pooled_bytes: 4 << 20,
        }
    }

    /// Sets how many events are taken from the kernel at a time; the kernel keeps the others for the next call. Default
    /// 1,024; 0 counts as 1.
    pub fn events_per_poll(mut self, events: usize) -> Self {
        self.events_per_poll = events;
        self
    }

    /// Sets the length of the one read buffer of the loop, which is how much a socket is read at a time and the most
    /// that one `on_data` can be given. Default 128 KiB; less than 1 KiB counts as 1 KiB.
    ///
    /// A smaller one is for programs that count every page of memory: longer messages take more calls then, to the
    /// system and of handlers. A larger one gains next to nothing.
    // More than 64 KiB, so that a read of exactly as much is seen to be short and needs no second call.
    #[doc(alias = "onread")]
    pub fn read_buffer_bytes(mut self, bytes: usize) -> Self {
        self.read_buffer_bytes = bytes;
        self
    }

    /// Lets every wait of the loop begin with asking the kernel again and again for `duration`, before the thread goes
    /// to sleep. Default zero: it sleeps at once.
    ///
    /// Being woken takes a thread longer than serving a message does. Where latency is worth a whole core, this saves
    /// it: 50 microseconds are enough for a peer that answers at once. The thread is busy all that time, so it is
    /// for a loop with a core of its own; and it changes nothing else: a wait ends as early, and no later, than
    /// without.
    pub fn busy_poll(mut self, duration: Duration) -> Self {
        self.busy_poll = duration;
        self
    }

    /// Sets how many [posts](crate::Remote::post) of other threads may wait until the loop takes them; one more is
    /// refused. Default 65,536.
    pub fn posts_capacity(mut self, posts: usize) -> Self {
        self.posts_capacity = posts;
        self
    }

    /// Sets how many threads look up names at most. Each is started when a name has to wait for one, and a lookup blocks
    /// its thread. Default 4, as in libuv; 0 counts as 1.
    pub fn lookup_threads(mut self, threads: usize) -> Self {
        self.lookup_threads = threads;
        self
    }

    /// Sets how many bytes of memory that the queues of sockets have left are kept for the next ones. Default 4 MiB.
    /// With less than 16 KiB nothing is kept, and every burst of writes allocates.
    pub fn pooled_bytes(mut self, bytes: usize) -> Self {
        self.pooled_bytes = bytes;
        self
    }
}

impl Default for EventLoopOptions {
    fn default() -> Self {
        Self::new()
    }
}
