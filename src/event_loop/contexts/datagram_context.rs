//! The context of a UDP socket's callbacks: the socket, the shared state, and the methods that a callback needs most.

use std::fmt;
use std::time::{Duration, Instant};

use crate::event_loop::agenda::Agenda;
use crate::net::{DatagramSocket, Sockets, TimerId};

use super::loop_context::LoopContext;

/// The UDP socket, the shared state and the loop, which each callback of a [UDP socket](crate::DatagramHandler) borrows.
///
/// `socket` and `shared` are fields, so that a callback can use both at once. A callback reaches all other sockets by
/// [`socket.sockets()`](DatagramSocket::sockets), and all methods of [`LoopContext`] by [`as_loop`](Self::as_loop):
///
/// ```
/// use std::net::SocketAddr;
/// use netloop::{DatagramContext, DatagramHandler, SocketId};
///
/// /// Passes each datagram on to all members of a room, over their TCP connections.
/// struct Feed;
///
/// impl DatagramHandler<Vec<SocketId>> for Feed {
///     fn on_message(&mut self, cx: &mut DatagramContext<'_, Vec<SocketId>>, _: SocketAddr, data: &[u8]) {
///         for (slow, _) in cx.socket.sockets().broadcast(&*cx.shared, data) {
///             cx.socket.sockets().socket(slow).destroy();
///         }
///     }
/// }
/// ```
pub struct DatagramContext<'a, S = ()> {
    /// The socket whose handler is called.
    pub socket: DatagramSocket<'a>,
    /// The state that the owner of the loop lends to every callback.
    pub shared: &'a mut S,
    pub(crate) agenda: &'a mut Agenda<S>,
}

impl<S> DatagramContext<'_, S> {
    /// Returns a [`LoopContext`] of this loop: [`Context::as_loop`](crate::Context::as_loop) has an example.
    pub fn as_loop(&mut self) -> LoopContext<'_, S> {
        LoopContext {
            sockets: Sockets::new(self.socket.net_mut()),
            shared: self.shared,
            agenda: self.agenda,
        }
    }

    /// Calls `call` once, when at least `after` has passed: [`EventLoop::after`](crate::EventLoop::after).
    pub fn after(
        &mut self,
        after: Duration,
        call: impl FnOnce(&mut LoopContext<'_, S>) + 'static,
    ) -> TimerId {
        self.as_loop().after(after, call)
    }

    /// Calls `call` at the beginning of the next turn: [`EventLoop::defer`](crate::EventLoop::defer).
    pub fn defer(&mut self, call: impl FnOnce(&mut LoopContext<'_, S>) + 'static) {
        self.as_loop().defer(call);
    }

    /// Makes `run` return at the end of this turn: [`EventLoop::stop`](crate::EventLoop::stop).
    pub fn stop(&mut self) {
        self.as_loop().stop();
    }

    /// Whether a shutdown of the loop is under way: [`EventLoop::is_shutting_down`](crate::EventLoop::is_shutting_down).
    pub fn is_shutting_down(&self) -> bool {
        self.agenda.shutdowns.is_of_loop()
    }

    /// Returns the loop's time: [`EventLoop::now`](crate::EventLoop::now).
    pub fn now(&self) -> Instant {
        self.socket.net().now()
    }
}

impl<S> fmt::Debug for DatagramContext<'_, S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("DatagramContext")
            .field("socket", &self.socket.id())
            .finish_non_exhaustive()
    }
}
