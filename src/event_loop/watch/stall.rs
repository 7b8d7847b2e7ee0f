//! The hook for callbacks and turns that take longer than a limit.

use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::event_loop::calling::Calling;
use crate::event_loop::{EventLoop, LoopContext};
use crate::net::{DatagramId, DatagramSocket, Server, ServerId, Socket, SocketId, SourceId};

/// A callback or a turn that took longer than the limit of [`EventLoop::on_stall`](crate::EventLoop::on_stall), or another
/// [kind](StallKind) of stall.
///
/// `{}` shows it as a line for a log: `on_data of socket 0v1 (10.0.0.2:40000) took 20ms`.
///
/// ```
/// use std::time::Duration;
/// use netloop::{CallbackOwner, EventLoop, Stall};
///
/// let mut event_loop: EventLoop<Vec<Stall>> = EventLoop::new()?;
/// event_loop.on_stall(Duration::from_millis(1), |cx, stall| cx.shared.push(*stall));
/// event_loop.after(Duration::ZERO, |_| std::thread::sleep(Duration::from_millis(2)));
/// let mut stalls = Vec::new();
/// event_loop.run(&mut stalls)?;
/// assert_eq!((stalls[0].callback, stalls[0].owner), ("after", CallbackOwner::Loop));
/// assert!(stalls[0].duration >= Duration::from_millis(2));
/// # Ok::<(), netloop::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stall {
    /// The time that the callback took, the turn worked without its wait, the spin lasted, or the process stood still.
    pub duration: Duration,
    /// The kind of the stall.
    pub kind: StallKind,
    /// The name of the method, such as `on_data`. Calls of closures are named after the method that took the closure:
    /// `defer`, `after`, `every`, `post`, `on_signal`, `on_prepare`, `on_check`. A closure of `on_signal_once` counts
    /// as one of `on_signal`, and one of `shutdown` as one of `defer`. The other kinds are named `turn`, `spin` and
    /// `process`.
    pub callback: &'static str,
    /// The owner of the callback, or of the queued work that keeps the loop awake.
    pub owner: CallbackOwner,
}

/// The kind of a [`Stall`].
///
/// ```
/// use netloop::{EventLoop, StallKind};
/// use std::time::Duration;
///
/// let mut event_loop: EventLoop = EventLoop::new()?;
/// event_loop.on_stall(Duration::from_millis(50), |_, stall| match stall.kind {
///     StallKind::Standstill => eprintln!("the machine slept"),
///     StallKind::Spin { turns } => eprintln!("a fault, please report it: {turns} turns for nothing"),
///     _ => eprintln!("{stall}"),
/// });
/// # Ok::<(), netloop::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StallKind {
    /// A callback took longer than the limit.
    Callback,
    /// A turn worked for longer than the limit, with all of its callbacks.
    Turn,
    /// Turns in a row had work queued and did none: no byte moved, and no callback came except for hooks. The loop
    /// would go on so for ever. A socket or server that keeps the loop awake is closed, a socket with
    /// [`ERR_INTERNAL`](crate::Error::INTERNAL). A source of the program stays open. Reported whatever the limit.
    Spin {
        /// The number of the turns.
        turns: u32,
    },
    /// The process stood still for more than a second, by a signal (SIGSTOP) or with its machine. A wait ended that
    /// much after the next deadline, or a turn took that much longer than its callbacks. A standstill is reported
    /// whatever the limit, and no deadline of a socket is decided before the socket was served.
    Standstill,
}

/// The owner of a callback that took long, for a [`Stall`], or that panicked, for a [`CaughtPanic`](crate::CaughtPanic).
///
/// ```
/// use netloop::{CallbackOwner, Stall};
///
/// /// Returns the address of the peer whose message took long.
/// fn culprit(stall: &Stall) -> Option<std::net::SocketAddr> {
///     match stall.owner {
///         CallbackOwner::Socket { peer, .. } => peer,
///         _ => None,
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallbackOwner {
    /// The handler of a socket, or the `on_connection` of the server that accepts the socket.
    Socket {
        /// The socket.
        id: SocketId,
        /// The address of its peer. `None` before there is a connection, and for a socket that is not TCP, unless a
        /// [filter](crate::Filter) has reported an address.
        peer: Option<SocketAddr>,
    },
    /// A handler of a server.
    Server {
        /// The server.
        id: ServerId,
        /// The address that it listens on; `None` for a path, and for a server that does not listen.
        address: Option<SocketAddr>,
    },
    /// The handler of a UDP socket.
    Datagram {
        /// The socket.
        id: DatagramId,
        /// The address that it is bound to; `None` for a socket that is gone or not bound yet.
        address: Option<SocketAddr>,
    },
    /// A handler of a source of the program.
    Source {
        /// The source.
        id: SourceId,
    },
    /// The loop itself: a timer of the loop, a deferred call, a post, a hook, a handler of a signal, or a whole turn.
    Loop,
}

impl fmt::Display for Stall {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            duration,
            callback,
            owner,
            kind,
        } = self;
        match kind {
            StallKind::Callback | StallKind::Turn => {
                write!(formatter, "{callback} of {owner} took {duration:?}")
            }
            StallKind::Spin { turns } => write!(
                formatter,
                "{owner} kept the loop awake for {turns} turns, which did nothing in {duration:?}"
            ),
            StallKind::Standstill => write!(formatter, "the process stood still for {duration:?}"),
        }
    }
}

/// Writes the owner as `socket 0v1 (10.0.0.2:40000)`.
impl fmt::Display for CallbackOwner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Socket { id, peer } => {
                write!(formatter, "socket {id}")?;
                write_address(formatter, peer)
            }
            Self::Server { id, address } => {
                write!(formatter, "server {id}")?;
                write_address(formatter, address)
            }
            Self::Datagram { id, address } => {
                write!(formatter, "UDP socket {id}")?;
                write_address(formatter, address)
            }
            Self::Source { id } => write!(formatter, "source {id}"),
            Self::Loop => formatter.write_str("the loop"),
        }
    }
}

fn write_address(formatter: &mut fmt::Formatter<'_>, address: Option<SocketAddr>) -> fmt::Result {
    match address {
        Some(address) => write!(formatter, " ({address})"),
        None => Ok(()),
    }
}

type StallCall<S> = Box<dyn FnMut(&mut LoopContext<'_, S>, &Stall)>;

pub(crate) struct StallHook<S> {
    limit: Duration,
    call: StallCall<S>,
}

/// The owner of a callback, without the addresses of [`CallbackOwner`]: to find them for each callback costs time.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Watched {
    Socket(SocketId),
    /// A socket between its `on_connection` and its `on_connect`. If the hook panics, the socket is destroyed.
    Accepting(SocketId),
    /// A socket that is gone, with the address of its peer.
    Closed(SocketId, Option<SocketAddr>),
    Server(ServerId),
    Datagram(DatagramId),
    Source(SourceId),
    Loop,
}

/// Callbacks that take too long.
impl<S> EventLoop<S> {
    /// Calls `hook` for each callback, and for each turn, that takes longer than `limit`. The hook is called directly
    /// after the callback, or at the end of the turn. A hook that was set before is replaced. While a hook is set, the
    /// clock is read before and after each callback, about 30 ns each. A callback that panics is not reported. With a
    /// limit of zero, every callback whose time is not zero is reported. If `hook` panics, it is dropped. The hook is
    /// also told, whatever the limit, when the loop [spins](StallKind::Spin), and when the whole process [stood
    /// still](StallKind::Standstill).
    ///
    /// ```
    /// use std::time::Duration;
    /// use netloop::EventLoop;
    ///
    /// let mut event_loop: EventLoop<Vec<String>> = EventLoop::new()?;
    /// event_loop.on_stall(Duration::from_millis(5), |cx, stall| cx.shared.push(stall.to_string()));
    /// event_loop.defer(|_| std::thread::sleep(Duration::from_millis(20)));
    /// let mut log = Vec::new();
    /// event_loop.run(&mut log)?;
    /// // Such as: "defer of the loop took 20.1ms", "turn of the loop took 20.2ms".
    /// assert!(log[0].starts_with("defer of the loop took ") && log[1].starts_with("turn of the loop took "));
    /// # Ok::<(), netloop::Error>(())
    /// ```
    #[doc(alias = "slow_callback_duration")]
    pub fn on_stall(
        &mut self,
        limit: Duration,
        hook: impl FnMut(&mut LoopContext<'_, S>, &Stall) + 'static,
    ) {
        self.stall_hook = Some(StallHook {
            limit,
            call: Box::new(hook),
        });
        self.agenda.meter.set_watches(true);
    }

    /// Removes the hook for stalls.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let mut event_loop: netloop::EventLoop = netloop::EventLoop::new()?;
    /// event_loop.on_stall(Duration::from_millis(5), |_, stall| eprintln!("{stall}"));
    /// // For a phase that is known to be slow:
    /// event_loop.ignore_stalls();
    /// # Ok::<(), netloop::Error>(())
    /// ```
    pub fn ignore_stalls(&mut self) {
        self.stall_hook = None;
        self.agenda.meter.set_watches(false);
    }

    #[inline]
    pub(crate) fn watch(&self) -> Option<Instant> {
        match self.agenda.meter.watches() {
            true => Some(self.net.read_clock()),
            false => None,
        }
    }

    #[inline]
    pub(crate) fn end_watch(
        &mut self,
        shared: &mut S,
        watched: Option<Instant>,
        callback: &'static str,
        owner: Watched,
    ) {
        // The host sets and removes hooks between turns only, so that none was removed since the watch began.
        if self.agenda.meter.has_hooks() {
            self.tell_hooks(shared, watched, callback, owner);
        }
    }

    #[cold]
    #[inline(never)]
    fn tell_hooks(
        &mut self,
        shared: &mut S,
        watched: Option<Instant>,
        callback: &'static str,
        owner: Watched,
    ) {
        if let Some(began) = watched {
            self.note_callback(shared, began, callback, owner);
        }
        self.relieve(shared, owner);
    }

    fn note_callback(
        &mut self,
        shared: &mut S,
        began: Instant,
        callback: &'static str,
        owner: Watched,
    ) {
        let duration = self.net.read_clock().saturating_duration_since(began);
        self.agenda.meter.called += duration;
        // The name is empty if the socket had no handler. Then there was no callback.
        if !callback.is_empty() {
            self.tell_stall(shared, duration, callback, owner);
        }
    }

    /// Calls the hook if `duration` is longer than its limit. Returns whether it was called.
    pub(super) fn tell_stall(
        &mut self,
        shared: &mut S,
        duration: Duration,
        callback: &'static str,
        owner: Watched,
    ) -> bool {
        let hook = self.stall_hook.as_ref();
        if hook.is_none_or(|hook| duration <= hook.limit) {
            return false;
        }
        self.agenda.meter.stalls += 1;
        let stall = Stall {
            duration,
            callback,
            owner: self.callback_owner(owner),
            kind: match callback {
                "turn" => StallKind::Turn,
                _ => StallKind::Callback,
            },
        };
        self.tell_hook(shared, owner, &stall);
        true
    }

    pub(super) fn call_stall_hook(&mut self, shared: &mut S, stall: &Stall) {
        self.tell_hook(shared, Watched::Loop, stall);
    }

    fn tell_hook(&mut self, shared: &mut S, owner: Watched, stall: &Stall) {
        let Some(mut hook) = self.stall_hook.take() else {
            return;
        };
        // If the hook panics, it is dropped, and nothing is watched any more.
        self.agenda.meter.set_watches(false);
        self.call_hook(shared, owner, |cx| (hook.call)(cx, stall));
        self.stall_hook = Some(hook);
        self.agenda.meter.set_watches(true);
    }

    pub(super) fn call_hook(
        &mut self,
        shared: &mut S,
        owner: Watched,
        call: impl FnOnce(&mut LoopContext<'_, S>),
    ) {
        let calling = match owner {
            Watched::Accepting(id) => Calling::Socket(id),
            _ => Calling::Loop,
        };
        self.call(shared, calling, call);
    }

    pub(super) fn callback_owner(&mut self, owner: Watched) -> CallbackOwner {
        match owner {
            Watched::Socket(id) | Watched::Accepting(id) => {
                let peer = Socket::new(&mut self.net, id).peer_address();
                CallbackOwner::Socket { id, peer }
            }
            Watched::Closed(id, peer) => CallbackOwner::Socket { id, peer },
            Watched::Server(id) => {
                let address = Server::new(&mut self.net, id).address();
                CallbackOwner::Server { id, address }
            }
            Watched::Datagram(id) => {
                let address = DatagramSocket::new(&mut self.net, id).local_address();
                CallbackOwner::Datagram { id, address }
            }
            Watched::Source(id) => CallbackOwner::Source { id },
            Watched::Loop => CallbackOwner::Loop,
        }
    }
}
