//! Pipes: two joined sockets. One of them, or each, sends the bytes that the other receives. The end and the failure of
//! one are passed on to the other. A [`Piped`] wraps each handler, writes received bytes to the other socket, and
//! passes every other event on to the handler.

use std::net::SocketAddr;

use crate::event_loop::contexts::Context;
use crate::event_loop::shutdown::AtShutdown;
use crate::net::{CloseReason, Error, Flow, Net, Socket, SocketId, State};

use super::socket_handler::SocketHandler;

#[derive(Clone, Copy, Debug)]
pub(super) struct Directions {
    /// Whether the bytes that the socket receives go to the other socket.
    gives: bool,
    /// Whether the socket sends the bytes that the other socket receives.
    takes: bool,
}

/// One end of a pipe. The loop puts it in front of the handler of its socket when no callback runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End {
    other: SocketId,
    directions: Directions,
}

/// The type of [`Piped::put_before`]. The function requires `S: 'static`, which only `pipe` guarantees. So `pipe`
/// passes the function on as a value.
pub(crate) type PutBefore<S> =
    fn(End, Option<Box<dyn SocketHandler<S>>>) -> Box<dyn SocketHandler<S>>;

/// Returns the ends to install, one if both are the same socket; `None` if either is gone, or is being told its last
/// events. A socket whose last events are still to come is joined, so that a connect that failed at once still closes the
/// client of a proxy.
pub(crate) fn join(
    net: &mut Net,
    from: SocketId,
    to: SocketId,
    both: bool,
) -> Option<Vec<(SocketId, End)>> {
    if !net.can_be_piped(from) || !net.can_be_piped(to) {
        return None;
    }
    let end = |other, gives, takes| End {
        other,
        directions: Directions { gives, takes },
    };
    let mut ends = vec![(from, end(to, true, both || from == to))];
    connect(net, from, to);
    if from != to {
        ends.push((to, end(from, both, true)));
        if both {
            connect(net, to, from);
        }
    }
    Some(ends)
}

/// Sets up one direction of a pipe: from now on, `to` sends the bytes that `from` receives.
fn connect(net: &mut Net, from: SocketId, to: SocketId) {
    // `to` must end when the peer of `from` ends, and not when its own peer does.
    net.allow_half_open(to);
    let is_full = Socket::new(net, to).needs_drain();
    let mut from = Socket::new(net, from);
    if is_full {
        from.pause_for_pipe(to);
    } else {
        from.resume();
    }
    if from.has_peer_ended() {
        // The end of `from` was reported before the pipe, so pass it on now.
        Socket::new(net, to).end();
    }
}

pub(crate) struct Piped<S> {
    end: End,
    /// The handler that the socket had; `None` if it had none, because its `on_connection` returned none or panicked.
    handler: Option<Box<dyn SocketHandler<S>>>,
    error: Option<Error>,
}

impl<S: 'static> Piped<S> {
    pub(crate) fn put_before(
        end: End,
        handler: Option<Box<dyn SocketHandler<S>>>,
    ) -> Box<dyn SocketHandler<S>> {
        Box::new(Self {
            end,
            handler,
            error: None,
        })
    }
}

impl<S> Piped<S> {
    /// Closes the other socket if this one has not closed gracefully, or if the other may still receive bytes for this
    /// one. The other socket first sends its queued bytes.
    fn carry_close(&mut self, cx: &mut Context<'_, S>, reason: CloseReason) {
        let Directions { gives, takes } = self.end.directions;
        let mut other = cx.socket.socket(self.end.other);
        if other.is_destroyed() {
            return;
        }
        if takes {
            // The bytes that the other socket receives are read although they have no destination. With unread bytes
            // its close would be a reset, and its peer could lose the last bytes sent.
            other.resume();
        }
        let error = self.error.take();
        let is_received = matches!(other.state(), State::WriteOnly | State::Closed);
        if error.is_some() || reason != CloseReason::Graceful || takes && !is_received {
            // If this socket's peer has ended, `on_end` has ended the other socket: all bytes are passed on, and the
            // other socket closes with a FIN. If the user destroys this socket, the other one closes with a RST, unless
            // the user has ended the other one before.
            other.close_behind_pipe(gives, error);
        }
    }
}

impl<S> SocketHandler<S> for Piped<S> {
    fn on_data(&mut self, cx: &mut Context<'_, S>, data: &[u8]) {
        if !self.end.directions.gives {
            if let Some(handler) = &mut self.handler {
                handler.on_data(cx, data);
            }
            return;
        }
        let id = cx.socket.id();
        match cx.socket.socket(self.end.other).write_of_pipe(id, data) {
            Flow::Open => {}
            Flow::Full => cx.socket.pause_for_pipe(self.end.other),
            // The user has ended the other socket, so further bytes have no destination.
            Flow::Ended => cx.socket.close_behind_pipe(self.end.directions.takes, None),
            // The close of the other socket also closes this socket.
            Flow::Closed => {}
        }
    }

    fn on_drain(&mut self, cx: &mut Context<'_, S>) {
        if let Some(handler) = &mut self.handler {
            handler.on_drain(cx);
        }
    }

    fn on_end(&mut self, cx: &mut Context<'_, S>) {
        if self.end.directions.gives {
            cx.socket.socket(self.end.other).end();
        }
        if let Some(handler) = &mut self.handler {
            handler.on_end(cx);
        }
    }

    fn on_sent(&mut self, cx: &mut Context<'_, S>, token: u64, sent: Result<(), &Error>) {
        if let Some(handler) = &mut self.handler {
            handler.on_sent(cx, token, sent);
        }
    }

    /// Answers `Keep` in any case: the handler cannot know what the other socket has still to pass on.
    fn on_shutdown(&mut self, cx: &mut Context<'_, S>) -> AtShutdown {
        if let Some(handler) = &mut self.handler {
            handler.on_shutdown(cx);
        }
        AtShutdown::Keep
    }

    fn on_error(&mut self, cx: &mut Context<'_, S>, error: &Error) {
        self.error = Some(error.clone());
        if let Some(handler) = &mut self.handler {
            handler.on_error(cx, error);
        }
    }

    fn on_close(&mut self, cx: &mut Context<'_, S>, reason: CloseReason) {
        // The close is carried over before the handler is called, because the handler may panic.
        self.carry_close(cx, reason);
        if let Some(handler) = &mut self.handler {
            handler.on_close(cx, reason);
        }
    }

    fn on_lookup(
        &mut self,
        cx: &mut Context<'_, S>,
        host: &str,
        found: Result<SocketAddr, &Error>,
    ) {
        if let Some(handler) = &mut self.handler {
            handler.on_lookup(cx, host, found);
        }
    }

    fn on_connection_attempt(&mut self, cx: &mut Context<'_, S>, address: SocketAddr) {
        if let Some(handler) = &mut self.handler {
            handler.on_connection_attempt(cx, address);
        }
    }

    fn on_connection_attempt_failed(
        &mut self,
        cx: &mut Context<'_, S>,
        address: SocketAddr,
        error: &Error,
    ) {
        if let Some(handler) = &mut self.handler {
            handler.on_connection_attempt_failed(cx, address, error);
        }
    }

    fn on_connection_attempt_slow(&mut self, cx: &mut Context<'_, S>, address: SocketAddr) {
        if let Some(handler) = &mut self.handler {
            handler.on_connection_attempt_slow(cx, address);
        }
    }

    fn on_connect(&mut self, cx: &mut Context<'_, S>) {
        if let Some(handler) = &mut self.handler {
            handler.on_connect(cx);
        }
    }

    fn on_timeout(&mut self, cx: &mut Context<'_, S>) {
        match &mut self.handler {
            Some(handler) => handler.on_timeout(cx),
            None => cx.socket.destroy(),
        }
        if self.end.directions.takes {
            cx.socket.reset_if_timed_out();
        }
    }

    fn on_deadline(&mut self, cx: &mut Context<'_, S>) {
        if let Some(handler) = &mut self.handler {
            handler.on_deadline(cx);
        }
        if self.end.directions.takes {
            cx.socket.reset_if_timed_out();
        }
    }

    fn on_timer(&mut self, cx: &mut Context<'_, S>, token: u64) {
        if let Some(handler) = &mut self.handler {
            handler.on_timer(cx, token);
        }
    }
}
