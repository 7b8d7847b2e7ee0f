//! What the owner of a loop asks of it: sources, calls, and handles. Each verb forwards to the one in `verbs`.

use std::time::{Duration, Instant};

use crate::net::{
    ConnectOptions, IntoEndpoint, ListenOptions, Net, Result, ServerId, SocketId, SocketOptions,
    Sockets, TimerId,
};

use super::EventLoop;
use super::agenda::Agenda;
use super::into_handler::IntoHandler;
use super::loop_context::LoopContext;
use super::remote::Remote;
use super::server_handler::{Accepted, ServerHandler};
use super::socket_handler::SocketHandler;
use super::timer::Timer;
use super::verbs::Verbs;

impl<S> EventLoop<S> {
    /// Returns the loop as callbacks without a socket see it, with the shared state lent to it: for helpers that
    /// callbacks use too ([`Context::as_loop`](crate::Context::as_loop) has an example), and for the verbs that are on
    /// [`LoopContext`] alone.
    pub fn context<'a>(&'a mut self, shared: &'a mut S) -> LoopContext<'a, S> {
        let (net, agenda) = self.parts();
        LoopContext {
            sockets: Sockets::new(net),
            shared,
            agenda,
        }
    }

    /// Lends out the net and the agenda, with the clock read anew: a host has done other things since the last turn, and
    /// nothing that begins now is counted from then.
    fn parts(&mut self) -> (&mut Net, &mut Agenda<S>) {
        self.net.refresh_now();
        (&mut self.net, &mut self.agenda)
    }

    fn verbs(&mut self) -> Verbs<'_, S> {
        let (net, agenda) = self.parts();
        Verbs { net, agenda }
    }

    /// Listens on `to`, an address or (on Unix) a path, and lets `accept` make the handler of each connection
    /// from the shared state and what is known of the peer. See [`serve`](Self::serve) for options and for
    /// the other events of a server.
    ///
    /// The port is taken when this returns, and no callback comes before the next turn.
    ///
    /// # Errors
    ///
    /// The system's error of binding and listening, at once: EADDRINUSE, EADDRNOTAVAIL, EACCES and the like.
    pub fn listen<F, R, M>(&mut self, to: impl IntoEndpoint, accept: F) -> Result<ServerId>
    where
        F: FnMut(&mut LoopContext<'_, S>, &Accepted) -> R + 'static,
        R: IntoHandler<S, M>,
        M: 'static,
    {
        self.verbs().listen_with(to, ListenOptions::new(), accept)
    }

    /// Listens as [`listen`](Self::listen) does, with options of the server or of its sockets.
    ///
    /// # Errors
    ///
    /// As [`listen`](Self::listen).
    pub fn listen_with<F, R, M>(
        &mut self,
        to: impl IntoEndpoint,
        options: impl Into<ListenOptions>,
        accept: F,
    ) -> Result<ServerId>
    where
        F: FnMut(&mut LoopContext<'_, S>, &Accepted) -> R + 'static,
        R: IntoHandler<S, M>,
        M: 'static,
    {
        self.verbs().listen_with(to, options.into(), accept)
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
        self.verbs().serve(to, options.into(), handler)
    }

    /// Serves a socket that listens already or is bound, made elsewhere or inherited (systemd's socket
    /// activation). It is made non-blocking, and listens with the backlog of the options; those of binding
    /// have no effect.
    ///
    /// # Errors
    ///
    /// The system's error of the descriptor.
    pub fn serve_listener(
        &mut self,
        listener: std::net::TcpListener,
        options: impl Into<ListenOptions>,
        handler: impl ServerHandler<S> + 'static,
    ) -> Result<ServerId> {
        self.verbs()
            .serve_listener(listener, options.into(), handler)
    }

    /// Serves a Unix socket as [`serve_listener`](Self::serve_listener) does. Its path is not removed when the server closes.
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
        self.verbs()
            .serve_unix_listener(listener, options.into(), handler)
    }

    /// Connects to `to`, an address, a name with a port or (on Unix) a path. The handler's `on_connect` comes when the
    /// connection is there; if it cannot be made, `on_error` and `on_close` come instead. The socket can be written
    /// to at once.
    ///
    /// # Errors
    ///
    /// Only an error of the arguments. An error of the system is told to the handler, in a later turn.
    pub fn connect(
        &mut self,
        to: impl IntoEndpoint,
        handler: impl SocketHandler<S> + 'static,
    ) -> Result<SocketId> {
        self.verbs()
            .connect_with(to, ConnectOptions::new(), handler)
    }

    /// Connects as [`connect`](Self::connect) does, with options.
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
        self.verbs().connect_with(to, options.into(), handler)
    }

    /// Takes over a connection of the standard library, made non-blocking. `on_connect` does not come: it is
    /// connected already.
    ///
    /// # Errors
    ///
    /// The system's error of the descriptor; ENOTCONN if it is not connected.
    pub fn adopt(
        &mut self,
        stream: std::net::TcpStream,
        options: impl Into<SocketOptions>,
        handler: impl SocketHandler<S> + 'static,
    ) -> Result<SocketId> {
        self.verbs().adopt(stream, options.into(), handler)
    }

    /// Takes over a Unix socket as [`adopt`](Self::adopt) does.
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
        self.verbs().adopt_unix(stream, options.into(), handler)
    }

    /// Reads `input`, such as [`std::io::stdin`], in the loop: a terminal, a pipe, a socket or a file. Its
    /// descriptor is duplicated and not made non-blocking, which would change it for all programs that share
    /// it. The handler gets `on_data`, `on_end` and `on_close`; nothing can be written.
    ///
    /// # Errors
    ///
    /// The error of `dup(2)`.
    #[cfg(unix)]
    pub fn read_input(
        &mut self,
        input: impl std::os::fd::AsFd,
        handler: impl SocketHandler<S> + 'static,
    ) -> Result<SocketId> {
        self.verbs().read_input(input, handler)
    }

    /// Calls `call` once, when at least `after` has passed; never early, and not in the timer phase that is
    /// under way. Timers due at the same time come in the order in which they were armed.
    pub fn after(
        &mut self,
        after: Duration,
        call: impl FnOnce(&mut LoopContext<'_, S>) + 'static,
    ) -> TimerId {
        self.verbs().after(after, call)
    }

    /// Calls `call` every `period`, at least so long after the call before, until it is cancelled. A late call
    /// is not made up for, as in libuv.
    pub fn every(
        &mut self,
        period: Duration,
        call: impl FnMut(&mut LoopContext<'_, S>) + 'static,
    ) -> TimerId {
        self.verbs().every(period, call)
    }

    /// Returns the timer `id`: to cancel it, to ask when it comes, and to say whether it keeps the loop going.
    pub fn timer(&mut self, id: TimerId) -> Timer<'_, S> {
        let (net, agenda) = self.parts();
        Timer::new(net, agenda, id)
    }

    /// Calls `call` at the beginning of the next turn, on a fresh stack.
    pub fn defer(&mut self, call: impl FnOnce(&mut LoopContext<'_, S>) + 'static) {
        self.verbs().defer(call);
    }

    /// Lets [`run`](crate::EventLoop::run) return when the turn that is under way is over.
    pub fn stop(&mut self) {
        self.verbs().stop();
    }

    /// Returns a handle for other threads.
    pub fn remote(&self) -> Remote<S> {
        self.agenda.remote()
    }

    /// Returns the loop's time: one reading of the clock, made before the wait if anything asks for it, and after it.
    /// Where much waits to be sent the turn looks for news once more, and reads the clock then.
    pub fn now(&self) -> Instant {
        self.net.now()
    }
}
