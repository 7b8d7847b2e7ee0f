//! epoll through rustix, for the loops by hand and the load generators: neither owes anything to mio or to netloop.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

pub use rustix::event::epoll::EventFlags;

/// The interests of a connection that is served by edges.
pub const EDGES: EventFlags = READABLE.union(EventFlags::OUT).union(EventFlags::ET);
/// The peer has finished sending, or the connection is broken.
pub const HANG_UP: EventFlags = EventFlags::RDHUP
    .union(EventFlags::HUP)
    .union(EventFlags::ERR);
/// There are bytes to read, or an end of stream.
pub const READABLE: EventFlags = EventFlags::IN.union(EventFlags::RDHUP);

/// An epoll instance with capacity for the events that it reports.
#[allow(missing_debug_implementations, reason = "the events have none")]
pub struct Epoll {
    descriptor: OwnedFd,
    events: Vec<Event>,
}

impl Epoll {
    /// An instance that reports at most `capacity` events at once.
    pub fn new(capacity: usize) -> io::Result<Self> {
        Ok(Self {
            descriptor: epoll::create(CreateFlags::CLOEXEC)?,
            events: Vec::with_capacity(capacity),
        })
    }

    /// Watches `source` under `token`.
    pub fn add(&self, source: impl AsFd, token: u64, flags: EventFlags) -> io::Result<()> {
        let data = EventData::new_u64(token);
        Ok(epoll::add(&self.descriptor, source, data, flags)?)
    }

    /// Watches a source for other events.
    pub fn modify(&self, source: impl AsFd, token: u64, flags: EventFlags) -> io::Result<()> {
        let data = EventData::new_u64(token);
        Ok(epoll::modify(&self.descriptor, source, data, flags)?)
    }

    /// Waits, without a limit if `timeout` is `None`, and returns how many events [`Self::event`] can give.
    pub fn wait(&mut self, timeout: Option<Duration>) -> io::Result<usize> {
        self.events.clear();
        let (timeout, events) = (timeout.map(timespec), spare_capacity(&mut self.events));
        match epoll::wait(&self.descriptor, events, timeout.as_ref()) {
            Err(rustix::io::Errno::INTR) => Ok(0),
            result => Ok(result?),
        }
    }

    /// Returns the token and the flags of an event of the last [`Self::wait`].
    #[inline]
    pub fn event(&self, place: usize) -> (usize, EventFlags) {
        let event = self.events[place];
        let token = usize::try_from(event.data.u64()).expect("tokens are made of usize");
        (token, event.flags)
    }

    /// Sleeps until an event is ready or `duration` is over, to the microsecond. `epoll_wait` knows milliseconds only,
    /// which is too coarse for a sender that keeps a schedule.
    pub fn sleep_until_ready(&self, duration: Duration) {
        let mut descriptor = [PollFd::new(&self.descriptor, PollFlags::IN)];
        // An interrupted sleep ends early, and the caller looks at the clock in any case.
        let _ = poll(&mut descriptor, Some(&timespec(duration)));
    }
}

fn timespec(duration: Duration) -> Timespec {
    duration.try_into().expect("benches wait for seconds")
}
