//! Functions that call a socket's handler for an event or a notice, and return the name of the callback.

use std::time::Duration;

use crate::event_loop::Context;
use crate::event_loop::handlers::SocketHandler;
use crate::net::{Notice, SocketEvent};

/// The slowest of several callbacks in a row. While callbacks are not watched, the last one: no clock is read then.
#[derive(Default)]
pub(super) struct Slowest {
    pub(crate) name: &'static str,
    duration: Duration,
}

impl Slowest {
    /// `call` returns the name of its callback.
    pub(crate) fn time<S>(
        &mut self,
        cx: &mut Context<'_, S>,
        call: impl FnOnce(&mut Context<'_, S>) -> &'static str,
    ) {
        if !cx.agenda.meter.watches() {
            self.name = call(cx);
            return;
        }
        let began = cx.socket.net().read_clock();
        let name = call(cx);
        let duration = cx
            .socket
            .net()
            .read_clock()
            .saturating_duration_since(began);
        if duration >= self.duration {
            *self = Self { name, duration };
        }
    }
}

#[inline(never)]
pub(super) fn call_for_event<S>(
    handler: &mut dyn SocketHandler<S>,
    cx: &mut Context<'_, S>,
    event: SocketEvent,
) -> &'static str {
    match event {
        SocketEvent::Data(_) => {
            debug_assert!(false, "data is delivered with the read buffer");
            "on_data"
        }
        SocketEvent::Accepted => {
            debug_assert!(false, "the server is told first");
            "on_connection"
        }
        SocketEvent::Connected => {
            handler.on_connect(cx);
            cx.socket.catch_up();
            "on_connect"
        }
        SocketEvent::Drained => {
            handler.on_drain(cx);
            "on_drain"
        }
        SocketEvent::Ended => {
            handler.on_end(cx);
            cx.socket.answer_end();
            "on_end"
        }
        SocketEvent::TimedOut => {
            handler.on_timeout(cx);
            "on_timeout"
        }
        SocketEvent::DeadlineReached => {
            handler.on_deadline(cx);
            cx.socket.answer_deadline();
            "on_deadline"
        }
        SocketEvent::Noticed => {
            let mut slowest = Slowest::default();
            // The handler may cause a further notice in each callback. Such notices wait for the next service.
            for _ in 0..cx.socket.waiting_notices() {
                let Some(notice) = cx.socket.next_notice() else {
                    break;
                };
                slowest.time(cx, |cx| call_for_notice(handler, cx, notice));
            }
            // `end_notices` comes last: it goes on with the connect, unless a callback has closed the socket.
            cx.socket.end_notices();
            slowest.name
        }
    }
}

pub(super) fn call_for_notice<S>(
    handler: &mut dyn SocketHandler<S>,
    cx: &mut Context<'_, S>,
    notice: Notice,
) -> &'static str {
    match notice {
        Notice::LookedUp(found) => {
            let host = cx.socket.host().unwrap_or_default();
            handler.on_lookup(cx, &host, found.as_ref().copied());
            "on_lookup"
        }
        Notice::AttemptBegun(address) => {
            handler.on_connection_attempt(cx, address);
            "on_connection_attempt"
        }
        Notice::AttemptFailed(address, error) => {
            handler.on_connection_attempt_failed(cx, address, &error);
            "on_connection_attempt_failed"
        }
        Notice::AttemptIsSlow(address) => {
            handler.on_connection_attempt_slow(cx, address);
            "on_connection_attempt_slow"
        }
        Notice::Sent(token) => {
            handler.on_sent(cx, token, Ok(()));
            "on_sent"
        }
        Notice::Refused(token, error) => {
            handler.on_sent(cx, token, Err(&error));
            "on_sent"
        }
    }
}
