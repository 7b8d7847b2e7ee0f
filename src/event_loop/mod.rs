//! The loop itself: the top floor, and the only one that calls user code.
//!
//! `turn` is the order of a turn; `dispatch` goes from an event to its handler; `agenda` keeps what callbacks have asked
//! for; `verbs` are the requests, which the loop and the two contexts forward to.

mod agenda;
mod call;
mod context;
mod dispatch;
mod into_handler;
mod loop_context;
mod options;
mod pipe;
mod read_buffer;
mod remote;
mod requests;
mod server_handler;
mod socket_handler;
mod timer;
mod timers;
mod turn;
mod verbs;
mod wait;

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::net::{CloseReason, Limits, Net, Result, Server, ServerId, Socket, SocketId, Sockets};
use crate::slots::SideTable;
use crate::system::System;

use agenda::Agenda;
use call::Post;
use dispatch::Calling;
use read_buffer::ReadBuffer;
use remote::Mailbox;
use wait::Limit;

pub use context::Context;
pub use into_handler::IntoHandler;
pub use loop_context::LoopContext;
pub use options::EventLoopOptions;
pub use remote::{Hold, Remote};
pub use server_handler::{Accepted, OverLimit, ServerHandler};
pub use socket_handler::SocketHandler;
pub use timer::Timer;
pub use wait::{Budget, RunEnd, Turn, Wait};

/// The least length of the read buffer: a socket that is behind with sending reads half of it, which must not be nothing.
const LEAST_READ_BUFFER_BYTES: usize = 1 << 10;

/// A network event loop: one thread, one loop, a handler per socket.
///
/// `S` is the state of the program. Its owner keeps it and lends it to [`run`](Self::run) or [`turn`](Self::turn), and
/// every callback gets it as [`cx.shared`](Context).
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
/// # A turn
///
/// Everything happens in turns, each of which goes through its phases in this order:
///
/// 1. deferred calls ([`defer`](Self::defer)), and a flush of what they wrote;
/// 2. the wait for the kernel, if nothing is to be done yet;
/// 3. posts of other threads ([`Remote::post`]) and answers of lookups;
/// 4. sockets and servers that are ready: their handlers are called, each with its own replies sent when it returns;
/// 5. a flush of everything that was written to other sockets, in one send for each;
/// 6. timers and idle timeouts that are due;
/// 7. closes: `on_error` and `on_close` of every socket that has come to its end.
///
/// Every phase is as long as its list was when it began, so that no callback can keep the others waiting by asking for
/// more. No callback is ever called within another.
///
/// # Owning the thread, or being a guest
///
/// [`run`](Self::run) goes on until nothing is left to do. A program with a main loop of its own calls
/// [`turn`](Self::turn) from it, or [`run_until`](Self::run_until) its next step. One that waits for several things
/// waits on the loop's descriptor (`AsFd`) for no longer than [`poll_timeout`](Self::poll_timeout), and turns with
/// [`Wait::No`] then. No thread is hidden anywhere, and in the steady state nothing is allocated.
///
/// # Dropping
///
/// Dropping the loop closes every descriptor and drops every handler, without calling any.
pub struct EventLoop<S = ()> {
    /// First of the fields, so that it is dropped before the handlers: they may post when they are dropped, and are refused.
    agenda: Agenda<S>,
    net: Net,
    /// Beside the sockets and not inside them, so that a callback can borrow its handler and the whole net at once.
    handlers: SideTable<Box<dyn SocketHandler<S>>>,
    server_handlers: SideTable<Box<dyn ServerHandler<S>>>,
    /// Posts that were taken from the mailbox and not made yet.
    posts: VecDeque<Post<S>>,
    read_buffer: ReadBuffer,
    options: EventLoopOptions,
    /// The owner of the callback that is running. Invariant: `None` between turns, unless a callback has panicked.
    calling: Option<Calling>,
    /// A socket whose `on_error` panicked before its `on_close`, which is still to come.
    unclosed: Option<(SocketId, CloseReason)>,
}

impl<S> EventLoop<S> {
    /// Makes a loop with all [options](EventLoopOptions) at their defaults. It may be made on any thread, and stays there.
    ///
    /// # Errors
    ///
    /// The system's error if it has no selector or no descriptor to give, such as EMFILE.
    pub fn new() -> Result<Self> {
        Self::with_options(EventLoopOptions::new())
    }

    /// Makes a loop with `options`.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn with_options(options: EventLoopOptions) -> Result<Self> {
        Self::on(System::Kernel, options)
    }

    /// Makes a loop on `system`.
    pub(crate) fn on(system: System, options: EventLoopOptions) -> Result<Self> {
        let limits = Limits {
            events_per_poll: options.events_per_poll.max(1),
            lookup_threads: options.lookup_threads.max(1),
            pooled_bytes: options.pooled_bytes,
        };
        let mut net = Net::new(system, &limits)?;
        net.busy_poll(options.busy_poll);
        let mailbox = Mailbox::new(net.waker(), options.posts_capacity);
        let buffer_bytes = options.read_buffer_bytes.max(LEAST_READ_BUFFER_BYTES);
        Ok(Self {
            agenda: Agenda::new(Arc::new(mailbox)),
            net,
            handlers: SideTable::new(),
            server_handlers: SideTable::new(),
            posts: VecDeque::new(),
            read_buffer: ReadBuffer::new(buffer_bytes),
            options,
            calling: None,
            unclosed: None,
        })
    }

    /// Returns the options that the loop was made with.
    pub fn options(&self) -> &EventLoopOptions {
        &self.options
    }

    /// Returns the machine of a simulation that the loop runs on.
    #[cfg(feature = "simulation")]
    pub(crate) fn simulated_machine(&self) -> Option<&crate::system::simulated::MachineHandle> {
        match self.net.system {
            System::Simulated(ref machine) => Some(machine),
            _ => None,
        }
    }

    /// Lends out the net, with the clock read anew, as [`parts`](Self::parts) does.
    fn net_now(&mut self) -> &mut Net {
        self.net.refresh_now();
        &mut self.net
    }

    /// Returns the socket `id`; a view that does nothing if it is gone. Bytes that are written through it leave in the next
    /// turn, or with [`flush`](Self::flush).
    pub fn socket(&mut self, id: SocketId) -> Socket<'_> {
        Socket::new(self.net_now(), id)
    }

    /// Returns the server `id`; a view that does nothing if it is gone.
    pub fn server(&mut self, id: ServerId) -> Server<'_> {
        Server::new(self.net_now(), id)
    }

    /// Returns the view of all sockets and servers.
    pub fn sockets(&mut self) -> Sockets<'_> {
        Sockets::new(self.net_now())
    }

    /// Gives back memory that is only kept to be used again: free chunks of queues, and the slots of sockets and handlers
    /// that are gone, as far as they lie behind the last one in use. It is for a program that is quiet after a spike; the
    /// next sockets and writes allocate again. The timer wheel keeps its memory for as many timers as there ever were at a
    /// time, some 40 bytes each.
    pub fn trim(&mut self) {
        self.net.trim();
        self.handlers.shrink();
        self.server_handlers.shrink();
        self.posts.shrink_to_fit();
        self.agenda.trim();
    }

    /// Sends the bytes that were written since the last turn, within `budget`, so that they leave before the host goes on:
    /// at the end of a game's frame, say. Answers whether more are left, which the next turn sends. No handler is called;
    /// handlers learn of failures in the next turn.
    ///
    /// Here the budget counts sockets that are sent to, and time from now on.
    pub fn flush(&mut self, budget: Budget) -> bool {
        self.net.refresh_now();
        let limit = Limit::of(budget, self.net.now());
        self.net.begin_flushing();
        let mut sockets = 0;
        while self.net.flush_next() {
            sockets += 1;
            if limit.is_reached(sockets, || self.net.read_clock()) {
                break;
            }
        }
        self.net.waiting_to_flush() > 0
    }

    /// Returns the longest time that a host may wait on the loop's descriptor: zero while anything is queued, else until
    /// the next deadline, else without end (`None`). Ask for it after the last call that may have changed the loop, and
    /// directly before the wait.
    ///
    /// ```no_run
    /// # #[cfg(unix)]
    /// # fn main() -> netloop::Result<()> {
    /// use std::os::fd::AsFd;
    /// use netloop::{Budget, EventLoop, Wait};
    ///
    /// # fn wait_for(_: &[std::os::fd::BorrowedFd<'_>], _: Option<std::time::Duration>) {}
    /// let mut event_loop: EventLoop = EventLoop::new()?;
    /// while event_loop.is_alive() {
    ///     // A wait of yours, for this descriptor and others.
    ///     let timeout = event_loop.poll_timeout();
    ///     wait_for(&[event_loop.as_fd()], timeout);
    ///     event_loop.turn(&mut (), Wait::No, Budget::UNLIMITED)?;
    /// }
    /// # Ok(())
    /// # }
    /// # #[cfg(not(unix))]
    /// # fn main() {}
    /// ```
    pub fn poll_timeout(&self) -> Option<Duration> {
        if self.has_queued() {
            return Some(Duration::ZERO);
        }
        let deadline = self.net.next_deadline()?;
        Some(deadline.saturating_duration_since(self.net.read_clock()))
    }

    /// Returns when the loop has something to do next without any news from the kernel: now, while something is queued;
    /// `None` if nothing is due at all.
    pub fn next_deadline(&self) -> Option<Instant> {
        if self.has_queued() {
            return Some(self.net.read_clock());
        }
        self.net.next_deadline()
    }

    /// Whether anything is left that keeps [`run`](Self::run) going: a socket, server or timer that is held, a
    /// deferred call, a post, a [`Hold`], or an `on_close` that is still to come.
    pub fn is_alive(&self) -> bool {
        self.net.holds_loop()
            || self.agenda.holds_loop()
            || self.agenda.mailbox.holds_loop()
            || !self.posts.is_empty()
            || self.calling.is_some()
            || self.unclosed.is_some()
    }

    /// Whether there is something to do at once.
    fn has_queued(&self) -> bool {
        self.net.has_queued() || self.has_calls()
    }

    /// Whether calls that are no events of sockets are to be made at once.
    fn has_calls(&self) -> bool {
        self.agenda.deferred() > 0
            || !self.posts.is_empty()
            || self.agenda.mailbox.is_pending()
            || self.calling.is_some()
            || self.unclosed.is_some()
    }
}

#[cfg(all(unix, not(mio_unsupported_force_poll_poll)))]
impl<S> std::os::fd::AsFd for EventLoop<S> {
    /// Lends the descriptor that becomes readable when the kernel has news for the loop. It does not show work that the
    /// loop has queued itself: wait on it no longer than [`EventLoop::poll_timeout`], and always turn when it is readable.
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.net.as_fd()
    }
}

impl<S> fmt::Debug for EventLoop<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("EventLoop")
            .field("net", &self.net)
            .field(
                "handlers",
                &(self.handlers.len() + self.server_handlers.len()),
            )
            .field("agenda", &self.agenda)
            .finish_non_exhaustive()
    }
}
