//! A WebSocket server (RFC 6455): an echo at `/echo`, and at `/` a chat with its page.
//!
//! ```text
//! $ cargo run -p netloop-websocket               # or, with an address: netloop-websocket 0.0.0.0:7003
//! listening 127.0.0.1:7003
//! the chat is at http://127.0.0.1:7003/
//! ```
//!
//! Open the page in two windows, and talk to yourself. Ctrl-C stops the server: the pages say so, and come back when it
//! does.
//!
//! | read | about |
//! |---|---|
//! | `upgrade.rs`, `handshake.rs` | the request, and the switch of protocols on one socket |
//! | `frame.rs`, `mask.rs`, `receiver.rs` | from bytes to messages, without a socket |
//! | `session.rs` | control frames, closing, backpressure, signs of life |
//! | `echo.rs`, `chat.rs` | the applications |
//!
//! **Limits.** A request has 8 KiB and 10 seconds. A message has 1 MiB (`--max-message`), and so has a frame
//! (`--max-frame`); in the middle of one the client must send 240 bytes a second. A client that is silent for 30 seconds
//! (`--ping`) is sent a ping, and is given up after 30 more. The echo stops reading from a client that does not read,
//! and the chat drops it. The least rate of `Limits::internet` (240 bytes a second, after 5 seconds) is asked of every
//! client for which bytes wait. With `--origin https://example.org` the pages of other origins are refused.
//!
//! **Left out.** Extensions, and so compression (permessage-deflate): it is as large as the rest, holds a window a
//! client, and lets few bytes become many. Subprotocols. TLS: put it in front.
#![cfg_attr(
    not(unix),
    allow(dead_code, reason = "only on Unix a signal shuts the server down")
)]

mod chat;
mod echo;
mod frame;
mod handshake;
mod mask;
mod options;
mod receiver;
mod server;
mod session;
#[cfg(test)]
mod simulated;
mod upgrade;
mod violation;

use std::io::Write;

use netloop::EventLoop;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = options::Options::read()?;
    let mut event_loop = EventLoop::new()?;
    let id = server::listen(&mut event_loop, &options)?;
    #[cfg(unix)]
    for signal in [netloop::Signal::INT, netloop::Signal::TERM] {
        event_loop.on_signal(signal, server::shut_down)?;
    }
    if let Some(address) = event_loop.server(id).address() {
        let mut output = std::io::stdout();
        writeln!(output, "listening {address}")?;
        writeln!(output, "the chat is at http://{address}/")?;
    }
    event_loop.run(&mut server::Server::new(options))?;
    Ok(())
}
