//! The refusal of a post, which gives the closure back.

use std::fmt;

use crate::net::Error;

/// The error of [`Remote::try_post`](crate::Remote::try_post), with the closure that was not posted.
///
/// ```
/// use netloop::{Error, EventLoop, EventLoopOptions};
///
/// # fn main() -> netloop::Result<()> {
/// let options = EventLoopOptions::new().posts_capacity(1);
/// let mut event_loop: EventLoop<Vec<u32>> = EventLoop::with_options(options)?;
/// let remote = event_loop.remote();
/// remote.try_post(|cx| cx.shared.push(1))?;
/// let refused = remote.try_post(|cx| cx.shared.push(2)).unwrap_err();
/// assert_eq!(refused.error().code(), Error::MAILBOX_FULL);
///
/// let mut numbers = Vec::new();
/// event_loop.run(&mut numbers)?;
/// // Now there is capacity for it.
/// remote.try_post(refused.into_call())?;
/// event_loop.run(&mut numbers)?;
/// assert_eq!(numbers, [1, 2]);
/// # Ok(())
/// # }
/// ```
pub struct PostError<F> {
    error: Error,
    call: F,
}

impl<F> PostError<F> {
    pub(crate) fn new(error: Error, call: F) -> Self {
        Self { error, call }
    }

    /// Returns the reason of the refusal.
    pub fn error(&self) -> &Error {
        &self.error
    }

    /// Returns the closure, which the loop never calls.
    pub fn into_call(self) -> F {
        self.call
    }

    /// Returns the reason and the closure.
    pub fn into_parts(self) -> (Error, F) {
        (self.error, self.call)
    }
}

impl<F> fmt::Debug for PostError<F> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("PostError")
            .field("error", &self.error)
            .finish_non_exhaustive()
    }
}

impl<F> fmt::Display for PostError<F> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(formatter)
    }
}

impl<F> std::error::Error for PostError<F> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

impl<F> From<PostError<F>> for Error {
    /// Drops the closure.
    fn from(refused: PostError<F>) -> Self {
        refused.error
    }
}
