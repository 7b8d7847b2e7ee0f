//! A server for load generators, on 127.0.0.1, which `benches/versus` measures:
//! `serve PORT MODE [--idle-timeout SECONDS] [--read-buffer BYTES] [--busy-poll MICROSECONDS] [--internet]`.
//! With `--internet` the server has the limits of a server for strangers.
//!
//! | MODE | behaviour |
//! |---|---|
//! | `echo` | sends everything back |
//! | `messages` | sends everything back, with one write for each 64 bytes |
//! | `discard` | reads and drops; answers the peer's end with the number of bytes, as 8 bytes in big-endian order |
//! | `flood` | writes a block of 64 KiB again and again, as fast as the peer reads |
//! | `broadcast` | sends each chunk that it receives to all other connections |
//!
//! ```text
//! $ cargo run --release --example serve -- 7000 echo
//! listening 127.0.0.1:7000
//! ```
use std::time::Duration;

use lexopt::{Arg, Parser, ValueExt};
use netloop::{
    CloseReason, Context, EventLoop, EventLoopOptions, Flow, Limits, SocketHandler, SocketId,
    SocketOptions,
};

/// The block that `flood` repeats: its byte `i` is `i ^ (i >> 8)`. The block is static, so that no part of it is ever
/// copied.
static FLOOD: [u8; 64 << 10] = {
    let mut block = [0; 64 << 10];
    let mut i = 0;
    while i < block.len() {
        block[i] = i.to_le_bytes()[0] ^ i.to_le_bytes()[1];
        i += 1;
    }
    block
};

/// The members of the broadcast.
type Members = Vec<SocketId>;

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
        for message in data.chunks(64) {
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

#[derive(Default)]
struct Discard {
    received: u64,
}

impl SocketHandler<Members> for Discard {
    fn on_data(&mut self, _: &mut Context<'_, Members>, data: &[u8]) {
        self.received += data.len() as u64;
    }
    fn on_end(&mut self, cx: &mut Context<'_, Members>) {
        // The answer is ignored: a peer that is gone misses nothing.
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

struct Broadcast;

impl SocketHandler<Members> for Broadcast {
    fn on_connect(&mut self, cx: &mut Context<'_, Members>) {
        cx.shared.push(cx.socket.id());
    }
    fn on_data(&mut self, cx: &mut Context<'_, Members>, data: &[u8]) {
        let speaker = cx.socket.id();
        let others = cx.shared.iter().copied().filter(|&id| id != speaker);
        let mut sockets = cx.socket.sockets();
        for (id, flow) in sockets.broadcast(others, data) {
            if flow == Flow::Full {
                sockets.socket(id).destroy();
            }
        }
    }
    fn on_close(&mut self, cx: &mut Context<'_, Members>, _: CloseReason) {
        let gone = cx.socket.id();
        cx.shared.retain(|&member| member != gone);
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    const USAGE: &str = "usage: serve PORT echo|messages|discard|flood|broadcast [--idle-timeout SECONDS] \
        [--read-buffer BYTES] [--busy-poll MICROSECONDS] [--internet]";
    let mut port: Option<u16> = None;
    let mut mode: Option<String> = None;
    let mut idle = None;
    let mut read_buffer = None;
    let mut busy_poll = None;
    let mut limits = Limits::new();
    let mut arguments = Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Long("idle-timeout") => {
                idle = Some(Duration::from_secs(arguments.value()?.parse()?));
            }
            Arg::Long("read-buffer") => read_buffer = Some(arguments.value()?.parse()?),
            Arg::Long("busy-poll") => {
                busy_poll = Some(Duration::from_micros(arguments.value()?.parse()?));
            }
            Arg::Long("internet") => limits = Limits::internet(),
            Arg::Value(value) if port.is_none() => port = Some(value.parse()?),
            Arg::Value(value) if mode.is_none() => mode = Some(value.string()?),
            _ => return Err(USAGE.into()),
        }
    }
    let (Some(port), Some(mode)) = (port, mode) else {
        return Err(USAGE.into());
    };

    let mut options = EventLoopOptions::new().limits(limits);
    if let Some(bytes) = read_buffer {
        options = options.read_buffer_bytes(bytes);
    }
    if let Some(duration) = busy_poll {
        options = options.busy_poll(duration);
    }
    let mut event_loop: EventLoop<Members> = EventLoop::with_options(options)?;
    let address = ("127.0.0.1", port);
    let mut options = SocketOptions::new();
    if let Some(timeout) = idle {
        options = options.idle_timeout(timeout);
    }
    let server = match mode.as_str() {
        "echo" => event_loop.listen_with(address, options, |_, _| Echo)?,
        "messages" => event_loop.listen_with(address, options, |_, _| Messages)?,
        "discard" => event_loop.listen_with(address, options, |_, _| Discard::default())?,
        "flood" => event_loop.listen_with(address, options, |_, _| Flood)?,
        "broadcast" => event_loop.listen_with(address, options, |_, _| Broadcast)?,
        _ => return Err(USAGE.into()),
    };
    if let Some(address) = event_loop.server(server).address() {
        println!("listening {address}");
    }
    event_loop.run(&mut Members::new())?;
    Ok(())
}
