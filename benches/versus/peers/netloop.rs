//! The library under test, as its documentation says it should be used: no option beyond what every peer has.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use ::netloop::{Context, EventLoop, Flow, SocketHandler, SocketId, SocketOptions};

use super::service::{Mode, Service, announce};
use crate::pattern::FLOOD;

/// The members of a broadcast, in no order.
type Members = Vec<SocketId>;

/// Serves until the process is killed; returns only on failure.
pub(crate) fn serve(service: &Service) -> io::Result<()> {
    serve_forever(service.port, service.mode, service.idle_timeout).map_err(io::Error::other)
}

fn serve_forever(port: u16, mode: Mode, idle_timeout: Option<Duration>) -> ::netloop::Result<()> {
    let mut event_loop: EventLoop<Members> = EventLoop::new()?;
    let address = ("127.0.0.1", port);
    let options = SocketOptions::new().idle_timeout(idle_timeout);
    let server = match mode {
        Mode::Echo => event_loop.listen_with(address, options, |_, _| Echo)?,
        Mode::Discard => {
            event_loop.listen_with(address, options, |_, _| Discard { received: 0 })?
        }
        Mode::Flood => event_loop.listen_with(address, options, |_, _| Flood)?,
        Mode::Broadcast => event_loop.listen_with(address, options, |_, _| Member)?,
    };
    if let Some(address) = event_loop.server(server).address() {
        // Without a reader of the line nobody will connect, and serving is harmless.
        let _ = announce(address);
    }
    event_loop.run(&mut Members::new())
}

struct Echo;

impl SocketHandler<Members> for Echo {
    fn on_data(&mut self, cx: &mut Context<'_, Members>, data: &[u8]) {
        if cx.socket.write(data) == Flow::Full {
            cx.socket.pause();
        }
    }

    fn on_drain(&mut self, cx: &mut Context<'_, Members>) {
        cx.socket.resume();
    }
}

struct Discard {
    received: u64,
}

impl SocketHandler<Members> for Discard {
    fn on_data(&mut self, _: &mut Context<'_, Members>, data: &[u8]) {
        self.received += data.len() as u64;
    }

    fn on_end(&mut self, cx: &mut Context<'_, Members>) {
        // Eight bytes always fit, and a peer that is gone misses nothing.
        let _ = cx.socket.write(&self.received.to_be_bytes());
    }
}

struct Flood;

impl Flood {
    fn pour(cx: &mut Context<'_, Members>) {
        while cx.socket.write_static(&FLOOD) == Flow::Open {}
    }
}

impl SocketHandler<Members> for Flood {
    fn on_connect(&mut self, cx: &mut Context<'_, Members>) {
        Self::pour(cx);
    }

    fn on_data(&mut self, _: &mut Context<'_, Members>, _: &[u8]) {}

    fn on_drain(&mut self, cx: &mut Context<'_, Members>) {
        Self::pour(cx);
    }
}

struct Member;

impl SocketHandler<Members> for Member {
    fn on_connect(&mut self, cx: &mut Context<'_, Members>) {
        cx.shared.push(cx.socket.id());
    }

    fn on_data(&mut self, cx: &mut Context<'_, Members>, data: &[u8]) {
        let words: Rc<[u8]> = data.into();
        let speaker = cx.socket.id();
        for &member in cx.shared.iter().filter(|&&member| member != speaker) {
            // A member that does not read fails by itself, at the limit of its queue.
            let _ = cx.socket.other(member).write_shared(Rc::clone(&words));
        }
    }

    fn on_close(&mut self, cx: &mut Context<'_, Members>, _: ::netloop::CloseReason) {
        let gone = cx.socket.id();
        cx.shared.retain(|&member| member != gone);
    }
}
