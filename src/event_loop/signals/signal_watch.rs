//! The view of one handler of a signal, with which users close the handler and let it hold the loop.

use std::fmt;

use crate::event_loop::agenda::Agenda;
use crate::net::Net;
use crate::slots::Key;

use super::signal::Signal;

/// The id of a [signal's handler](crate::EventLoop::on_signal), with the guarantees of [`SocketId`](crate::SocketId).
///
/// ```
/// use netloop::{EventLoop, Signal};
///
/// let mut event_loop: EventLoop = EventLoop::new()?;
/// let hangup = event_loop.on_signal(Signal::HUP, |_| println!("reads its configuration again"))?;
/// // Later, the default action of the signal holds again.
/// event_loop.signal(hangup).close();
/// # Ok::<(), netloop::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SignalId(pub(crate) Key);

impl fmt::Display for SignalId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, formatter)
    }
}

/// One handler of a signal, borrowed from its loop: `signal(id)` of an [`EventLoop`](crate::EventLoop) or of a
/// [`LoopContext`](crate::LoopContext).
///
/// A view of a handler that is closed is harmless: getters return `None` or `false`, and the other methods do nothing.
///
/// ```
/// use netloop::{EventLoop, Signal};
///
/// # fn main() -> netloop::Result<()> {
/// let mut event_loop: EventLoop = EventLoop::new()?;
/// let id = event_loop.on_signal(Signal::WINCH, |_| println!("another size"))?;
///
/// // A handler keeps `run` going only where this is asked for.
/// event_loop.run(&mut ())?;
/// event_loop.signal(id).hold();
/// assert!(event_loop.is_alive());
///
/// assert!(event_loop.signal(id).close());
/// assert!(!event_loop.signal(id).close());
/// # Ok(())
/// # }
/// ```
pub struct SignalWatch<'a, S = ()> {
    net: &'a mut Net,
    agenda: &'a mut Agenda<S>,
    id: SignalId,
}

impl<'a, S> SignalWatch<'a, S> {
    pub(crate) fn new(net: &'a mut Net, agenda: &'a mut Agenda<S>, id: SignalId) -> Self {
        Self { net, agenda, id }
    }

    /// Closes the handler, and returns whether it was still there. From now on the handler is not called, also not for
    /// signals that have arrived already. A handler may close itself. When the last handler of the process for a signal
    /// is closed, the signal has its default action again, as in Node. The next SIGINT then ends the process, for
    /// instance. A real-time signal is ignored instead.
    pub fn close(self) -> bool {
        self.agenda.signals.close(self.net, self.id)
    }

    /// Returns the signal of the handler; `None` if the handler is closed.
    pub fn signal(&self) -> Option<Signal> {
        self.agenda.signals.signal_of(self.id)
    }

    /// Makes the handler keep [`run`](crate::EventLoop::run) going, which is not the default.
    #[doc(alias = "ref")]
    pub fn hold(&mut self) {
        self.agenda.signals.set_held(self.id, true);
    }

    /// Allows [`run`](crate::EventLoop::run) to return although the handler is there. This is the default.
    #[doc(alias = "unref")]
    pub fn release(&mut self) {
        self.agenda.signals.set_held(self.id, false);
    }

    /// Whether the handler keeps [`run`](crate::EventLoop::run) going.
    #[doc(alias = "hasRef")]
    pub fn is_held(&self) -> bool {
        self.agenda.signals.is_held(self.id)
    }
}

impl<S> fmt::Debug for SignalWatch<'_, S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SignalWatch")
            .field("id", &self.id)
            .field("signal", &self.signal())
            .finish_non_exhaustive()
    }
}
