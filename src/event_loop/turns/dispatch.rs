//! The dispatch of events: each is a value, and this module calls the handler of its socket, server or source.

use crate::event_loop::agenda::NewHandler;
use crate::event_loop::calling::Calling;
use crate::event_loop::handlers::{Accepted, OverLimit, ServerHandler, SocketHandler, SourceCall};
use crate::event_loop::watch::Watched;
use crate::event_loop::{Context, EventLoop, LoopContext, shutdown};
use crate::net::{
    CloseReason, Error, ServerEvent, ServerId, Socket, SocketEvent, SocketId, Sockets, SourceEvent,
    SourceId, TargetedEvent,
};

use super::socket_calls::{Slowest, call_for_event, call_for_notice};

impl<S> EventLoop<S> {
    /// Called after each callback, before the next event: puts the handlers that it has set into their tables.
    #[inline]
    pub(crate) fn install(&mut self) {
        if !self.agenda.installs.is_empty() {
            self.install_all();
        }
    }

    #[inline(never)]
    fn install_all(&mut self) {
        // One at a time: an older handler may be dropped here, whose drop is user code and may panic. The next call of
        // `install` then installs the rest.
        while let Some(install) = self.agenda.installs.pop_front() {
            match install {
                NewHandler::Socket(id, handler) if self.net.has_socket(id) => {
                    drop(self.handlers.insert(id.0, handler));
                }
                NewHandler::Server(id, handler) if self.net.has_server(id) => {
                    drop(self.server_handlers.insert(id.0, handler));
                }
                NewHandler::Datagram(id, handler) if self.net.has_datagrams(id) => {
                    drop(self.datagram_handlers.insert(id.0, handler));
                }
                NewHandler::Source(id, source) if self.net.has_source(id) => {
                    drop(self.sources.insert(id.0, source));
                }
                NewHandler::Pipe(id, end, put_before) if self.net.has_socket(id) => {
                    let piped = put_before(end, self.handlers.remove(id.0));
                    self.handlers.insert(id.0, piped);
                }
                // The socket, server, UDP socket or source is gone already, so its new handler is dropped.
                NewHandler::Socket(..)
                | NewHandler::Server(..)
                | NewHandler::Datagram(..)
                | NewHandler::Source(..)
                | NewHandler::Pipe(..) => {}
            }
        }
    }

    pub(crate) fn forget_socket(&mut self, id: SocketId) {
        let is_shutting_down = self.agenda.shutdowns.are_active();
        if is_shutting_down {
            self.agenda.shutdowns.count(&self.net, id);
        }
        let handler = self.handlers.remove(id.0);
        self.net.remove_socket(id);
        if is_shutting_down {
            self.agenda.end_shutdowns(&mut self.net);
        }
        // Dropped last: the drop is user code and may panic, and then nothing is left half done.
        drop(handler);
    }

    pub(crate) fn forget_server(&mut self, id: ServerId) {
        let handler = self.server_handlers.remove(id.0);
        self.net.remove_server(id);
        self.agenda.end_shutdowns(&mut self.net);
        // Dropped last, as in `forget_socket`.
        drop(handler);
    }

    /// `buffer` has a UDP socket's messages. The bytes of a stream go through [`deliver_data`](Self::deliver_data).
    #[inline(always)]
    pub(super) fn deliver(&mut self, shared: &mut S, event: TargetedEvent, buffer: &[u8]) {
        match event {
            TargetedEvent::Socket(id, event) => self.deliver_to_socket(shared, id, event),
            TargetedEvent::Server(id) => self.deliver_to_server(shared, id),
            TargetedEvent::Datagram(id) => self.deliver_to_datagrams(shared, id, buffer),
            TargetedEvent::Source(id, event) => self.deliver_to_source(shared, id, event),
        }
    }

    #[inline(never)]
    fn deliver_to_server(&mut self, shared: &mut S, server: ServerId) {
        let Some(event) = self.net.take_server_event(server) else {
            return self.deliver_refusals(shared, server);
        };
        match event {
            ServerEvent::Listening => {
                self.call_server(shared, server, "on_listening", |handler, cx| {
                    handler.on_listening(cx, server)
                });
            }
            ServerEvent::ListenFailed(error) => {
                // Ends the server before `on_error`, which may panic: `on_close` must follow all the same.
                self.net.listening_failed(server);
                self.call_server(shared, server, "on_error", |handler, cx| {
                    handler.on_error(cx, &error)
                });
            }
            ServerEvent::Accepted { stream, peer } => {
                if let Some(id) = self.admit(server, stream, peer) {
                    // The server is told of a connection with filters later, once the filters are ready.
                    if !self.net.is_untold(id) {
                        let accepted = Accepted {
                            id,
                            server,
                            peer_address: peer,
                        };
                        self.deliver_connection(shared, accepted);
                    }
                } else {
                    self.net.close_server_if_done(server);
                }
            }
            ServerEvent::Drained => self.net.close_server(server),
            ServerEvent::AcceptFailed(error) => {
                self.net.accept_failed(server);
                self.call_server(shared, server, "on_error", |handler, cx| {
                    handler.on_error(cx, &error)
                });
            }
        }
    }

    #[cold]
    #[inline(never)]
    fn deliver_refusals(&mut self, shared: &mut S, server: ServerId) {
        let mut has_told = false;
        while let Some(refused) = self.net.take_refused(server) {
            has_told = true;
            let refused = OverLimit {
                server,
                limit: refused.limit,
                refused: refused.count,
                local_address: refused.local,
                peer_address: refused.peer,
            };
            self.call_server(shared, server, "on_over_limit", |handler, cx| {
                handler.on_over_limit(cx, &refused)
            });
        }
        if has_told {
            self.deliver_to_server(shared, server);
        }
    }

    #[inline(never)]
    fn deliver_to_source(&mut self, shared: &mut S, id: SourceId, event: SourceEvent) {
        let call = match event {
            SourceEvent::Readable => SourceCall::Readable,
            SourceEvent::Writable => SourceCall::Writable,
            SourceEvent::Unarmed => {
                if let Some(source) = self.sources.get_mut(id.0) {
                    self.net.retry_to_rearm(id, source.object());
                }
                return;
            }
        };
        let watched = self.watch();
        self.call_source(shared, id, call);
        self.end_watch(shared, watched, call.name(), Watched::Source(id));
    }

    #[inline(never)]
    pub(super) fn deliver_source_timer(&mut self, shared: &mut S, id: SourceId, token: u64) {
        let watched = self.watch();
        self.call_source(shared, id, SourceCall::Timer(token));
        self.end_watch(shared, watched, "on_timer", Watched::Source(id));
    }

    fn call_source(&mut self, shared: &mut S, id: SourceId, call: SourceCall) {
        if let Some(source) = self.sources.get_mut(id.0) {
            self.calling = Some(Calling::Source(id));
            let cx = LoopContext {
                sockets: Sockets::new(&mut self.net),
                shared,
                agenda: &mut self.agenda,
            };
            source.call(id, call, cx);
        }
        self.calling = None;
        if !matches!(call, SourceCall::Timer(_)) {
            self.net.end_source_callback(id);
        }
        self.install();
    }

    #[inline(never)]
    fn deliver_to_socket(&mut self, shared: &mut S, id: SocketId, event: SocketEvent) {
        match event {
            // A drained queue may have freed many chunks, and the next event that would notice them may be far off.
            SocketEvent::Drained => {
                self.net.notice_slack();
                self.net.resume_sources_of(id);
            }
            SocketEvent::Accepted | SocketEvent::Connected => self.net.note_opened(id),
            _ => {}
        }
        if matches!(event, SocketEvent::Accepted) {
            return self.deliver_ready_connection(shared, id);
        }
        let watched = self.watch();
        let mut name = "";
        self.call_socket(shared, id, |handler, cx| {
            name = call_for_event(handler, cx, event);
        });
        self.end_watch(shared, watched, name, Watched::Socket(id));
    }

    // Always inlined, as `call_socket` is, because it runs for every message.
    #[inline(always)]
    pub(super) fn deliver_data(&mut self, shared: &mut S, id: SocketId, data: &[u8]) {
        self.call_socket(shared, id, |handler, cx| handler.on_data(cx, data));
    }

    /// For the timer of a shutdown, calls `on_shutdown` instead of `on_timer`.
    #[inline(never)]
    pub(super) fn deliver_timer(&mut self, shared: &mut S, id: SocketId, token: u64) {
        if token == shutdown::ASK {
            let watched = self.watch();
            self.ask_at_shutdown(shared, id);
            return self.end_watch(shared, watched, "on_shutdown", Watched::Socket(id));
        }
        let watched = self.watch();
        self.call_socket(shared, id, |handler, cx| handler.on_timer(cx, token));
        self.end_watch(shared, watched, "on_timer", Watched::Socket(id));
    }

    #[inline(never)]
    fn ask_at_shutdown(&mut self, shared: &mut S, id: SocketId) {
        let Some(question) = self.agenda.shutdowns.question(&self.net, id) else {
            return;
        };
        self.call_socket(shared, id, |handler, cx| {
            let answer = handler.on_shutdown(cx);
            question.answer(answer, cx);
        });
    }

    #[inline(always)]
    fn call_socket(
        &mut self,
        shared: &mut S,
        id: SocketId,
        call: impl FnOnce(&mut dyn SocketHandler<S>, &mut Context<'_, S>),
    ) {
        self.net.with_callback(id, |net| {
            if let Some(handler) = self.handlers.get_mut(id.0) {
                self.calling = Some(Calling::Socket(id));
                let mut cx = Context {
                    socket: Socket::new(net, id),
                    shared,
                    agenda: &mut self.agenda,
                };
                call(handler.as_mut(), &mut cx);
            }
        });
        self.calling = None;
        self.install();
    }

    /// `on_connect` follows `on_connection` at once, unless the socket is closed already.
    pub(super) fn deliver_connection(&mut self, shared: &mut S, accepted: Accepted) {
        let id = accepted.id;
        let watched = self.watch();
        // A panic in `on_connection` destroys the new socket, which has no handler yet.
        self.calling = Some(Calling::Socket(id));
        let handler = match self.server_handlers.get_mut(accepted.server.0) {
            Some(server) => {
                let mut cx = LoopContext {
                    sockets: Sockets::new(&mut self.net),
                    shared,
                    agenda: &mut self.agenda,
                };
                server.on_connection(&mut cx, &accepted)
            }
            _ => None,
        };
        let is_refused = handler.is_none();
        if let Some(handler) = handler {
            self.handlers.insert(id.0, handler);
        }
        // Comes after the handler is in its table: a pipe that `on_connection` asked for wraps this handler.
        self.install();
        self.calling = None;
        self.end_watch(shared, watched, "on_connection", Watched::Accepting(id));
        if is_refused {
            Socket::new(&mut self.net, id).destroy();
            return;
        }
        if !self.net.socket_is_closed(id) {
            self.deliver_to_socket(shared, id, SocketEvent::Connected);
        }
    }

    pub(super) fn call_server(
        &mut self,
        shared: &mut S,
        id: ServerId,
        name: &'static str,
        call: impl FnOnce(&mut dyn ServerHandler<S>, &mut LoopContext<'_, S>),
    ) {
        let watched = self.watch();
        let Some(server) = self.server_handlers.get_mut(id.0) else {
            return;
        };
        self.calling = Some(Calling::Server(id));
        call(
            server.as_mut(),
            &mut LoopContext {
                sockets: Sockets::new(&mut self.net),
                shared,
                agenda: &mut self.agenda,
            },
        );
        self.calling = None;
        self.install();
        self.end_watch(shared, watched, name, Watched::Server(id));
    }

    /// Before `on_close` come notices, the error, and the marks of `notify_when_sent` that were not reached.
    pub(super) fn close_socket(
        &mut self,
        shared: &mut S,
        id: SocketId,
        reason: CloseReason,
        error: Option<Error>,
    ) {
        if self.net.is_untold(id) {
            return self.close_untold_socket(shared, id, reason, error);
        }
        let watched = self.watch();
        let mut name = "on_error";
        self.calling = Some(Calling::Failing(id, reason));
        if let Some(handler) = self.handlers.get_mut(id.0) {
            let mut cx = Context {
                socket: Socket::new(&mut self.net, id),
                shared,
                agenda: &mut self.agenda,
            };
            let mut slowest = Slowest::default();
            while let Some(notice) = cx.socket.next_notice() {
                slowest.time(&mut cx, |cx| call_for_notice(handler.as_mut(), cx, notice));
            }
            if let Some(error) = &error {
                slowest.time(&mut cx, |cx| {
                    handler.on_error(cx, error);
                    "on_error"
                });
            }
            // Counted first: an `on_sent` that always sets another mark would keep the close going for ever.
            for _ in 0..cx.socket.missed_marks() {
                let Some((token, closed)) = cx.socket.next_missed_mark() else {
                    break;
                };
                let why = error.clone().unwrap_or(closed);
                slowest.time(&mut cx, |cx| {
                    handler.on_sent(cx, token, Err(&why));
                    "on_sent"
                });
            }
            name = slowest.name;
        }
        if self.agenda.meter.has_hooks() {
            // `end_watch` may call a hook, which is no callback of the socket: if it panics, `on_close` still follows.
            self.calling = None;
            self.unclosed = Some((id, reason));
            self.end_watch(shared, watched, name, Watched::Socket(id));
            self.unclosed = None;
        }
        self.close_plain_socket(shared, id, reason);
    }

    pub(super) fn close_plain_socket(&mut self, shared: &mut S, id: SocketId, reason: CloseReason) {
        if reason == CloseReason::Limit {
            self.agenda.meter.closed_over_limit += 1;
        }
        let watched = self.watch();
        self.calling = Some(Calling::Closed(id));
        if let Some(handler) = self.handlers.get_mut(id.0) {
            let mut cx = Context {
                socket: Socket::new(&mut self.net, id),
                shared,
                agenda: &mut self.agenda,
            };
            handler.on_close(&mut cx, reason);
        }
        // A new handler that `on_close` has set goes into the table here, and `forget_socket` drops it.
        self.install();
        self.calling = None;
        let peer = watched.and_then(|_| Socket::new(&mut self.net, id).peer_address());
        self.forget_socket(id);
        self.end_watch(shared, watched, "on_close", Watched::Closed(id, peer));
    }

    pub(crate) fn close_server(&mut self, shared: &mut S, id: ServerId) {
        let watched = self.watch();
        self.calling = Some(Calling::ClosedServer(id));
        if let Some(server) = self.server_handlers.get_mut(id.0) {
            server.on_close(&mut LoopContext {
                sockets: Sockets::new(&mut self.net),
                shared,
                agenda: &mut self.agenda,
            });
        }
        self.install();
        self.calling = None;
        self.forget_server(id);
        self.end_watch(shared, watched, "on_close", Watched::Server(id));
    }

    pub(crate) fn close_source(&mut self, shared: &mut S, id: SourceId) {
        self.net.remove_source(id);
        let Some(mut source) = self.sources.remove(id.0) else {
            return;
        };
        self.net.deregister_source(source.object());
        let watched = self.watch();
        // The id is dead: if the callback panics, `recover` closes nothing.
        self.calling = Some(Calling::Source(id));
        source.close(&mut LoopContext {
            sockets: Sockets::new(&mut self.net),
            shared,
            agenda: &mut self.agenda,
        });
        self.calling = None;
        self.install();
        self.end_watch(shared, watched, "on_close", Watched::Source(id));
    }
}
