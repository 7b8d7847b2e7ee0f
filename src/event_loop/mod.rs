//! The event loop itself: the top floor, and the only floor that calls handlers. The rooms are no floors: a handler
//! names its context, a context names the agenda, and the agenda keeps handlers.

// Rustdoc shows a type's methods in the order of its modules: `owner` has the constructors, and so comes first.
mod owner;

mod turns;

mod agenda;
mod call;
mod calling;
mod contexts;
mod handlers;
mod hooks;
mod into_handler;
mod mailbox;
mod shutdown;
#[cfg(all(unix, feature = "signals"))]
mod signals;
#[cfg(test)]
mod tests;
mod timer;
mod timers;
mod watch;

use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;
use std::time::Instant;

use crate::net::{CloseReason, DatagramId, Net, ServerId, Socket, SocketId};
use crate::slots::SideTable;
use crate::system::Stream;

use agenda::{Agenda, NewHandler};
use call::Post;
use calling::Calling;
use handlers::AnySource;
use turns::{Part, ReadBuffer};
use watch::{PanicHook, PressureHook, StallHook};

pub use contexts::{Context, DatagramContext, LoopContext, SourceContext};
pub use handlers::{
    Accepted, DatagramHandler, FailedHandshake, OverLimit, ServerHandler, SocketHandler,
    SourceHandler,
};
pub use hooks::{Hook, HookId};
pub use into_handler::IntoHandler;
pub use mailbox::{Hold, PostError, Remote};
pub use owner::EventLoopOptions;
pub use shutdown::{AtShutdown, ShutdownReport};
#[cfg(all(unix, feature = "signals"))]
pub use signals::{Signal, SignalId, SignalWatch};
pub use timer::Timer;
pub use turns::{Budget, RunEnd, Turn, Wait};
pub use watch::{CallbackOwner, CaughtPanic, PanicPolicy, Pressure, Stall, StallKind, Statistics};

/// A network event loop: one thread, one loop, a handler for each socket.
///
/// `S` is the state of the program. The owner of the loop lends this state to [`run`](Self::run) or
/// [`turn`](Self::turn), and every callback gets it as [`cx.shared`](Context).
///
/// ```
/// use netloop::{Context, EventLoop, SocketHandler};
///
/// struct Ask(&'static [u8]);
///
/// impl SocketHandler<Vec<u8>> for Ask {
///     fn on_connect(&mut self, cx: &mut Context<'_, Vec<u8>>) {
///         cx.socket.end_with(self.0);
///     }
///     fn on_data(&mut self, cx: &mut Context<'_, Vec<u8>>, data: &[u8]) {
///         cx.shared.extend_from_slice(data);
///     }
/// }
///
/// struct Shout;
///
/// impl SocketHandler<Vec<u8>> for Shout {
///     fn on_data(&mut self, cx: &mut Context<'_, Vec<u8>>, data: &[u8]) {
///         cx.socket.write_owned(data.to_ascii_uppercase()).ignore();
///     }
/// }
///
/// # fn main() -> netloop::Result<()> {
/// let mut event_loop = EventLoop::new()?;
/// let server = event_loop.listen("127.0.0.1:0", |_, _| Shout)?;
/// let address = event_loop.server(server).address().unwrap();
/// event_loop.connect(address, Ask(b"hello"))?;
/// event_loop.server(server).release();
///
/// let mut answer = Vec::new();
/// event_loop.run(&mut answer)?;
/// assert_eq!(answer, b"HELLO");
/// # Ok(())
/// # }
/// ```
///
/// `{:?}` shows what the loop has, and whether `run` would go on:
/// `EventLoop { sockets: 2, servers: 1, datagram_sockets: 0, sources: 0, timers: 1, calls: 0, queued: 1204, is_alive: true, .. }`.
///
/// # A turn
///
/// Everything happens in turns. Each turn goes through its phases in this order:
///
/// | | phase | calls | at most |
/// |--:|---|---|---|
/// | 1 | deferred calls | closures of [`defer`](Self::defer) | those queued when it begins |
/// | 2 | flush | `on_connection_attempt`, for the connects that were asked for; then the written bytes are sent | one send a socket |
/// | 3 | before the wait | hooks of [`on_prepare`](Self::on_prepare) | each once |
/// | 4 | the wait for the kernel | nothing; no wait if there is something to do | to the next deadline |
/// | 5 | posts | closures of [`Remote::post`]; the answers of lookups are taken | 1,024 |
/// | 6 | sockets | handlers of ready sockets, servers and [sources](Self::add_source), `on_data` and so on; the replies of a handler leave when it returns | one read or burst of each |
/// | 7 | signals | closures of `on_signal`, with the feature `signals` | those that arrived before |
/// | 8 | flush | as 2, for bytes that were written to other sockets | one send a socket |
/// | 9 | after the sockets | hooks of [`on_check`](Self::on_check) | each once |
/// | 10 | timers | [`after`](Self::after), [`every`](Self::every), `on_timer`, `on_timeout`, deadlines; then as 8 | 4,096 |
/// | 11 | closes | `on_error` and `on_close` of all that has closed; then as 8 | those that had closed |
///
/// No phase is longer than its list was at its beginning, so no callback can delay the other phases by asking for more.
/// If 64 sockets or more wait for phase 8, the phases 4 and 6 may come again before it, within a bound.
/// The loop never calls a callback within another callback.
///
/// # Owning the thread, or being a guest
///
/// [`run`](Self::run) goes on until nothing is left to do. A program with a main loop of its own calls
/// [`turn`](Self::turn) in it, or [`run_until`](Self::run_until) with the time of its next step. A program that waits
/// for several things waits on the loop's descriptor (`AsFd`), for at most [`poll_timeout`](Self::poll_timeout), and
/// then calls `turn` with [`Wait::No`]. The loop starts threads only for name lookups, and allocates nothing in the
/// steady state.
///
/// # Dropping
///
/// Dropping the loop closes every descriptor and drops every handler, and calls no handler. A TCP socket with queued
/// bytes closes with a RST, so that its peer does not mistake a part of the bytes for all.
///
/// # Forks
///
/// A loop belongs to the process that made it. A child that was forked without `exec` shares the kernel's poll set with
/// its parent, and must not use its copy of the loop. If the child closed a socket, the kernel could stop reporting it
/// to the parent. The methods that run the loop refuse with ERR_FORKED ([`turn`](Self::turn) only in builds with debug
/// assertions). In the child, [`Server::close`](crate::Server::close) and
/// [`DatagramSocket::close`](crate::DatagramSocket::close) do nothing, and the methods that detach return `None`. No
/// other method checks the process, so a socket or a server that the child makes enters the parent's poll set.
///
/// The child may drop its copy: the parent's connections, listeners and socket files stay. The drop takes locks, which
/// another thread may have held at the fork; a child that ends without dropping is safe from that.
///
/// While the child lives, it has a duplicate of each descriptor. The peer of an accepted socket hears of a close only
/// after the duplicate is closed, too. If the program has called [`descriptor`](crate::Socket::descriptor) on the
/// socket, the end reaches the peer all the same. `exec` closes the duplicates.
pub struct EventLoop<S = ()> {
    /// First, so that its drop closes the mailbox before a handler is dropped: a post from that drop is refused.
    agenda: Agenda<S>,
    net: Net,
    /// Beside the sockets and not inside them, so that a callback can borrow its handler and the whole net at once.
    handlers: SideTable<Box<dyn SocketHandler<S>>>,
    server_handlers: SideTable<Box<dyn ServerHandler<S>>>,
    datagram_handlers: SideTable<Box<dyn DatagramHandler<S>>>,
    sources: SideTable<Box<dyn AnySource<S>>>,
    /// The posts that the loop has taken from the mailbox and not called yet.
    posts: VecDeque<Post<S>>,
    /// `None` while `with_read_buffer` lends it, and after a callback that panicked: the next loan then makes another.
    read_buffer: Option<ReadBuffer>,
    options: EventLoopOptions,
    /// The callback that is running. Invariant: `None` between turns, unless a callback has panicked.
    calling: Option<Calling>,
    /// A socket whose `on_close` must come in the next close phase, even if the callback or hook before it panics.
    unclosed: Option<(SocketId, CloseReason)>,
    /// A closed UDP socket whose `on_close` must come in the next close phase, even if its `on_error` or a hook after
    /// it panics.
    unclosed_datagrams: Option<DatagramId>,
    /// The next turn that has a budget begins with this part.
    resumes_at: Part,
    /// The last deadline that [`take_nearer_deadline`](Self::take_nearer_deadline) returned.
    told_deadline: Option<Instant>,
    #[cfg(all(feature = "precise", target_os = "linux"))]
    mirror: owner::Mirror,
    /// Invariant: `Some` while `Meter::watches` returns `true`.
    stall_hook: Option<StallHook<S>>,
    /// Invariant: `Some` while `Meter::awaits_pressure` returns `true`.
    pressure_hook: Option<PressureHook<S>>,
    panic_hook: Option<PanicHook<S>>,
}

/// Memory, and whether the loop goes on.
impl<S> EventLoop<S> {
    #[cfg(feature = "simulation")]
    pub(crate) fn simulated_machine(&self) -> Option<&crate::system::simulated::MachineHandle> {
        match self.net.system {
            crate::system::System::Simulated(ref machine) => Some(machine),
            _ => None,
        }
    }

    /// Reads the clock first: a deadline that begins now must not count from the last turn.
    fn net_now(&mut self) -> &mut Net {
        #[cfg(all(feature = "precise", target_os = "linux"))]
        self.show_change();
        self.net.refresh_now();
        &mut self.net
    }

    /// Frees all memory that is only kept for later use: free chunks of queues, and unused slots of sockets, handlers
    /// and timers. The next sockets and writes allocate again. The loop frees most of this by itself, a quarter of a
    /// second after a spike, or when [`run`](Self::run) ends. A table keeps the slots before its last socket or timer.
    pub fn trim(&mut self) {
        self.net.trim();
        self.reclaim_tables();
        self.posts.shrink_to_fit();
        self.agenda.trim();
    }

    /// `None` if the server is gone, or if there is no memory for the socket and its handler. The peer then gets a RST,
    /// or an end on a Unix socket, and no handler is told.
    fn admit(
        &mut self,
        server: ServerId,
        stream: Stream,
        peer: Option<SocketAddr>,
    ) -> Option<SocketId> {
        let id = self.net.admit(server, stream, peer)?;
        if self.handlers.reserve(id.0).is_ok() {
            return Some(id);
        }
        let mut socket = Socket::new(&mut self.net, id);
        if socket.reset().is_err() {
            // A Unix socket cannot be reset.
            socket.destroy();
        }
        None
    }

    /// Frees unused memory that the reactor has noticed, without the usual delay.
    fn reclaim(&mut self) {
        if self.net.reclaims_soon() {
            self.net.reclaim_now();
            self.reclaim_tables();
        }
    }

    #[cold]
    fn reclaim_tables(&mut self) {
        self.handlers.shrink();
        self.server_handlers.shrink();
        self.datagram_handlers.shrink();
        self.sources.shrink();
        self.agenda.reclaim();
    }

    /// Whether anything keeps [`run`](Self::run) going. A held socket, server, UDP socket, source, hook, timer or
    /// handler of a signal does, and an `on_close` that is still to come. So do a deferred call, a post, a [`Hold`] and
    /// [`set_busy`](Self::set_busy). A [released](Socket::release) socket does so while it connects, makes a handshake,
    /// or has unsent bytes or an event to report. A released server or UDP socket does so while its name is looked up.
    #[inline]
    pub fn is_alive(&self) -> bool {
        self.net.holds_loop() || self.is_alive_without_sources()
    }

    #[inline(never)]
    fn is_alive_without_sources(&self) -> bool {
        self.agenda.holds_loop()
            || self.agenda.mailbox.holds_loop()
            || !self.posts.is_empty()
            || self.calling.is_some()
            || self.has_unclosed()
            || self.net.has_under_way()
    }

    fn has_unclosed(&self) -> bool {
        self.unclosed.is_some() || self.unclosed_datagrams.is_some()
    }

    /// Whether the loop has work for which it need not wait.
    fn has_queued(&self) -> bool {
        self.net.has_queued() || self.has_calls()
    }

    /// Whether there is work that comes from no socket event, or a cleanup after a callback that panicked.
    fn has_calls(&self) -> bool {
        self.agenda.deferred() > 0
            || !self.posts.is_empty()
            || self.agenda.mailbox.is_pending()
            || self.agenda.has_signals()
            || self.calling.is_some()
            || self.has_unclosed()
    }
}

/// Deregisters the sources of the program. Otherwise the kernel would go on reporting a source if the source and the
/// loop's descriptor both had duplicates elsewhere.
impl<S> Drop for EventLoop<S> {
    fn drop(&mut self) {
        // In a forked child, which shares the poll set, a deregistration would stop the kernel's reports to the parent.
        if self.net.check_owner().is_err() {
            return;
        }
        for source in self.sources.values_mut() {
            self.net.deregister_source(source.object());
        }
        for install in &mut self.agenda.installs {
            if let NewHandler::Source(_, source) = install {
                self.net.deregister_source(source.object());
            }
        }
    }
}

impl<S> fmt::Debug for EventLoop<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let statistics = self.statistics();
        formatter
            .debug_struct("EventLoop")
            .field("sockets", &statistics.sockets)
            .field("servers", &statistics.servers)
            .field("datagram_sockets", &statistics.datagram_sockets)
            .field("sources", &self.sources.len())
            .field("timers", &self.agenda.timers.armed())
            .field("calls", &(self.agenda.deferred() + self.posts.len()))
            .field("queued", &statistics.queued_bytes)
            .field("is_alive", &self.is_alive())
            .finish_non_exhaustive()
    }
}
