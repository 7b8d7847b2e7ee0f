//! Two sockets that are joined: the bytes that one receives are sent on the other, with the end and with the failure.
//!
//! Each of the two gets a [`Piped`] in front of the handler that it has. Bytes stop there; everything else goes on to the
//! handler behind it, which so learns how its socket fares.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;

use crate::net::{CloseReason, Error, Flow, Net, Socket, SocketId, State};

use super::context::Context;
use super::socket_handler::SocketHandler;

/// The token of the notice that everything was sent which the peer of a failed socket had sent before. Handlers choose
/// tokens of their own, so it is one that counts, addresses and lengths do not reach.
const ALL_IS_SENT: u64 = 0xfa11_ed00_5e9d_a11e;

/// The directions in which bytes go between a socket and the one that it is joined to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Directions {
    /// The bytes that the socket receives go to the other one.
    gives: bool,
    /// The socket sends the bytes that the other one receives.
    takes: bool,
}

/// The state that both ends of a pipe share: the error of the first of them that failed, until the other one closes with
/// it.
type Failure = Rc<RefCell<Option<Error>>>;

/// One end of a pipe, which is put in front of the handler of its socket when no callback runs.
#[derive(Debug)]
pub(super) struct End {
    other: SocketId,
    directions: Directions,
    failure: Failure,
}

/// Puts one end of a pipe in front of a handler. It is a value, since it takes a state that lives for ever to put one
/// handler into another, and only a call of `pipe` knows that of its loop.
pub(super) type PutBefore<S> =
    fn(End, Option<Box<dyn SocketHandler<S>>>) -> Box<dyn SocketHandler<S>>;

/// Joins `from` to `to`, in one direction or `both`, and returns the ends to be installed: those of `from` and of `to`, or
/// one if it is the same socket. `None` if either is gone. One that has closed but not had its `on_close` yet is joined:
/// its close is carried over as any other, so that a connect that has failed at once closes the client of a proxy.
pub(super) fn join(
    net: &mut Net,
    from: SocketId,
    to: SocketId,
    both: bool,
) -> Option<Vec<(SocketId, End)>> {
    if !net.has_socket(from) || !net.has_socket(to) {
        return None;
    }
    let failure = Failure::default();
    let end = |other, gives, takes| End {
        other,
        directions: Directions { gives, takes },
        failure: Rc::clone(&failure),
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

/// Begins to pass on what `from` receives to `to`.
fn connect(net: &mut Net, from: SocketId, to: SocketId) {
    // The end of what `to` sends is the end of what `from` receives, and no answer to its own peer's.
    net.allow_half_open(to);
    let is_full = Socket::new(net, to).needs_drain();
    let mut from = Socket::new(net, from);
    if is_full {
        from.pause();
    } else {
        from.resume();
    }
    if from.state() == State::WriteOnly {
        // Its end was told already.
        Socket::new(net, to).end();
    }
}

/// The handler of a joined socket.
pub(super) struct Piped<S> {
    end: End,
    /// The handler that the socket had; `None` if it has lost it to a panic.
    handler: Option<Box<dyn SocketHandler<S>>>,
    /// The error that the socket was told.
    error: Option<Error>,
}

impl<S: 'static> Piped<S> {
    /// See [`PutBefore`].
    pub(super) fn put_before(
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
    /// Carries the close of the socket over to the other one. What that has been given to send is sent first.
    fn carry_close(&mut self, cx: &mut Context<'_, S>, reason: CloseReason) {
        let Directions { takes, .. } = self.end.directions;
        let mut other = cx.socket.socket(self.end.other);
        if other.is_destroyed() {
            return;
        }
        if takes {
            // Its bytes have nowhere to go, and are read all the same: the system resets a connection that is closed
            // with bytes unread, and so takes from its peer the last ones that were sent.
            other.resume();
        }
        if let Some(error) = self.error.take() {
            *self.end.failure.borrow_mut() = Some(error);
            other.end();
            other.notify_when_sent(ALL_IS_SENT);
            return;
        }
        let is_received = matches!(other.state(), State::WriteOnly | State::Closed);
        if reason != CloseReason::Graceful || takes && !is_received {
            other.destroy_soon();
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
        match cx.socket.socket(self.end.other).write(data) {
            Flow::Open => {}
            Flow::Full => cx.socket.pause(),
            // It was ended by hand, and there is nothing to be done with more.
            Flow::Ended => cx.socket.destroy_soon(),
            // Its own end is carried over by its own close.
            Flow::Closed => {}
        }
    }

    fn on_drain(&mut self, cx: &mut Context<'_, S>) {
        if self.end.directions.takes {
            cx.socket.socket(self.end.other).resume();
        }
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
        if token == ALL_IS_SENT {
            let failure = self.end.failure.take();
            if let (Some(error), Ok(())) = (failure, sent) {
                cx.socket.destroy_with(error);
            }
            return;
        }
        if let Some(handler) = &mut self.handler {
            handler.on_sent(cx, token, sent);
        }
    }

    fn on_error(&mut self, cx: &mut Context<'_, S>, error: &Error) {
        self.error = Some(error.clone());
        if let Some(handler) = &mut self.handler {
            handler.on_error(cx, error);
        }
    }

    fn on_close(&mut self, cx: &mut Context<'_, S>, reason: CloseReason) {
        // Before the handler, which may panic.
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
    }

    fn on_timer(&mut self, cx: &mut Context<'_, S>, token: u64) {
        if let Some(handler) = &mut self.handler {
            handler.on_timer(cx, token);
        }
    }
}
