//! A TCP proxy in front of several servers, which takes each connection to the next of them.
//!
//! - A side that does not read pauses the other one, so that the memory of a connection stays small.
//! - The end of one side is carried to the other, which may go on sending. So is a failure: a reset arrives as a reset, after
//!   the bytes that came before it. (It discards those that the kernel still holds for a reader that lags.)
//! - A server that cannot be connected to is left out for a while, and its client gets the next one.
//! - The PROXY protocol tells the servers from where a client comes (`--send-proxy 1` or `2`). It tells this proxy the
//!   same, from proxies in a trusted network (`--accept-proxy NETWORK`).
//!
//! ```text
//! $ cargo run --example proxy -- --listen 127.0.0.1:7000 --to 127.0.0.1:8000 --to 127.0.0.1:8001 --statistics 127.0.0.1:7009
//! listening 127.0.0.1:7000
//! statistics 127.0.0.1:7009
//! 127.0.0.1:8001: connect ECONNREFUSED 127.0.0.1:8001
//! ```
//!
//! In another terminal, after three requests of `curl http://127.0.0.1:7000/`:
//!
//! ```text
//! $ nc 127.0.0.1 7009
//! clients: 0 now, 3 in all, 0 without a valid header, 0 without a server
//! bytes: 1470 received, 1470 sent, 0 queued
//! 127.0.0.1:8000: 3 connections, 0 failures
//! 127.0.0.1:8001: 0 connections, 1 failures, left out
//! ```
//!
//! A place is an address, a name with a port, or the path of a Unix socket, such as `unix:app.sock`.

use netloop::{Endpoint, EventLoop, Limits, ListenOptions, ServerId};

mod client;
mod header;
mod options;
mod proxy;
mod upstream;
mod upstreams;

use client::Front;
use options::Options;
use proxy::Proxy;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = Options::read()?;
    let mut event_loop = EventLoop::new()?;
    let server = listen(&mut event_loop, &options)?;
    say_where(&mut event_loop, "listening", server);
    if let Some(place) = &options.statistics {
        let server = event_loop.listen(place.as_str(), proxy::report)?;
        say_where(&mut event_loop, "statistics", server);
    }
    event_loop.run(&mut Proxy::new(options))?;
    Ok(())
}

/// Listens for clients, or for the proxies in front of this one.
fn listen(event_loop: &mut EventLoop<Proxy>, options: &Options) -> netloop::Result<ServerId> {
    // The bytes of the client wait until an upstream is connected.
    let listening = ListenOptions::from(options.socket().pause_on_connect(true))
        .proxy_protocol(options.proxies.clone())
        .limits(Limits::new().handshake_timeout(options.header_timeout));
    event_loop.serve(options.listen.as_str(), listening, Front)
}

fn say_where(event_loop: &mut EventLoop<Proxy>, name: &str, server: ServerId) {
    let server = event_loop.server(server);
    match (server.address(), server.path()) {
        (Some(address), _) => println!("{name} {address}"),
        (None, Some(path)) => println!("{name} {}", Endpoint::Path(path.to_owned())),
        (None, None) => {}
    }
}
