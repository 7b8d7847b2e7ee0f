//! The events of UDP sockets: each is a value, and this module calls the handler of its socket.

use crate::event_loop::EventLoop;
use crate::event_loop::calling::Calling;
use crate::event_loop::contexts::DatagramContext;
use crate::event_loop::handlers::DatagramHandler;
use crate::event_loop::shutdown::{self, AtShutdown};
use crate::event_loop::watch::Watched;
use crate::net::{DatagramEvent, DatagramId, DatagramSocket, Message};

impl<S> EventLoop<S> {
    /// The fast path of the serve phase, while the loop has no hook for stalls or pressure.
    #[inline(never)]
    pub(super) fn deliver_datagram(&mut self, shared: &mut S, id: DatagramId, buffer: &[u8]) {
        match self.net.take_only_message(id) {
            Some(message) => self.call_datagrams(shared, id, |handler, cx| {
                call_for_message(handler, cx, message, buffer);
            }),
            None => self.deliver_datagram_events(shared, id, buffer),
        }
    }

    /// As [`deliver_datagram`](Self::deliver_datagram), and tells the hooks after each callback.
    #[inline(never)]
    pub(super) fn deliver_to_datagrams(&mut self, shared: &mut S, id: DatagramId, buffer: &[u8]) {
        // Usually one message waits alone. An event that the callback causes puts the socket on the run queue again.
        let Some(message) = self.net.take_only_message(id) else {
            return self.deliver_datagram_events(shared, id, buffer);
        };
        let watched = self.watch();
        let mut name = "";
        self.call_datagrams(shared, id, |handler, cx| {
            name = call_for_message(handler, cx, message, buffer);
        });
        self.end_watch(shared, watched, name, Watched::Datagram(id));
    }

    #[inline(never)]
    fn deliver_datagram_events(&mut self, shared: &mut S, id: DatagramId, buffer: &[u8]) {
        while let Some(event) = self.net.take_datagram_event(id) {
            let watched = self.watch();
            let mut name = "";
            self.call_datagrams(shared, id, |handler, cx| {
                name = match event {
                    DatagramEvent::Message(message) => {
                        call_for_message(handler, cx, message, buffer)
                    }
                    DatagramEvent::Listening => {
                        handler.on_listening(cx);
                        "on_listening"
                    }
                    DatagramEvent::Connected => {
                        handler.on_connect(cx);
                        "on_connect"
                    }
                    DatagramEvent::Drained => {
                        handler.on_drain(cx);
                        "on_drain"
                    }
                    DatagramEvent::Error(error) => {
                        handler.on_error(cx, &error);
                        "on_error"
                    }
                };
            });
            self.end_watch(shared, watched, name, Watched::Datagram(id));
        }
    }

    /// For the timer of a shutdown, calls `on_shutdown` instead of `on_timer`.
    #[inline(never)]
    pub(super) fn deliver_datagram_timer(&mut self, shared: &mut S, id: DatagramId, token: u64) {
        let watched = self.watch();
        if token == shutdown::ASK {
            self.call_datagrams(shared, id, |handler, cx| {
                if handler.on_shutdown(cx) == AtShutdown::End {
                    cx.socket.close_soon();
                }
            });
            return self.end_watch(shared, watched, "on_shutdown", Watched::Datagram(id));
        }
        self.call_datagrams(shared, id, |handler, cx| handler.on_timer(cx, token));
        self.end_watch(shared, watched, "on_timer", Watched::Datagram(id));
    }

    #[inline]
    fn call_datagrams(
        &mut self,
        shared: &mut S,
        id: DatagramId,
        call: impl FnOnce(&mut dyn DatagramHandler<S>, &mut DatagramContext<'_, S>),
    ) {
        if let Some(handler) = self.datagram_handlers.get_mut(id.0) {
            self.calling = Some(Calling::Datagram(id));
            let mut cx = DatagramContext {
                socket: DatagramSocket::new(&mut self.net, id),
                shared,
                agenda: &mut self.agenda,
            };
            call(handler.as_mut(), &mut cx);
        }
        self.calling = None;
        self.install();
    }

    pub(crate) fn close_datagrams(&mut self, shared: &mut S, id: DatagramId) {
        while let Some(error) = self.net.take_last_datagram_error(id) {
            let watched = self.watch();
            // If `on_error` panics, `on_close` follows in the next close phase.
            self.unclosed_datagrams = Some(id);
            self.call_datagrams(shared, id, |handler, cx| handler.on_error(cx, &error));
            self.end_watch(shared, watched, "on_error", Watched::Datagram(id));
            self.unclosed_datagrams = None;
        }
        let watched = self.watch();
        self.calling = Some(Calling::ClosedDatagram(id));
        if let Some(handler) = self.datagram_handlers.get_mut(id.0) {
            handler.on_close(&mut DatagramContext {
                socket: DatagramSocket::new(&mut self.net, id),
                shared,
                agenda: &mut self.agenda,
            });
        }
        self.install();
        self.calling = None;
        self.forget_datagrams(id);
        self.end_watch(shared, watched, "on_close", Watched::Datagram(id));
    }

    pub(crate) fn forget_datagrams(&mut self, id: DatagramId) {
        let handler = self.datagram_handlers.remove(id.0);
        self.net.remove_datagrams(id);
        self.agenda.end_shutdowns(&mut self.net);
        // Dropped last: the drop is user code and may panic, and then nothing is left half done.
        drop(handler);
    }
}

#[inline(always)]
fn call_for_message<S>(
    handler: &mut dyn DatagramHandler<S>,
    cx: &mut DatagramContext<'_, S>,
    message: Message,
    buffer: &[u8],
) -> &'static str {
    let Message {
        from,
        offset,
        length,
        is_truncated,
    } = message;
    let data = &buffer[offset..offset + length];
    match is_truncated {
        false => {
            handler.on_message(cx, from, data);
            "on_message"
        }
        true => {
            handler.on_truncated(cx, from, data);
            "on_truncated"
        }
    }
}
