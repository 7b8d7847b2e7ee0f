//! The echo on this library's loop.

use std::net::SocketAddr;
use std::sync::Arc;

use netloop::{Context, EventLoop, Flow, ListenOptions, SocketHandler};
use rustls::ServerConfig;

struct Echo;

impl SocketHandler for Echo {
    fn on_data(&mut self, cx: &mut Context<'_>, data: &[u8]) {
        if cx.socket.write(data) == Flow::Full {
            cx.socket.pause();
        }
    }
    fn on_drain(&mut self, cx: &mut Context<'_>) {
        cx.socket.resume();
    }
}

pub(crate) fn serve(config: Arc<ServerConfig>, announce: impl FnOnce(SocketAddr)) {
    let mut event_loop: EventLoop = EventLoop::new().expect("a loop");
    let options = ListenOptions::new().tls(config);
    let server = event_loop
        .listen_with("127.0.0.1:0", options, |_, _| Echo)
        .expect("a server");
    announce(event_loop.server(server).address().expect("it listens"));
    event_loop.run(&mut ()).expect("the loop runs");
}
