//! The posts, wakes, stops and holds by which other threads reach the loop.

mod post_error;
mod remote;

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, PoisonError};

use crate::event_loop::agenda::KEPT_CALLS;
use crate::event_loop::call::Post;
use crate::event_loop::contexts::LoopContext;
use crate::net::{Error, Result, WakeHandle, WakeListener};
use crate::system::threading::{AtomicBool, AtomicUsize, Mutex, MutexGuard};

pub use post_error::PostError;
pub use remote::{Hold, Remote};

/// The part of a loop that other threads reach. A wake and a stop do not take the lock of `inbox`. A signal handler may
/// make them, and may have interrupted the thread that holds the lock.
pub(crate) struct Mailbox<S> {
    inbox: Mutex<Inbox<S>>,
    waker: WakeHandle,
    listener: WakeListener,
    /// Whether the loop may have something to take. Invariant: set before each wake, so that a woken loop finds the
    /// flag set. The flag does not prove a wake, because a wake that fails has set the flag too.
    is_pending: AtomicBool,
    /// The number of times that the loop has [taken](Self::take) posts.
    takes: AtomicUsize,
    /// The value of `takes` before the last wake that succeeded. While `takes` has this value, the loop has not taken
    /// posts since then: it is awake, or about to wake. So of many posts, only the first has to wake the loop.
    woken_at: AtomicUsize,
    stops: StopRequests,
    /// The limit on the posts that wait. If a loop cannot keep up, its posts must not fill the memory unnoticed.
    capacity: usize,
    wakes: AtomicUsize,
    holds: AtomicUsize,
}

struct Inbox<S> {
    posts: VecDeque<Post<S>>,
    /// Whether the loop is gone, so that every post is refused.
    is_closed: bool,
}

impl<S> Mailbox<S> {
    pub(super) fn new(waker: WakeHandle, listener: WakeListener, capacity: usize) -> Self {
        Self {
            inbox: Mutex::new(Inbox {
                posts: VecDeque::new(),
                is_closed: false,
            }),
            waker,
            listener,
            is_pending: AtomicBool::new(false),
            takes: AtomicUsize::new(1),
            woken_at: AtomicUsize::new(0),
            stops: StopRequests::default(),
            capacity,
            wakes: AtomicUsize::new(0),
            holds: AtomicUsize::new(0),
        }
    }

    fn inbox(&self) -> MutexGuard<'_, Inbox<S>> {
        // A panic leaves nothing half done here, because only whole posts are pushed and popped.
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_pending(&self) -> bool {
        self.is_pending.load(SeqCst)
    }

    /// Whether another thread keeps the loop going. A wake alone, such as that of a released hold, does not.
    // `holds` is read first: a thread that posts and then releases its hold is seen in one of the two readings.
    pub(super) fn holds_loop(&self) -> bool {
        self.holds.load(SeqCst) > 0
            || self.is_pending() && (!self.inbox().posts.is_empty() || self.stops.is_asked())
    }

    /// Returns the number of wakes that have succeeded. A wake that relies on an earlier one does not count.
    pub(super) fn wakes(&self) -> u64 {
        self.wakes.load(SeqCst) as u64
    }

    pub(super) fn is_closed(&self) -> bool {
        self.inbox().is_closed
    }

    /// Moves up to `most` posts to `into`. Returns whether a stop was asked for. A later post wakes the loop again.
    pub(super) fn take(&self, most: usize, into: &mut VecDeque<Post<S>>) -> bool {
        // In this order neither a wake nor a post is lost. A wake that reads the new number of takes sets the flag
        // after it was cleared here. A post that reads the old number holds the lock already, so it is in the queue
        // before the queue is read here.
        self.is_pending.store(false, SeqCst);
        self.takes.fetch_add(1, SeqCst);
        let mut inbox = self.inbox();
        let count = most.min(inbox.posts.len());
        into.extend(inbox.posts.drain(..count));
        if inbox.posts.is_empty() && inbox.posts.capacity() > KEPT_CALLS {
            inbox.posts = VecDeque::new();
        }
        if !inbox.posts.is_empty() {
            self.is_pending.store(true, SeqCst);
        }
        drop(inbox);
        self.stops.take()
    }

    /// Queues `call` only after the wake has succeeded. Otherwise its poster could get the error of the wake, although
    /// the loop makes the call after the wake of another thread. A refused call is returned as it came, not boxed.
    pub(super) fn post<F>(&self, call: F) -> Result<(), PostError<F>>
    where
        F: FnOnce(&mut LoopContext<'_, S>) + Send + 'static,
    {
        let mut inbox = self.inbox();
        match self.admit(&inbox) {
            Ok(has_woken) => {
                inbox.posts.push_back(Box::new(call));
                drop(inbox);
                if has_woken {
                    self.listener.tell();
                }
                Ok(())
            }
            Err(error) => {
                // The caller may drop the call, which runs user code. That code may post, and needs the lock.
                drop(inbox);
                Err(PostError::new(error, call))
            }
        }
    }

    /// Returns the result of [`wake_loop`](Self::wake_loop). The caller holds the lock until the post is in the queue,
    /// so that `close` finds every post that was accepted.
    fn admit(&self, inbox: &Inbox<S>) -> Result<bool> {
        if inbox.is_closed {
            return Err(Error::with_code(Error::LOOP_CLOSED, "the loop is gone"));
        }
        let capacity = self.capacity;
        if inbox.posts.len() >= capacity {
            let full = format!("{capacity} posts wait already; the loop cannot keep up");
            return Err(Error::with_code(Error::MAILBOX_FULL, full));
        }
        // The wake comes before the push. A loop that it wakes waits for the lock, and then finds the post.
        Ok(self.wake_loop()?)
    }

    /// Takes no lock, and on Linux neither allocates nor frees memory, unless the host has a callback for wakes.
    pub(super) fn wake(&self) -> io::Result<()> {
        if self.wake_loop()? {
            self.listener.tell();
        }
        Ok(())
    }

    /// Returns whether the caller must tell the host. `false` after an earlier wake, which tells the host itself.
    fn wake_loop(&self) -> io::Result<bool> {
        let takes = self.takes.load(SeqCst);
        self.is_pending.store(true, SeqCst);
        // If the loop has taken posts meanwhile, it may be waiting again, and the earlier wake counts no more.
        if self.woken_at.load(SeqCst) == takes && self.takes.load(SeqCst) == takes {
            return Ok(false);
        }
        self.waker.wake()?;
        self.wakes.fetch_add(1, SeqCst);
        // If the loop has taken posts meanwhile, `takes` has changed, and this note has no effect.
        self.woken_at.store(takes, SeqCst);
        Ok(true)
    }

    /// If the wake fails and the loop has not taken the request, withdraws it and returns the error. Takes no lock.
    pub(super) fn stop(&self) -> io::Result<()> {
        let asked_in = self.stops.ask();
        self.wake().or_else(|error| {
            let is_withdrawn = self.stops.withdraw(asked_in);
            if is_withdrawn { Err(error) } else { Ok(()) }
        })
    }

    pub(super) fn hold(&self) {
        self.holds.fetch_add(1, SeqCst);
    }

    /// Wakes the loop, which may end now.
    pub(super) fn release(&self) {
        self.holds.fetch_sub(1, SeqCst);
        // A drop cannot return an error. If the wake fails, the loop notices the release at its next event.
        let _ = self.wake();
    }

    pub(super) fn set_listener(&self, callback: impl Fn() + Send + Sync + 'static) {
        self.listener.set(Arc::new(callback));
    }

    pub(super) fn close(&self) {
        self.listener.clear();
        let mut inbox = self.inbox();
        inbox.is_closed = true;
        let posts = std::mem::take(&mut inbox.posts);
        // The posts are dropped without the lock, because the drop of a post is user code, which may post.
        drop(inbox);
        drop(posts);
    }
}

/// The number of requests for a stop that the loop has not taken, and the number of the period in which they were made.
/// A period ends when the loop takes its requests. Both share one machine word, and so change together. A thread whose
/// wake failed can then withdraw its own request, and none of a later period.
#[derive(Debug, Default)]
struct StopRequests(AtomicUsize);

/// The low half of the word is the number of requests, the high half is the period.
const PERIOD_SHIFT: u32 = usize::BITS / 2;
const MOST_REQUESTS: usize = (1 << PERIOD_SHIFT) - 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Period(usize);

impl StopRequests {
    fn ask(&self) -> Period {
        // At its limit, the number of requests stays as it is: the loop only asks whether there is one.
        let before = self.update(|word| match word & MOST_REQUESTS {
            MOST_REQUESTS => None,
            _ => Some(word + 1),
        });
        Period(before >> PERIOD_SHIFT)
    }

    /// Takes a request of `period` back. Returns `false` if the loop has taken it already.
    fn withdraw(&self, period: Period) -> bool {
        let is_current = |word: usize| word >> PERIOD_SHIFT == period.0;
        is_current(self.update(|word| is_current(word).then(|| word - 1)))
    }

    fn take(&self) -> bool {
        let next_period = |word: usize| (word >> PERIOD_SHIFT).wrapping_add(1) << PERIOD_SHIFT;
        let is_asked = |word: usize| word & MOST_REQUESTS > 0;
        is_asked(self.update(|word| is_asked(word).then(|| next_period(word))))
    }

    fn is_asked(&self) -> bool {
        self.0.load(SeqCst) & MOST_REQUESTS > 0
    }

    /// Replaces the word by the result of `change`, unless that is `None`. Returns the word before.
    fn update(&self, change: impl FnMut(usize) -> Option<usize>) -> usize {
        let changed = self.0.fetch_update(SeqCst, SeqCst, change);
        changed.unwrap_or_else(|unchanged| unchanged)
    }
}

#[cfg(all(loom, test))]
mod interleavings;
#[cfg(all(not(loom), test))]
mod tests;
