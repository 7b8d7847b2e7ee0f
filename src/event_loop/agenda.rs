//! The requests of user code that the loop has still to fulfil: handlers to install, deferred calls, timers, a stop.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use crate::net::{ServerId, SocketId, SourceId};

use super::call::Call;
use super::mailbox::Mailbox;
use super::pipe;
use super::server_handler::ServerHandler;
use super::socket_handler::SocketHandler;
use super::source_handler::AnySource;
use super::timers::Timers;

/// A handler that waits to be put into its table.
pub(super) enum NewHandler<S> {
    /// The handler of a socket.
    Socket(SocketId, Box<dyn SocketHandler<S>>),
    /// The handler of a server.
    Server(ServerId, Box<dyn ServerHandler<S>>),
    /// A source with its handler.
    Source(SourceId, Box<dyn AnySource<S>>),
    /// One end of a pipe. The function wraps the socket's present handler in this end.
    Pipe(SocketId, pipe::End, pipe::PutBefore<S>),
}

/// The requests of user code that wait for the loop.
pub(super) struct Agenda<S> {
    /// The handlers that callbacks have given to sockets and servers. The tables cannot take these handlers yet,
    /// because the running callback borrows its handler from a table.
    pub(super) installs: VecDeque<NewHandler<S>>,
    deferred: VecDeque<Call<S>>,
    pub(super) timers: Timers<S>,
    pub(super) is_stopping: bool,
    pub(super) mailbox: Arc<Mailbox<S>>,
}

impl<S> Agenda<S> {
    pub(super) fn new(mailbox: Arc<Mailbox<S>>) -> Self {
        Self {
            installs: VecDeque::new(),
            deferred: VecDeque::new(),
            timers: Timers::new(),
            is_stopping: false,
            mailbox,
        }
    }

    pub(super) fn defer(&mut self, call: Call<S>) {
        self.deferred.push_back(call);
    }

    pub(super) fn deferred(&self) -> usize {
        self.deferred.len()
    }

    pub(super) fn next_deferred(&mut self) -> Option<Call<S>> {
        self.deferred.pop_front()
    }

    /// Frees the memory of requests that are fulfilled.
    pub(super) fn trim(&mut self) {
        self.installs.shrink_to_fit();
        self.deferred.shrink_to_fit();
        self.timers.trim();
    }

    /// Whether a timer or a deferred call keeps the loop going.
    pub(super) fn holds_loop(&self) -> bool {
        self.timers.hold_loop() || !self.deferred.is_empty()
    }
}

impl<S> Drop for Agenda<S> {
    fn drop(&mut self) {
        self.mailbox.close();
    }
}

impl<S> fmt::Debug for Agenda<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Agenda")
            .field("installs", &self.installs.len())
            .field("deferred", &self.deferred.len())
            .field("timers", &self.timers)
            .field("is_stopping", &self.is_stopping)
            .finish_non_exhaustive()
    }
}
