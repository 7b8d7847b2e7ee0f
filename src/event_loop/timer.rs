//! The view of one timer, with which users cancel the timer and ask for its time.

use std::fmt;
use std::time::Instant;

use crate::net::{Net, TimerId};

use super::agenda::Agenda;

/// One timer, borrowed from its loop: `timer(id)` of an [`EventLoop`](crate::EventLoop) or of a context.
///
/// A view of a timer that is over is harmless: getters return `None` or `false`, and the other methods do nothing.
///
/// ```
/// use std::time::Duration;
/// use netloop::EventLoop;
///
/// # fn main() -> netloop::Result<()> {
/// let mut event_loop: EventLoop = EventLoop::new()?;
/// let id = event_loop.every(Duration::from_secs(60), |_| println!("still here"));
///
/// // Does not keep `run` going any more.
/// event_loop.timer(id).release();
/// event_loop.run(&mut ())?;
///
/// assert!(event_loop.timer(id).due_at().is_some());
/// assert!(event_loop.timer(id).cancel());
/// assert!(!event_loop.timer(id).cancel());
/// # Ok(())
/// # }
/// ```
pub struct Timer<'a, S = ()> {
    net: &'a mut Net,
    agenda: &'a mut Agenda<S>,
    id: TimerId,
}

impl<'a, S> Timer<'a, S> {
    pub(super) fn new(net: &'a mut Net, agenda: &'a mut Agenda<S>, id: TimerId) -> Self {
        Self { net, agenda, id }
    }

    /// Cancels the timer, and returns whether it was still armed. A repeating timer may be cancelled in its own call.
    #[doc(alias = "clearTimeout")]
    #[doc(alias = "clearInterval")]
    pub fn cancel(self) -> bool {
        self.agenda.timers.cancel(self.net, self.id)
    }

    /// Returns the time at which the timer fires; `None` if the timer is over, or the time is beyond the clock's range.
    pub fn due_at(&self) -> Option<Instant> {
        self.agenda.timers.due_at(self.net, self.id)
    }

    /// Makes the timer keep [`run`](crate::EventLoop::run) going, as is the default until [`release`](Self::release).
    #[doc(alias = "ref")]
    pub fn hold(&mut self) {
        self.agenda.timers.set_held(self.id, true);
    }

    /// Allows [`run`](crate::EventLoop::run) to return while the timer is armed.
    #[doc(alias = "unref")]
    pub fn release(&mut self) {
        self.agenda.timers.set_held(self.id, false);
    }

    /// Whether the timer keeps [`run`](crate::EventLoop::run) going.
    #[doc(alias = "hasRef")]
    pub fn is_held(&self) -> bool {
        self.agenda.timers.is_held(self.id)
    }
}

impl<S> fmt::Debug for Timer<'_, S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Timer")
            .field("id", &self.id)
            .field("due_at", &self.due_at())
            .finish_non_exhaustive()
    }
}
