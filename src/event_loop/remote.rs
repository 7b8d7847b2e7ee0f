//! Other threads: a handle that posts calls to the loop's thread and ends its wait.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::net::{Error, Result, Waker};

use super::call::Post;
use super::loop_context::LoopContext;

/// A queue of posts between other threads and the loop.
pub(super) struct Mailbox<S> {
    inbox: Mutex<Inbox<S>>,
    /// Whether the loop has been woken since it last took posts: of many posts only the first has to wake it.
    is_awake: AtomicBool,
    is_stopping: AtomicBool,
    /// The most posts that may wait. A loop that cannot keep up must not fill the memory unseen.
    capacity: usize,
    /// The number of [`Hold`]s that are alive.
    holds: AtomicUsize,
}

/// The part of a mailbox that lies under its lock.
struct Inbox<S> {
    posts: VecDeque<Post<S>>,
    /// Invariant: `Some` exactly as long as the loop is there. It has a descriptor, which must go with the loop even
    /// if a [`Remote`] outlives it.
    waker: Option<Waker>,
}

impl<S> Mailbox<S> {
    pub(super) fn new(waker: Waker, capacity: usize) -> Self {
        Self {
            capacity,
            inbox: Mutex::new(Inbox {
                posts: VecDeque::new(),
                waker: Some(waker),
            }),
            is_awake: AtomicBool::new(false),
            is_stopping: AtomicBool::new(false),
            holds: AtomicUsize::new(0),
        }
    }

    fn inbox(&self) -> MutexGuard<'_, Inbox<S>> {
        // Nothing is left half done by a panic here, as only whole posts are pushed and popped.
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a thread has posted, woken or stopped the loop since the last [`take`](Self::take).
    pub(super) fn is_pending(&self) -> bool {
        self.is_awake.load(Ordering::Acquire)
    }

    /// Whether another thread keeps the loop going.
    pub(super) fn holds_loop(&self) -> bool {
        self.is_pending() || self.holds.load(Ordering::Acquire) > 0
    }

    /// Moves at most `most` posts to `into`, and answers whether a stop was asked for. A post from now on wakes the loop
    /// again.
    pub(super) fn take(&self, most: usize, into: &mut VecDeque<Post<S>>) -> bool {
        // Before the queue is read: a post that comes just after the reading must find the loop asleep.
        self.is_awake.store(false, Ordering::Release);
        let mut inbox = self.inbox();
        let count = most.min(inbox.posts.len());
        into.extend(inbox.posts.drain(..count));
        if !inbox.posts.is_empty() {
            self.is_awake.store(true, Ordering::Release);
        }
        drop(inbox);
        self.is_stopping.swap(false, Ordering::AcqRel)
    }

    /// Closes the mailbox, since the loop is gone: every further post is refused.
    pub(super) fn close(&self) {
        let mut inbox = self.inbox();
        inbox.waker = None;
        let posts = std::mem::take(&mut inbox.posts);
        // Not under the lock: the drop of a post is user code, which may post.
        drop(inbox);
        drop(posts);
    }

    fn wake(&self) -> Result<()> {
        if self.is_awake.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        if let Some(waker) = &self.inbox().waker {
            waker.wake()?;
        }
        Ok(())
    }
}

/// A handle to a loop for other threads. It is cheap to clone, may outlive the loop, and does not keep it going: a
/// [`Hold`] does that.
///
/// ```
/// use netloop::EventLoop;
///
/// # fn main() -> netloop::Result<()> {
/// let mut event_loop: EventLoop<Vec<i32>> = EventLoop::new()?;
/// let remote = event_loop.remote();
/// let hold = remote.hold();
/// let worker = std::thread::spawn(move || {
///     let answer = 6 * 7;
///     let _keeps_the_loop_going = hold;
///     remote.post(move |cx| cx.shared.push(answer))
/// });
/// let mut answers = Vec::new();
/// event_loop.run(&mut answers)?;
/// assert_eq!(answers, [42]);
/// # worker.join().unwrap()
/// # }
/// ```
pub struct Remote<S = ()> {
    mailbox: Arc<Mailbox<S>>,
}

impl<S> Remote<S> {
    pub(super) fn new(mailbox: &Arc<Mailbox<S>>) -> Self {
        Self {
            mailbox: Arc::clone(mailbox),
        }
    }

    /// Lets the loop's thread make `call` in its next turn, which begins at once if the loop is waiting. Posts of one
    /// thread are made in their order.
    ///
    /// # Errors
    ///
    /// ERR_LOOP_CLOSED if the loop is gone, and ERR_MAILBOX_FULL if
    /// [too many](crate::EventLoopOptions::posts_capacity) posts wait already; `call` is dropped then. Also the system's
    /// error of waking (`write(2)` on an eventfd).
    pub fn post(&self, call: impl FnOnce(&mut LoopContext<'_, S>) + Send + 'static) -> Result<()> {
        let call: Post<S> = Box::new(call);
        let mut inbox = self.mailbox.inbox();
        // Read under the lock, so that `close` finds every post that was let in.
        if inbox.waker.is_none() {
            return Err(Error::with_code(Error::LOOP_CLOSED, "the loop is gone"));
        }
        let capacity = self.mailbox.capacity;
        if inbox.posts.len() >= capacity {
            let full = format!("{capacity} posts wait already; the loop cannot keep up");
            return Err(Error::with_code(Error::MAILBOX_FULL, full));
        }
        inbox.posts.push_back(call);
        drop(inbox);
        self.mailbox.wake()
    }

    /// Ends the loop's wait, or its next one if it is not waiting. Any number of wakes are one.
    ///
    /// # Errors
    ///
    /// The system's error of waking.
    pub fn wake(&self) -> Result<()> {
        self.mailbox.wake()
    }

    /// Lets [`run`](crate::EventLoop::run) return as soon as the turn that is under way is over.
    ///
    /// # Errors
    ///
    /// The system's error of waking.
    pub fn stop(&self) -> Result<()> {
        self.mailbox.is_stopping.store(true, Ordering::Release);
        self.mailbox.wake()
    }

    /// Keeps the loop going until the answer is dropped, while another thread has something to post.
    pub fn hold(&self) -> Hold<S> {
        self.mailbox.holds.fetch_add(1, Ordering::AcqRel);
        Hold {
            mailbox: Arc::clone(&self.mailbox),
        }
    }
}

impl<S> Clone for Remote<S> {
    fn clone(&self) -> Self {
        Self::new(&self.mailbox)
    }
}

impl<S> fmt::Debug for Remote<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Remote")
            .field("is_closed", &self.mailbox.inbox().waker.is_none())
            .finish_non_exhaustive()
    }
}

/// Keeps a loop going for as long as it is alive; see [`Remote::hold`].
#[must_use = "the loop is held until this is dropped"]
pub struct Hold<S = ()> {
    mailbox: Arc<Mailbox<S>>,
}

impl<S> Drop for Hold<S> {
    fn drop(&mut self) {
        self.mailbox.holds.fetch_sub(1, Ordering::AcqRel);
        // The loop has to notice that it may end. A loop that cannot be woken is gone, or notices it later.
        let _ = self.mailbox.wake();
    }
}

impl<S> fmt::Debug for Hold<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Hold").finish_non_exhaustive()
    }
}
