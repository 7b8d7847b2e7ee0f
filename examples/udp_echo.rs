//! An echo server for datagrams: each comes back to its sender.
//!
//! ```text
//! $ cargo run --example udp_echo
//! listening 127.0.0.1:7005
//! $ echo hello | socat -t 1 - UDP:127.0.0.1:7005      # in another terminal
//! hello
//! ```
use std::net::SocketAddr;

use netloop::{DatagramContext, DatagramHandler, DatagramOptions, EventLoop};

struct Echo;

impl DatagramHandler for Echo {
    fn on_listening(&mut self, cx: &mut DatagramContext<'_>) {
        if let Some(address) = cx.socket.local_address() {
            println!("listening {address}");
        }
    }
    fn on_message(&mut self, cx: &mut DatagramContext<'_>, from: SocketAddr, data: &[u8]) {
        // Without space in the kernel, the datagram waits in a short queue, which drops the oldest one when it is full.
        cx.socket.send_to(from, data).ignore();
    }
    fn on_error(&mut self, _: &mut DatagramContext<'_>, error: &netloop::Error) {
        eprintln!("{error:#}");
    }
}

fn main() -> netloop::Result<()> {
    let address = std::env::args().nth(1);
    let address = address.as_deref().unwrap_or("127.0.0.1:7005");
    let mut event_loop = EventLoop::new()?;
    event_loop.bind_udp(address, DatagramOptions::new(), Echo)?;
    event_loop.run(&mut ())
}
