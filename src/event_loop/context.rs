//! What a callback is lent: its socket or all sockets, the shared state, and the verbs of the loop.

use std::fmt;
use std::time::{Duration, Instant};

use crate::net::{
    ConnectOptions, IntoEndpoint, ListenOptions, Net, Result, ServerId, Socket, SocketId,
    SocketOptions, Sockets, TimerId,
};

use super::agenda::{Agenda, Occupant};
use super::handler::{Accept, Accepted, ServerHandler, SocketHandler};
use super::remote::Remote;
use super::timers::Action;

/// What the callbacks of a socket are lent.
///
/// `socket` and `shared` are fields, not methods, so that both can be used at once:
/// `for &id in &cx.shared.members { cx.socket.other(id).write(..); }`.
pub struct Context<'a, S = ()> {
    /// The socket whose callback this is.
    pub socket: Socket<'a>,
    /// The state that the owner of the loop lends to every callback.
    pub shared: &'a mut S,
    pub(super) agenda: &'a mut Agenda<S>,
}

/// What callbacks that have no socket of their own are lent: timers, deferred calls, posts, and those of a server.
/// It is a [`Context`] with all sockets in place of one.
pub struct LoopContext<'a, S = ()> {
    /// All sockets and servers of the loop.
    pub sockets: Sockets<'a>,
    /// The state that the owner of the loop lends to every callback.
    pub shared: &'a mut S,
    pub(super) agenda: &'a mut Agenda<S>,
}

impl<S> Context<'_, S> {
    fn parts(&mut self) -> (&mut Net, &mut Agenda<S>) {
        (self.socket.net_mut(), self.agenda)
    }

    fn view(&self) -> (&Net, &Agenda<S>) {
        (self.socket.net(), self.agenda)
    }
}

impl<S> LoopContext<'_, S> {
    fn parts(&mut self) -> (&mut Net, &mut Agenda<S>) {
        (self.sockets.net_mut(), self.agenda)
    }

    fn view(&self) -> (&Net, &Agenda<S>) {
        (self.sockets.net(), self.agenda)
    }
}

impl<S> fmt::Debug for Context<'_, S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Context")
            .field("socket", &self.socket.id())
            .finish_non_exhaustive()
    }
}

impl<S> fmt::Debug for LoopContext<'_, S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("LoopContext")
            .finish_non_exhaustive()
    }
}

/// The verbs of a loop, which are the same in a callback of a socket, in one without, and outside of all: written
/// once, for three types, each of which has `parts` and `view`.
macro_rules! verbs {
    ($type:ty) => {
        impl<S> $type {
            /// Listens on `to`, an address or (on Unix) a path, and lets `accept` make the handler of each connection
            /// from the shared state and what is known of the peer. See [`serve`](Self::serve) for options and for
            /// the other events of a server.
            ///
            /// The port is taken when this returns, and no callback comes before the next turn.
            ///
            /// # Errors
            ///
            /// What binding and listening says, at once: EADDRINUSE, EADDRNOTAVAIL, EACCES and the like.
            pub fn listen<F, H>(&mut self, to: impl IntoEndpoint, accept: F) -> Result<ServerId>
            where
                F: FnMut(&mut S, &Accepted) -> H + 'static,
                H: SocketHandler<S> + 'static,
            {
                self.listen_with(to, ListenOptions::new(), accept)
            }

            /// [`listen`](Self::listen), with options of the server or of its sockets.
            ///
            /// # Errors
            ///
            /// As [`listen`](Self::listen).
            pub fn listen_with<F, H>(
                &mut self,
                to: impl IntoEndpoint,
                options: impl Into<ListenOptions>,
                accept: F,
            ) -> Result<ServerId>
            where
                F: FnMut(&mut S, &Accepted) -> H + 'static,
                H: SocketHandler<S> + 'static,
            {
                self.serve(to, options, Accept(accept))
            }

            /// Listens on `to` with a [`ServerHandler`], which also learns of errors, of dropped connections and of
            /// the server's end.
            ///
            /// # Errors
            ///
            /// As [`listen`](Self::listen).
            pub fn serve(
                &mut self,
                to: impl IntoEndpoint,
                options: impl Into<ListenOptions>,
                handler: impl ServerHandler<S> + 'static,
            ) -> Result<ServerId> {
                let endpoint = to.into_endpoint()?;
                let (net, agenda) = self.parts();
                let id = net.listen(endpoint, &options.into())?;
                agenda
                    .installs
                    .push_back((id.0, Occupant::Server(Box::new(handler))));
                Ok(id)
            }

            /// Serves a socket that listens already or is bound, made elsewhere or inherited (systemd's socket
            /// activation). It is made non-blocking, and listens with the backlog of the options; those of binding
            /// have no effect.
            ///
            /// # Errors
            ///
            /// What the system says of the descriptor.
            pub fn serve_listener(
                &mut self,
                listener: std::net::TcpListener,
                options: impl Into<ListenOptions>,
                handler: impl ServerHandler<S> + 'static,
            ) -> Result<ServerId> {
                let (net, agenda) = self.parts();
                let id = net.adopt_listener(listener, &options.into())?;
                agenda
                    .installs
                    .push_back((id.0, Occupant::Server(Box::new(handler))));
                Ok(id)
            }

            /// [`serve_listener`](Self::serve_listener), for a Unix socket. Its path is not removed when the server closes.
            ///
            /// # Errors
            ///
            /// As [`serve_listener`](Self::serve_listener).
            #[cfg(unix)]
            pub fn serve_unix_listener(
                &mut self,
                listener: std::os::unix::net::UnixListener,
                options: impl Into<ListenOptions>,
                handler: impl ServerHandler<S> + 'static,
            ) -> Result<ServerId> {
                let (net, agenda) = self.parts();
                let id = net.adopt_unix_listener(listener, &options.into())?;
                agenda
                    .installs
                    .push_back((id.0, Occupant::Server(Box::new(handler))));
                Ok(id)
            }

            /// Connects to `to`, an address, a name with a port or (on Unix) a path. The handler's `on_connect` comes when the
            /// connection is there; if it cannot be made, `on_error` and `on_close` come instead. The socket can be written
            /// to at once.
            ///
            /// # Errors
            ///
            /// Only what is wrong with the arguments. What the system says is told to the handler, in a later turn.
            pub fn connect(
                &mut self,
                to: impl IntoEndpoint,
                handler: impl SocketHandler<S> + 'static,
            ) -> Result<SocketId> {
                self.connect_with(to, ConnectOptions::new(), handler)
            }

            /// [`connect`](Self::connect), with options.
            ///
            /// # Errors
            ///
            /// As [`connect`](Self::connect).
            pub fn connect_with(
                &mut self,
                to: impl IntoEndpoint,
                options: impl Into<ConnectOptions>,
                handler: impl SocketHandler<S> + 'static,
            ) -> Result<SocketId> {
                let endpoint = to.into_endpoint()?;
                let (net, agenda) = self.parts();
                let id = net.connect(endpoint, &options.into())?;
                agenda
                    .installs
                    .push_back((id.0, Occupant::Socket(Box::new(handler))));
                Ok(id)
            }

            /// Takes over a connection of the standard library, made non-blocking. `on_connect` does not come: it is
            /// connected already.
            ///
            /// # Errors
            ///
            /// What the system says of the descriptor; ENOTCONN if it is not connected.
            pub fn adopt(
                &mut self,
                stream: std::net::TcpStream,
                options: impl Into<SocketOptions>,
                handler: impl SocketHandler<S> + 'static,
            ) -> Result<SocketId> {
                let (net, agenda) = self.parts();
                let id = net.adopt(stream, options.into())?;
                agenda
                    .installs
                    .push_back((id.0, Occupant::Socket(Box::new(handler))));
                Ok(id)
            }

            /// [`adopt`](Self::adopt), for a Unix socket.
            ///
            /// # Errors
            ///
            /// As [`adopt`](Self::adopt).
            #[cfg(unix)]
            pub fn adopt_unix(
                &mut self,
                stream: std::os::unix::net::UnixStream,
                options: impl Into<SocketOptions>,
                handler: impl SocketHandler<S> + 'static,
            ) -> Result<SocketId> {
                let (net, agenda) = self.parts();
                let id = net.adopt_unix(stream, options.into())?;
                agenda
                    .installs
                    .push_back((id.0, Occupant::Socket(Box::new(handler))));
                Ok(id)
            }

            /// Reads `input`, such as [`std::io::stdin`], in the loop: a terminal, a pipe, a socket or a file. Its
            /// descriptor is duplicated and not made non-blocking, which would change it for all programs that share
            /// it. The handler gets `on_data`, `on_end` and `on_close`; nothing can be written.
            ///
            /// # Errors
            ///
            /// What `dup(2)` says.
            #[cfg(unix)]
            pub fn read_input(
                &mut self,
                input: impl std::os::fd::AsFd,
                handler: impl SocketHandler<S> + 'static,
            ) -> Result<SocketId> {
                let (net, agenda) = self.parts();
                let id = net.adopt_input(input.as_fd())?;
                agenda
                    .installs
                    .push_back((id.0, Occupant::Socket(Box::new(handler))));
                Ok(id)
            }

            /// Gives the socket `id` another handler, from its next event on: a protocol switch. (What is told together,
            /// as several `on_sent`, or `on_error` and `on_close`, is one event.) The old one is
            /// dropped without a word. Says whether there is such a socket.
            pub fn replace_handler(
                &mut self,
                id: SocketId,
                handler: impl SocketHandler<S> + 'static,
            ) -> bool {
                let (net, agenda) = self.parts();
                if net.socket_is_closed(id) {
                    return false;
                }
                agenda
                    .installs
                    .push_back((id.0, Occupant::Socket(Box::new(handler))));
                true
            }

            /// Calls `call` once, when at least `after` has passed; never early, and not in the timer phase that is
            /// under way. Timers due at the same time come in the order in which they were armed.
            pub fn after(
                &mut self,
                after: Duration,
                call: impl FnOnce(&mut LoopContext<'_, S>) + 'static,
            ) -> TimerId {
                let (net, agenda) = self.parts();
                agenda.timers.arm(net, after, Action::Once(Box::new(call)))
            }

            /// Calls `call` every `period`, at least so long after the call before, until it is cancelled. A late call
            /// is not made up for, as in libuv.
            pub fn every(
                &mut self,
                period: Duration,
                call: impl FnMut(&mut LoopContext<'_, S>) + 'static,
            ) -> TimerId {
                let (net, agenda) = self.parts();
                let action = Action::Repeatedly(Some(Box::new(call)), period);
                agenda.timers.arm(net, period, action)
            }

            /// Takes a timer back; says whether it was still to come. A repeating one may cancel itself.
            pub fn cancel(&mut self, id: TimerId) -> bool {
                let (net, agenda) = self.parts();
                agenda.timers.cancel(net, id)
            }

            /// When the timer `id` comes; `None` if it is over, or so far away that the clock cannot say.
            pub fn due_at(&self, id: TimerId) -> Option<Instant> {
                let (net, agenda) = self.view();
                agenda.timers.due_at(net, id)
            }

            /// Says whether the timer `id` is a reason for [`run`](crate::EventLoop::run) to go on, which it is at
            /// first.
            pub fn hold_timer(&mut self, id: TimerId, held: bool) {
                let (_, agenda) = self.parts();
                agenda.timers.set_held(id, held);
            }

            /// Calls `call` at the beginning of the next turn, on a fresh stack; Node's `setImmediate`.
            pub fn defer(&mut self, call: impl FnOnce(&mut LoopContext<'_, S>) + 'static) {
                let (_, agenda) = self.parts();
                agenda.defer(Box::new(call));
            }

            /// Lets [`run`](crate::EventLoop::run) return when the turn that is under way is over.
            pub fn stop(&mut self) {
                let (_, agenda) = self.parts();
                agenda.is_stopping = true;
            }

            /// A handle for other threads.
            pub fn remote(&self) -> Remote<S> {
                let (_, agenda) = self.view();
                Remote::new(&agenda.mailbox)
            }

            /// The loop's time: one reading of the clock, made before the wait if anything asks for it, and after it. Where
            /// much waits to be sent the turn looks for news once more, and reads the clock then.
            pub fn now(&self) -> Instant {
                let (net, _) = self.view();
                net.now()
            }
        }
    };
}

verbs!(Context<'_, S>);
verbs!(LoopContext<'_, S>);
verbs!(super::EventLoop<S>);
