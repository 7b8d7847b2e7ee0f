//! What callbacks without a socket are lent: all sockets, the shared state, and every verb of the loop.

use std::fmt;
use std::time::{Duration, Instant};

use crate::net::{
    ConnectOptions, IntoEndpoint, ListenOptions, Result, ServerId, SocketId, SocketOptions,
    Sockets, TimerId,
};

use super::agenda::Agenda;
use super::into_handler::IntoHandler;
use super::remote::Remote;
use super::server_handler::{Accepted, ServerHandler};
use super::socket_handler::SocketHandler;
use super::timer::Timer;
use super::verbs::Verbs;

/// What callbacks that have no socket of their own are lent: timers, deferred calls, posts, and those of a server.
///
/// It is a [`Context`](crate::Context) with all sockets in place of one, and has every verb. A callback of a socket gets
/// one with [`Context::as_loop`](crate::Context::as_loop), and a host with
/// [`EventLoop::context`](crate::EventLoop::context), so that a helper that takes a `LoopContext` can be called from
/// everywhere.
pub struct LoopContext<'a, S = ()> {
    /// All sockets and servers of the loop.
    pub sockets: Sockets<'a>,
    /// The state that the owner of the loop lends to every callback.
    pub shared: &'a mut S,
    pub(super) agenda: &'a mut Agenda<S>,
}

impl<S> LoopContext<'_, S> {
    fn verbs(&mut self) -> Verbs<'_, S> {
        Verbs {
            net: self.sockets.net_mut(),
            agenda: self.agenda,
        }
    }

    /// Listens on `to`: [`EventLoop::listen`](crate::EventLoop::listen).
    ///
    /// # Errors
    ///
    /// As [`EventLoop::listen`](crate::EventLoop::listen).
    pub fn listen<F, R, M>(&mut self, to: impl IntoEndpoint, accept: F) -> Result<ServerId>
    where
        F: FnMut(&mut LoopContext<'_, S>, &Accepted) -> R + 'static,
        R: IntoHandler<S, M>,
        M: 'static,
    {
        self.verbs().listen_with(to, ListenOptions::new(), accept)
    }

    /// Listens on `to` with options: [`EventLoop::listen_with`](crate::EventLoop::listen_with).
    ///
    /// # Errors
    ///
    /// As [`EventLoop::listen_with`](crate::EventLoop::listen_with).
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

    /// Listens on `to` with a [`ServerHandler`]: [`EventLoop::serve`](crate::EventLoop::serve).
    ///
    /// # Errors
    ///
    /// As [`EventLoop::serve`](crate::EventLoop::serve).
    pub fn serve(
        &mut self,
        to: impl IntoEndpoint,
        options: impl Into<ListenOptions>,
        handler: impl ServerHandler<S> + 'static,
    ) -> Result<ServerId> {
        self.verbs().serve(to, options.into(), handler)
    }

    /// Serves a socket that listens already: [`EventLoop::serve_listener`](crate::EventLoop::serve_listener).
    ///
    /// # Errors
    ///
    /// As [`EventLoop::serve_listener`](crate::EventLoop::serve_listener).
    pub fn serve_listener(
        &mut self,
        listener: std::net::TcpListener,
        options: impl Into<ListenOptions>,
        handler: impl ServerHandler<S> + 'static,
    ) -> Result<ServerId> {
        self.verbs()
            .serve_listener(listener, options.into(), handler)
    }

    /// Serves a Unix socket that listens already: [`EventLoop::serve_unix_listener`](crate::EventLoop::serve_unix_listener).
    ///
    /// # Errors
    ///
    /// As [`EventLoop::serve_unix_listener`](crate::EventLoop::serve_unix_listener).
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

    /// Connects to `to`: [`EventLoop::connect`](crate::EventLoop::connect).
    ///
    /// # Errors
    ///
    /// As [`EventLoop::connect`](crate::EventLoop::connect).
    pub fn connect(
        &mut self,
        to: impl IntoEndpoint,
        handler: impl SocketHandler<S> + 'static,
    ) -> Result<SocketId> {
        self.verbs()
            .connect_with(to, ConnectOptions::new(), handler)
    }

    /// Connects to `to` with options: [`EventLoop::connect_with`](crate::EventLoop::connect_with).
    ///
    /// # Errors
    ///
    /// As [`EventLoop::connect_with`](crate::EventLoop::connect_with).
    pub fn connect_with(
        &mut self,
        to: impl IntoEndpoint,
        options: impl Into<ConnectOptions>,
        handler: impl SocketHandler<S> + 'static,
    ) -> Result<SocketId> {
        self.verbs().connect_with(to, options.into(), handler)
    }

    /// Takes over a connection of the standard library: [`EventLoop::adopt`](crate::EventLoop::adopt).
    ///
    /// # Errors
    ///
    /// As [`EventLoop::adopt`](crate::EventLoop::adopt).
    pub fn adopt(
        &mut self,
        stream: std::net::TcpStream,
        options: impl Into<SocketOptions>,
        handler: impl SocketHandler<S> + 'static,
    ) -> Result<SocketId> {
        self.verbs().adopt(stream, options.into(), handler)
    }

    /// Takes over a Unix socket: [`EventLoop::adopt_unix`](crate::EventLoop::adopt_unix).
    ///
    /// # Errors
    ///
    /// As [`EventLoop::adopt_unix`](crate::EventLoop::adopt_unix).
    #[cfg(unix)]
    pub fn adopt_unix(
        &mut self,
        stream: std::os::unix::net::UnixStream,
        options: impl Into<SocketOptions>,
        handler: impl SocketHandler<S> + 'static,
    ) -> Result<SocketId> {
        self.verbs().adopt_unix(stream, options.into(), handler)
    }

    /// Reads `input` in the loop: [`EventLoop::read_input`](crate::EventLoop::read_input).
    ///
    /// # Errors
    ///
    /// As [`EventLoop::read_input`](crate::EventLoop::read_input).
    #[cfg(unix)]
    pub fn read_input(
        &mut self,
        input: impl std::os::fd::AsFd,
        handler: impl SocketHandler<S> + 'static,
    ) -> Result<SocketId> {
        self.verbs().read_input(input, handler)
    }

    /// Gives the socket `id` another handler, from its next event on: a protocol switch. (Events that are told together,
    /// as several `on_sent`, or `on_error` and `on_close`, are one event.) The old one is dropped without a call. Answers
    /// whether there is such a socket.
    pub fn replace_handler(
        &mut self,
        id: SocketId,
        handler: impl SocketHandler<S> + 'static,
    ) -> bool {
        self.verbs().replace_handler(id, handler)
    }

    /// Calls `call` once, when at least `after` has passed: [`EventLoop::after`](crate::EventLoop::after).
    pub fn after(
        &mut self,
        after: Duration,
        call: impl FnOnce(&mut LoopContext<'_, S>) + 'static,
    ) -> TimerId {
        self.verbs().after(after, call)
    }

    /// Calls `call` every `period`: [`EventLoop::every`](crate::EventLoop::every).
    pub fn every(
        &mut self,
        period: Duration,
        call: impl FnMut(&mut LoopContext<'_, S>) + 'static,
    ) -> TimerId {
        self.verbs().every(period, call)
    }

    /// Returns the timer `id`: [`EventLoop::timer`](crate::EventLoop::timer).
    pub fn timer(&mut self, id: TimerId) -> Timer<'_, S> {
        Timer::new(self.sockets.net_mut(), self.agenda, id)
    }

    /// Calls `call` at the beginning of the next turn: [`EventLoop::defer`](crate::EventLoop::defer).
    pub fn defer(&mut self, call: impl FnOnce(&mut LoopContext<'_, S>) + 'static) {
        self.verbs().defer(call);
    }

    /// Lets `run` return when the turn is over: [`EventLoop::stop`](crate::EventLoop::stop).
    pub fn stop(&mut self) {
        self.verbs().stop();
    }

    /// Returns a handle for other threads: [`EventLoop::remote`](crate::EventLoop::remote).
    pub fn remote(&self) -> Remote<S> {
        self.agenda.remote()
    }

    /// Returns the loop's time: [`EventLoop::now`](crate::EventLoop::now).
    pub fn now(&self) -> Instant {
        self.sockets.net().now()
    }
}

impl<S> fmt::Debug for LoopContext<'_, S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("LoopContext")
            .finish_non_exhaustive()
    }
}
