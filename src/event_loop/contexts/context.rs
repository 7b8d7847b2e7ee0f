//! The context of a socket's callbacks: the socket, the shared state, and the methods that a callback needs most.

use std::fmt;
use std::time::{Duration, Instant};

use crate::event_loop::agenda::Agenda;
use crate::event_loop::handlers::SocketHandler;
use crate::event_loop::timer::Timer;
use crate::net::{IntoEndpoint, Result, Socket, SocketId, Sockets, TimerId};

use super::loop_context::LoopContext;

/// The socket, the shared state and the loop, which each callback of a socket borrows.
///
/// `socket` and `shared` are fields, not methods, so that a callback can use both at once:
/// `for &id in &cx.shared.members { cx.socket.socket(id).write(..); }`. This type has the methods that callbacks need
/// most; [`as_loop`](Self::as_loop) leads to all methods of [`LoopContext`].
///
/// ```
/// use std::time::Duration;
/// use netloop::{Context, SocketHandler, SocketId};
///
/// /// Says to all others what the peer has said, and greets the peer after a second.
/// struct Member;
///
/// impl SocketHandler<Vec<SocketId>> for Member {
///     fn on_connect(&mut self, cx: &mut Context<'_, Vec<SocketId>>) {
///         let id = cx.socket.id();
///         cx.shared.push(id);
///         cx.after(Duration::from_secs(1), move |cx| {
///             writeln!(cx.sockets.socket(id), "{} are here", cx.shared.len());
///         });
///     }
///     fn on_data(&mut self, cx: &mut Context<'_, Vec<SocketId>>, data: &[u8]) {
///         for &id in &*cx.shared {
///             if id != cx.socket.id() {
///                 cx.socket.socket(id).write(data).ignore();
///             }
///         }
///     }
/// }
/// ```
pub struct Context<'a, S = ()> {
    /// The socket whose handler is called.
    pub socket: Socket<'a>,
    /// The state that the owner of the loop lends to every callback.
    pub shared: &'a mut S,
    pub(crate) agenda: &'a mut Agenda<S>,
}

impl<S> Context<'_, S> {
    /// Returns a [`LoopContext`] of this loop, so that every callback can call a helper that takes one.
    ///
    /// ```
    /// use netloop::{Context, LoopContext, SocketHandler, SocketId};
    ///
    /// fn announce(cx: &mut LoopContext<'_, Vec<SocketId>>, line: &[u8]) {
    ///     for (slow, _) in cx.sockets.broadcast(&*cx.shared, line) {
    ///         cx.sockets.socket(slow).destroy();
    ///     }
    /// }
    ///
    /// struct Member;
    ///
    /// impl SocketHandler<Vec<SocketId>> for Member {
    ///     fn on_connect(&mut self, cx: &mut Context<'_, Vec<SocketId>>) {
    ///         cx.shared.push(cx.socket.id());
    ///         announce(&mut cx.as_loop(), b"* one more\n");
    ///     }
    ///     fn on_data(&mut self, cx: &mut Context<'_, Vec<SocketId>>, data: &[u8]) {
    ///         announce(&mut cx.as_loop(), data);
    ///     }
    /// }
    ///
    /// let mut event_loop = netloop::EventLoop::new()?;
    /// let mut members = Vec::new();
    /// announce(&mut event_loop.context(&mut members), b"* from the host\n");
    /// event_loop.defer(|cx| announce(cx, b"* from a call\n"));
    /// # Ok::<(), netloop::Error>(())
    /// ```
    pub fn as_loop(&mut self) -> LoopContext<'_, S> {
        LoopContext {
            sockets: Sockets::new(self.socket.net_mut()),
            shared: self.shared,
            agenda: self.agenda,
        }
    }

    /// Connects to `to`: [`EventLoop::connect`](crate::EventLoop::connect).
    ///
    /// ```
    /// use netloop::{Context, SocketHandler, SocketId};
    ///
    /// /// A front that asks a server behind it.
    /// struct Front;
    ///
    /// /// The connection to the server, which knows the client that waits.
    /// struct Behind(SocketId);
    ///
    /// impl SocketHandler for Front {
    ///     fn on_data(&mut self, cx: &mut Context<'_>, question: &[u8]) {
    ///         let client = cx.socket.id();
    ///         match cx.connect("127.0.0.1:8000", Behind(client)) {
    ///             // The question waits for the connection.
    ///             Ok(server) => cx.socket.socket(server).write(question).ignore(),
    ///             Err(error) => cx.socket.destroy_with(error),
    ///         }
    ///     }
    /// }
    ///
    /// impl SocketHandler for Behind {
    ///     fn on_data(&mut self, cx: &mut Context<'_>, answer: &[u8]) {
    ///         cx.socket.socket(self.0).write(answer).ignore();
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`EventLoop::connect`](crate::EventLoop::connect).
    pub fn connect(
        &mut self,
        to: impl IntoEndpoint,
        handler: impl SocketHandler<S> + 'static,
    ) -> Result<SocketId> {
        self.as_loop().connect(to, handler)
    }

    /// Gives the socket `id` another handler: [`LoopContext::replace_handler`].
    pub fn replace_handler(
        &mut self,
        id: SocketId,
        handler: impl SocketHandler<S> + 'static,
        unread: &[u8],
    ) -> bool {
        self.as_loop().replace_handler(id, handler, unread)
    }

    /// Calls `call` once, when at least `after` has passed: [`EventLoop::after`](crate::EventLoop::after).
    ///
    /// ```
    /// use netloop::{Context, SocketHandler};
    /// use std::time::Duration;
    ///
    /// struct Session;
    ///
    /// impl SocketHandler<u32> for Session {
    ///     fn on_data(&mut self, cx: &mut Context<'_, u32>, _: &[u8]) {
    ///         let id = cx.socket.id();
    ///         // A timer of the loop: the call comes even if the socket has closed by then. `cx.socket.after` arms a
    ///         // timer of the socket.
    ///         cx.after(Duration::from_secs(1), move |cx| {
    ///             *cx.shared += 1;
    ///             writeln!(cx.sockets.socket(id), "{}", cx.shared);
    ///         });
    ///     }
    /// }
    /// ```
    pub fn after(
        &mut self,
        after: Duration,
        call: impl FnOnce(&mut LoopContext<'_, S>) + 'static,
    ) -> TimerId {
        self.as_loop().after(after, call)
    }

    /// Returns the timer `id`: [`EventLoop::timer`](crate::EventLoop::timer).
    pub fn timer(&mut self, id: TimerId) -> Timer<'_, S> {
        Timer::new(self.socket.net_mut(), self.agenda, id)
    }

    /// Calls `call` at the beginning of the next turn: [`EventLoop::defer`](crate::EventLoop::defer).
    pub fn defer(&mut self, call: impl FnOnce(&mut LoopContext<'_, S>) + 'static) {
        self.as_loop().defer(call);
    }

    /// Makes `run` return at the end of this turn: [`EventLoop::stop`](crate::EventLoop::stop).
    ///
    /// ```
    /// use netloop::{Context, SocketHandler};
    ///
    /// struct Admin;
    ///
    /// impl SocketHandler for Admin {
    ///     fn on_data(&mut self, cx: &mut Context<'_>, data: &[u8]) {
    ///         if data == b"quit\n" {
    ///             cx.stop();
    ///         }
    ///     }
    /// }
    /// ```
    pub fn stop(&mut self) {
        self.as_loop().stop();
    }

    /// Whether a shutdown of the loop is under way: [`EventLoop::is_shutting_down`](crate::EventLoop::is_shutting_down).
    ///
    /// ```
    /// use netloop::{Context, SocketHandler};
    ///
    /// struct Session;
    ///
    /// impl SocketHandler for Session {
    ///     fn on_data(&mut self, cx: &mut Context<'_>, _: &[u8]) {
    ///         cx.socket.write(b"done\n").ignore();
    ///         // The answer under way is the last one.
    ///         if cx.is_shutting_down() {
    ///             cx.socket.end();
    ///         }
    ///     }
    /// }
    /// ```
    pub fn is_shutting_down(&self) -> bool {
        self.agenda.shutdowns.is_of_loop()
    }

    /// Returns the loop's time: [`EventLoop::now`](crate::EventLoop::now).
    pub fn now(&self) -> Instant {
        self.socket.net().now()
    }
}

impl<S> fmt::Debug for Context<'_, S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Context")
            .field("socket", &self.socket)
            .finish_non_exhaustive()
    }
}
