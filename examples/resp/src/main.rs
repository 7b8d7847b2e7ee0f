//! A server that speaks the protocol of Redis: strings that expire, and channels. It shows a parser without I/O, replies that
//! leave in one write, backpressure on pipelines, and a broadcast whose slow subscribers the loop closes.
//!
//! ```text
//! $ cargo run --release -p netloop-resp            # or: resp --listen 127.0.0.1:6380
//! listening 127.0.0.1:6379
//! ```
//!
//! In another terminal:
//!
//! ```text
//! $ redis-cli set greeting hello ex 60
//! OK
//! $ redis-cli get greeting
//! "hello"
//! $ redis-benchmark -q -t ping,set,get -P 16
//! ```
//!
//! Begin reading with `session.rs`, which has the handler of a connection. `protocol` turns bytes into commands and replies into
//! bytes, and `commands` has a function for each command. `expiry.rs` says how a million keys expire with a few timers.
//!
//! Nothing is stored on disk. Where Redis would queue for a slow client without a limit, this server stops reading from
//! the client, and closes it at `--max-queued BYTES`.

mod channels;
mod client;
mod commands;
mod database;
mod expiry;
mod glob;
mod protocol;
mod server;
mod session;

use lexopt::{Arg, Parser, ValueExt};
use netloop::{EventLoop, SocketOptions};

use client::Client;
use server::Server;
use session::Session;

const USAGE: &str = "usage: resp [--listen ADDRESS] [--max-queued BYTES]";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut address = "127.0.0.1:6379".to_owned();
    // A subscriber of Redis may be as far behind.
    let mut max_queued = 32 << 20;
    let mut arguments = Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Long("listen") => address = arguments.value()?.string()?,
            Arg::Long("max-queued") => max_queued = arguments.value()?.parse()?,
            _ => return Err(USAGE.into()),
        }
    }
    let mut event_loop = EventLoop::new()?;
    let options = SocketOptions::new().max_queued_bytes(max_queued);
    let server = event_loop.listen_with(address, options, |cx, accepted| {
        Session::new(Client::new(cx, accepted))
    })?;
    if let Some(address) = event_loop.server(server).address() {
        println!("listening {address}");
    }
    let mut server = Server::new(event_loop.now());
    event_loop.run(&mut server)?;
    Ok(())
}
