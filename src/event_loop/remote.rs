//! Handles for other threads, which post calls to the loop's thread and end its wait.

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
    /// Whether the loop has been woken since it last took posts. Of many posts, only the first has to wake the loop.
    is_awake: AtomicBool,
    is_stopping: AtomicBool,
    /// The limit on the posts that wait. If a loop cannot keep up, its posts must not fill the memory unnoticed.
    capacity: usize,
    /// The number of [`Hold`]s that are alive.
    holds: AtomicUsize,
}

/// The part of a mailbox that its lock protects.
struct Inbox<S> {
    posts: VecDeque<Post<S>>,
    /// The waker of the loop. Invariant: `Some` exactly as long as the loop exists. The waker holds a descriptor, which
    /// must be closed with the loop even if a [`Remote`] outlives it.
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
        // A panic leaves nothing half done here, because only whole posts are pushed and popped.
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

    /// Moves at most `most` posts to `into`, and returns whether a thread has asked for a stop. A later post wakes the
    /// loop again.
    pub(super) fn take(&self, most: usize, into: &mut VecDeque<Post<S>>) -> bool {
        // The flag is cleared before the queue is read. A post just after the reading must wake the loop again.
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

    /// Closes the mailbox, because the loop is gone: every further post is refused.
    pub(super) fn close(&self) {
        let mut inbox = self.inbox();
        inbox.waker = None;
        let posts = std::mem::take(&mut inbox.posts);
        // The posts are dropped without the lock, because the drop of a post is user code, which may post.
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

/// A handle to a loop for other threads. A `Remote` is cheap to clone, may outlive the loop, and lets the loop end,
/// unlike a [`Hold`].
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

    /// Makes the loop's thread call `call` in its next turn. If the loop is waiting, this ends the wait. The loop makes
    /// the posts of one thread in their order.
    ///
    /// # Errors
    ///
    /// ERR_LOOP_CLOSED if the loop is gone. ERR_MAILBOX_FULL if [too many](crate::EventLoopOptions::posts_capacity)
    /// posts wait already. In both cases `call` is dropped. Also the system's error of the wake-up (`write(2)` on an
    /// eventfd).
    pub fn post(&self, call: impl FnOnce(&mut LoopContext<'_, S>) + Send + 'static) -> Result<()> {
        let call: Post<S> = Box::new(call);
        let mut inbox = self.mailbox.inbox();
        // The waker is checked under the lock, so that `close` finds every post that was accepted.
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

    /// Ends the loop's wait. If the loop is not waiting, its next wait ends at once. Several wakes act as one.
    ///
    /// # Errors
    ///
    /// The system's error of the wake-up.
    pub fn wake(&self) -> Result<()> {
        self.mailbox.wake()
    }

    /// Makes [`run`](crate::EventLoop::run) return at the end of the running turn.
    ///
    /// # Errors
    ///
    /// The system's error of the wake-up.
    pub fn stop(&self) -> Result<()> {
        self.mailbox.is_stopping.store(true, Ordering::Release);
        self.mailbox.wake()
    }

    /// Keeps the loop going until the returned [`Hold`] is dropped, for a thread that still has something to post.
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

/// Keeps a loop going until this value is dropped; [`Remote::hold`] makes it.
#[must_use = "the loop is held until this is dropped"]
pub struct Hold<S = ()> {
    mailbox: Arc<Mailbox<S>>,
}

impl<S> Drop for Hold<S> {
    fn drop(&mut self) {
        self.mailbox.holds.fetch_sub(1, Ordering::AcqRel);
        // The loop must notice that it may end now. If the wake-up fails, the loop is gone, or notices it later.
        let _ = self.mailbox.wake();
    }
}

impl<S> fmt::Debug for Hold<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Hold").finish_non_exhaustive()
    }
}
