//! Panics of callbacks: the policy of the loop, and the hook for caught panics.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::event_loop::calling::Calling;
use crate::event_loop::turns::{RestOfTurn, Wait};
use crate::event_loop::{Budget, CallbackOwner, EventLoop, LoopContext, Turn};
use crate::net::Result;

use super::stall::Watched;

/// The number of panicked callbacks after which a turn ends, so that calls that always panic cannot keep it going.
const CATCHES_A_TURN: u32 = 64;

/// The effect on the loop of a panic in a callback: an option of the loop
/// ([`EventLoopOptions::panic_policy`](crate::EventLoopOptions::panic_policy)).
///
/// ```
/// use netloop::{EventLoop, EventLoopOptions, PanicPolicy};
///
/// // A server whose connections have little in common: a panic costs one of them.
/// let options = EventLoopOptions::new().panic_policy(PanicPolicy::Close);
/// let mut event_loop: EventLoop = EventLoop::with_options(options)?;
/// event_loop.on_panic(|_, panic| eprintln!("{panic}"));
/// # Ok::<(), netloop::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PanicPolicy {
    /// The panic goes on through [`run`](EventLoop::run) or [`turn`](EventLoop::turn). The next turn closes the socket
    /// (TCP, Unix or UDP) or the source whose callback has panicked. All others live on, and so do servers.
    #[default]
    Propagate,
    /// The loop catches the panic, goes on, and closes the socket, server or source whose callback has panicked. A
    /// socket (TCP, Unix or UDP) closes with [`ERR_HANDLER_PANICKED`](crate::Error::HANDLER_PANICKED). When a server
    /// closes, its connections stay. A panic in `on_connection` closes the new socket, and the server stays. A timer,
    /// hook or handler of a signal that panics is over; a deferred call or a post has no owner to close. The hook of
    /// [`EventLoop::on_panic`] is told of each panic. What the panic has cut off in its part of the turn comes behind
    /// the other parts: a timer that is due may fire before the next deferred call. The state that the program shares
    /// between its callbacks must make sense after a panic in the middle of any of them.
    Close,
}

/// A panic of a callback, which the loop has caught: the argument of [`EventLoop::on_panic`].
///
/// `{}` shows it as a line for a log: `a callback of socket 0v1 (10.0.0.2:40000) panicked: index out of bounds`.
///
/// ```
/// use netloop::{CallbackOwner, EventLoop, EventLoopOptions, PanicPolicy};
///
/// let options = EventLoopOptions::new().panic_policy(PanicPolicy::Close);
/// let mut event_loop: EventLoop<Vec<String>> = EventLoop::with_options(options)?;
/// event_loop.on_panic(|cx, panic| {
///     if let CallbackOwner::Socket { id, peer } = panic.owner() {
///         eprintln!("the handler of {id}, for {peer:?}");
///     }
///     cx.shared.push(panic.message().unwrap_or("no text").to_owned());
/// });
/// event_loop.defer(|_| panic!("out of range"));
/// let mut log = Vec::new();
/// event_loop.run(&mut log)?;
/// assert_eq!(log, ["out of range"]);
/// # Ok::<(), netloop::Error>(())
/// ```
#[derive(Debug)]
pub struct CaughtPanic<'a> {
    owner: CallbackOwner,
    payload: &'a (dyn Any + Send),
}

impl<'a> CaughtPanic<'a> {
    /// Returns the owner of the callback. An owner other than the loop is closed; its `on_close` may be still to come.
    #[must_use]
    pub fn owner(&self) -> CallbackOwner {
        self.owner
    }

    /// Returns the text of the panic; `None` for another value ([`panic_any`](std::panic::panic_any)).
    #[must_use]
    pub fn message(&self) -> Option<&'a str> {
        let text = self.payload.downcast_ref::<&'static str>().copied();
        text.or_else(|| self.payload.downcast_ref::<String>().map(String::as_str))
    }

    /// Returns the value of the panic.
    #[must_use]
    pub fn payload(&self) -> &'a (dyn Any + Send) {
        self.payload
    }
}

impl fmt::Display for CaughtPanic<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "a callback of {} panicked", self.owner)?;
        match self.message() {
            Some(message) => write!(formatter, ": {message}"),
            None => Ok(()),
        }
    }
}

pub(crate) type PanicHook<S> = Box<dyn FnMut(&mut LoopContext<'_, S>, &CaughtPanic<'_>)>;

type Payload = Box<dyn Any + Send>;

/// Panics.
impl<S> EventLoop<S> {
    /// Calls `hook` for each panic of a callback that the loop catches. With [`PanicPolicy::Propagate`], the loop
    /// catches none. The hook is called before any other callback. A hook that was set before is replaced; a hook that
    /// panics is dropped. Before `hook`, the standard library calls the [panic hook](std::panic::set_hook) of the
    /// process. With `panic = "abort"`, nothing is caught, and the process ends.
    ///
    /// ```
    /// use netloop::{EventLoop, EventLoopOptions, PanicPolicy};
    ///
    /// let options = EventLoopOptions::new().panic_policy(PanicPolicy::Close);
    /// let mut event_loop: EventLoop<Vec<String>> = EventLoop::with_options(options)?;
    /// event_loop.on_panic(|cx, panic| cx.shared.push(panic.to_string()));
    /// event_loop.defer(|_| panic!("a fault of the program"));
    /// let mut log = Vec::new();
    /// event_loop.run(&mut log)?;
    /// assert_eq!(log, ["a callback of the loop panicked: a fault of the program"]);
    /// # Ok::<(), netloop::Error>(())
    /// ```
    pub fn on_panic(
        &mut self,
        hook: impl FnMut(&mut LoopContext<'_, S>, &CaughtPanic<'_>) + 'static,
    ) {
        self.panic_hook = Some(Box::new(hook));
    }

    /// Makes a turn. After each panic, makes the rest of it, until [`CATCHES_A_TURN`] callbacks have panicked.
    #[inline(never)]
    pub(crate) fn make_catching_turn(
        &mut self,
        shared: &mut S,
        wait_of: impl Fn(&Self) -> Wait,
    ) -> Result<Turn> {
        let mut rest: Option<RestOfTurn> = None;
        self.agenda.hooks.begin_turn();
        self.agenda.meter.forget_poll();
        for catches in 0..CATCHES_A_TURN {
            let made = catch_unwind(AssertUnwindSafe(|| match catches {
                0 => self.make_turn(shared, &wait_of),
                // The rest goes on behind the part of its last panic: no part that always panics starves the others.
                _ => self.make_rest_of_turn(shared, &mut rest),
            }));
            match made {
                Ok(turn) => return turn,
                Err(payload) => self.close_panicked(shared, payload),
            }
        }
        self.end_catching_turn(shared)
    }

    /// A panic ends the turn, since the budget that was left is unknown.
    #[inline(never)]
    pub(crate) fn make_catching_limited_turn(
        &mut self,
        shared: &mut S,
        wait: Wait,
        budget: Budget,
    ) -> Result<Turn> {
        let made = catch_unwind(AssertUnwindSafe(|| {
            self.make_limited_turn(shared, wait, budget)
        }));
        match made {
            Ok(turn) => turn,
            Err(payload) => {
                self.close_panicked(shared, payload);
                self.end_catching_turn(shared)
            }
        }
    }

    #[cold]
    fn close_panicked(&mut self, shared: &mut S, payload: Payload) {
        let mut next = Some(payload);
        while let Some(payload) = next.take() {
            self.agenda.meter.panics += 1;
            let owner = self.panicked_owner();
            // A replaced handler that `recover` drops may panic too. No drop comes twice, so the repetition ends.
            let recovered = catch_unwind(AssertUnwindSafe(|| self.recover()));
            self.tell_panic(shared, owner, &*payload);
            drop_quietly(payload);
            next = recovered.err();
        }
    }

    fn panicked_owner(&mut self) -> CallbackOwner {
        let owner = match self.calling {
            None | Some(Calling::Loop | Calling::Timer(_) | Calling::Hook(_)) => Watched::Loop,
            #[cfg(all(unix, feature = "signals"))]
            Some(Calling::Signal(_)) => Watched::Loop,
            Some(Calling::Socket(id) | Calling::Failing(id, _) | Calling::Closed(id)) => {
                Watched::Socket(id)
            }
            Some(Calling::Server(id) | Calling::ClosedServer(id)) => Watched::Server(id),
            Some(Calling::Datagram(id) | Calling::ClosedDatagram(id)) => Watched::Datagram(id),
            Some(Calling::Source(id)) => Watched::Source(id),
        };
        self.callback_owner(owner)
    }

    fn tell_panic(&mut self, shared: &mut S, owner: CallbackOwner, payload: &(dyn Any + Send)) {
        let Some(mut hook) = self.panic_hook.take() else {
            return;
        };
        let panic = CaughtPanic { owner, payload };
        let told = catch_unwind(AssertUnwindSafe(|| {
            self.call_hook(shared, Watched::Loop, |cx| hook(cx, &panic));
        }));
        match told {
            Ok(()) => self.panic_hook = Some(hook),
            // A hook that panics is dropped, and no hook is left to tell.
            Err(payload) => {
                self.agenda.meter.panics += 1;
                drop_quietly(payload);
                drop_quietly(hook);
            }
        }
    }

    fn end_catching_turn(&mut self, shared: &mut S) -> Result<Turn> {
        let unfinished = Turn {
            more: true,
            ..Turn::default()
        };
        // The hook for stalls may panic.
        match catch_unwind(AssertUnwindSafe(|| self.end_turn(shared, unfinished))) {
            Ok(turn) => turn,
            Err(payload) => {
                self.close_panicked(shared, payload);
                Ok(Turn {
                    alive: self.is_alive(),
                    ..unfinished
                })
            }
        }
    }
}

/// Drops a value whose drop is user code, and may panic.
fn drop_quietly<T>(value: T) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(move || drop(value))) {
        // The drop of this second payload may panic too, and so on without end. So the payload is never dropped.
        std::mem::forget(payload);
    }
}
