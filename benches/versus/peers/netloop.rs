//! The library under test, as its documentation says it should be used: no option beyond what every peer has.

use std::io;
use std::time::Duration;

use ::netloop::{
    Context, EventLoop, EventLoopOptions, Flow, SocketHandler, SocketId, SocketOptions,
};

use super::service::{IDLE_TIMEOUT, Mode, Service, announce};
use crate::pattern::{FLOOD, MESSAGE};

/// Longer than the answer of a peer on the same machine takes.
const BUSY_POLL: Duration = Duration::from_micros(100);

/// The members of a broadcast, in no order.
type Members = Vec<SocketId>;

/// Serves until the process is killed; returns only on failure.
pub(crate) fn serve(service: &Service) -> io::Result<()> {
    serve_forever(service, None).map_err(io::Error::other)
}

/// The same, where every socket has an idle timeout: what the timeout costs is what this costs beyond [`serve`].
pub(crate) fn serve_with_idle_timeout(service: &Service) -> io::Result<()> {
    serve(&Service {
        idle_timeout: service.idle_timeout.or(Some(IDLE_TIMEOUT)),
        ..*service
    })
}

/// The same, where the loop looks for events for a while before it sleeps.
pub(crate) fn serve_with_busy_poll(service: &Service) -> io::Result<()> {
    serve_forever(service, Some(BUSY_POLL)).map_err(io::Error::other)
}

fn serve_forever(service: &Service, busy_poll: Option<Duration>) -> ::netloop::Result<()> {
    let options = EventLoopOptions::new().busy_poll(busy_poll.unwrap_or_default());
    let mut event_loop: EventLoop<Members> = EventLoop::with_options(options)?;
    let address = ("127.0.0.1", service.port);
    let options = SocketOptions::new().idle_timeout(service.idle_timeout);
    let server = match service.mode {
        Mode::Echo => event_loop.listen_with(address, options, |_, _| Echo)?,
        Mode::Messages => event_loop.listen_with(address, options, |_, _| Messages)?,
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

struct Messages;

impl SocketHandler<Members> for Messages {
    fn on_data(&mut self, cx: &mut Context<'_, Members>, data: &[u8]) {
        let mut flow = Flow::Open;
        for message in data.chunks(MESSAGE) {
            flow = cx.socket.write(message);
        }
        if flow == Flow::Full {
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
        let speaker = cx.socket.id();
        let others = cx.shared.iter().copied();
        let others = others.filter(|&member| member != speaker);
        // A member that does not read fails by itself, at the limit of its queue.
        let _ = cx.socket.sockets().broadcast(others, data);
    }

    fn on_close(&mut self, cx: &mut Context<'_, Members>, _: ::netloop::CloseReason) {
        let gone = cx.socket.id();
        cx.shared.retain(|&member| member != gone);
    }
}
