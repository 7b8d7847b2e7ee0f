//! Handles with which other threads post calls to the loop's thread, and end its wait.

use std::fmt;
use std::io;
use std::sync::Arc;

use crate::event_loop::contexts::LoopContext;
use crate::net::Result;

use super::Mailbox;
use super::post_error::PostError;

/// A handle to a loop for other threads. Such a handle is cheap to clone, may outlive the loop, and lets the loop end,
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
    pub(crate) fn new(mailbox: &Arc<Mailbox<S>>) -> Self {
        Self {
            mailbox: Arc::clone(mailbox),
        }
    }

    /// Makes the loop's thread call `call` in one of its next turns, which make up to 1,024 posts each. If the loop is
    /// waiting, this ends the wait. Calls that one thread posts are made in the order of the posts. This takes a lock,
    /// and allocates. A signal handler calls [`wake`](Self::wake) instead.
    ///
    /// ```
    /// use netloop::EventLoop;
    ///
    /// let mut event_loop: EventLoop<Vec<u64>> = EventLoop::new()?;
    /// let remote = event_loop.remote();
    /// let worker = std::thread::spawn(move || {
    ///     let sum = (1..=1_000).sum();
    ///     remote.post(move |cx| {
    ///         cx.shared.push(sum);
    ///         cx.stop();
    ///     })
    /// });
    /// # event_loop.every(std::time::Duration::from_secs(60), |_| {});
    /// let mut sums = Vec::new();
    /// event_loop.run(&mut sums)?;
    /// assert_eq!(sums, [500_500]);
    /// # worker.join().unwrap()?;
    /// # Ok::<(), netloop::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// ERR_LOOP_CLOSED if the loop is gone. ERR_MAILBOX_FULL if [too many](crate::EventLoopOptions::posts_capacity)
    /// posts wait already. Also the system's error of the wake-up (on Linux, `write(2)` on an eventfd), which was tried
    /// a few times. In each case `call` is dropped; [`try_post`](Self::try_post) gives it back.
    pub fn post(&self, call: impl FnOnce(&mut LoopContext<'_, S>) + Send + 'static) -> Result<()> {
        Ok(self.mailbox.post(call)?)
    }

    /// Posts as [`post`](Self::post) does, but returns a refused call, which the caller can post or make elsewhere.
    ///
    /// ```
    /// use netloop::EventLoop;
    ///
    /// # fn main() -> netloop::Result<()> {
    /// let event_loop: EventLoop<Vec<String>> = EventLoop::new()?;
    /// let remote = event_loop.remote();
    /// drop(event_loop);
    /// let line = String::from("not to be lost");
    /// let refused = remote.try_post(move |cx| cx.shared.push(line)).unwrap_err();
    /// // Another loop may call it.
    /// let mut other: EventLoop<Vec<String>> = EventLoop::new()?;
    /// other.defer(refused.into_call());
    /// let mut lines = Vec::new();
    /// other.run(&mut lines)?;
    /// assert_eq!(lines, ["not to be lost"]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`post`](Self::post), with `call` in the [`PostError`].
    pub fn try_post<F>(&self, call: F) -> Result<(), PostError<F>>
    where
        F: FnOnce(&mut LoopContext<'_, S>) + Send + 'static,
    {
        self.mailbox.post(call)
    }

    /// Ends the loop's wait. If the loop is not waiting, its next wait ends at once. Several wakes act as one. If the
    /// loop is gone, this does nothing. On Linux a signal handler may call this, unless the host uses
    /// [`on_remote_wake`](crate::EventLoop::on_remote_wake). The call takes no lock, and neither allocates nor frees
    /// memory, not even when it fails. It may change `errno`, as every system call does. On other systems a signal
    /// handler must not call this, and on no system clone, drop or print a `Remote` or [`Hold`].
    ///
    /// # Errors
    ///
    /// The system's error of the wake-up (on Linux, `write(2)` on an eventfd), which was tried a few times. A failed
    /// wake does not count: the next one, by any thread, makes the system call again.
    pub fn wake(&self) -> io::Result<()> {
        self.mailbox.wake()
    }

    /// Makes [`run`](crate::EventLoop::run) return at the end of the running turn or of the next one. A signal handler
    /// may call this where it may call [`wake`](Self::wake).
    ///
    /// ```
    /// use netloop::EventLoop;
    ///
    /// let mut event_loop: EventLoop = EventLoop::new()?;
    /// let remote = event_loop.remote();
    /// let hold = remote.hold();
    /// let other = std::thread::spawn(move || remote.stop());
    /// // Held, and so it returns for the stop alone.
    /// event_loop.run(&mut ())?;
    /// drop(hold);
    /// # other.join().unwrap()?;
    /// # Ok::<(), netloop::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`wake`](Self::wake). After an error this request has no effect.
    pub fn stop(&self) -> io::Result<()> {
        self.mailbox.stop()
    }

    /// Keeps the loop going until the returned [`Hold`] is dropped, for a thread that still has something to post.
    pub fn hold(&self) -> Hold<S> {
        self.mailbox.hold();
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
            .field("is_closed", &self.mailbox.is_closed())
            .finish_non_exhaustive()
    }
}

/// Keeps a loop going until this value is dropped; [`Remote::hold`] makes it.
///
/// ```
/// use netloop::EventLoop;
/// use std::thread;
///
/// let mut event_loop: EventLoop<u32> = EventLoop::new()?;
/// let remote = event_loop.remote();
/// // Without the hold, `run` would return before the worker has posted: nothing else is to come.
/// let hold = remote.hold();
/// let worker = thread::spawn(move || {
///     let posted = remote.post(|cx| *cx.shared += 1);
///     drop(hold);
///     posted
/// });
/// let mut answers = 0;
/// event_loop.run(&mut answers)?;
/// assert_eq!(answers, 1);
/// # worker.join().unwrap()?;
/// # Ok::<(), netloop::Error>(())
/// ```
#[must_use = "the loop is held until this is dropped"]
pub struct Hold<S = ()> {
    mailbox: Arc<Mailbox<S>>,
}

impl<S> Drop for Hold<S> {
    fn drop(&mut self) {
        self.mailbox.release();
    }
}

impl<S> fmt::Debug for Hold<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Hold").finish_non_exhaustive()
    }
}
