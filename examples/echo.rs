//! An echo server, whose memory stays small even if a peer never reads.
//!
//! ```text
//! $ cargo run --example echo
//! $ echo hello | nc -N 127.0.0.1 7000      # in another terminal
//! hello
//! ```
use netloop::{Context, EventLoop, Flow, SocketHandler};

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

fn main() -> netloop::Result<()> {
    let mut event_loop = EventLoop::new()?;
    event_loop.listen("127.0.0.1:7000", |_, _| Echo)?;
    event_loop.run(&mut ())
}
